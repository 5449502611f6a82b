// Between which values colours run.

import type { Numbers } from "./numbers";

export type Domain = [low: number, high: number];

/** Maps of colours, as h5web calls them; what is none of them would break a drawing. */
export const MAPS = [
  "Viridis", "Inferno", "Magma", "Plasma", "Cividis", "Turbo", "Greys",
  "Blues", "Reds", "Warm", "Cool", "Spectral", "RdBu", "PiYG",
] as const;

export type ColourScale = "linear" | "log" | "symlog" | "sqrt";

/** `auto`: from the least to the largest; `robust`: without the outermost hundredth on each side; or fixed. */
export type ColourRange = "auto" | "robust" | Domain;

const MOST_SAMPLES = 20_000;

/** Return the values between which colours run; what is not finite, or has no place on the scale, does not count. */
export function domainOf(values: Numbers, range: ColourRange, scale: ColourScale): Domain {
  const found = typeof range === "string" ? (range === "robust" ? robust(values, scale) : outermost(values, scale)) : range;
  return orderly(found, scale);
}

/** As far below 0 as above: then the middle of the colours is no change. */
export function aroundZero([low, high]: Domain): Domain {
  const most = Math.max(Math.abs(low), Math.abs(high)) || 1;
  return [-most, most];
}

function outermost(values: Numbers, scale: ColourScale): Domain {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value) || !fits(value, scale)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

function robust(values: Numbers, scale: ColourScale): Domain {
  const every = Math.max(1, Math.floor(values.length / MOST_SAMPLES));
  const samples: number[] = [];
  for (let at = 0; at < values.length; at += every) {
    const value = values[at] ?? NaN;
    if (Number.isFinite(value) && fits(value, scale)) samples.push(value);
  }
  const sorted = Float64Array.from(samples).sort();
  const last = sorted.length - 1;
  return [sorted[Math.floor(last * 0.01)] ?? Infinity, sorted[Math.ceil(last * 0.99)] ?? -Infinity];
}

function fits(value: number, scale: ColourScale): boolean {
  return scale === "log" ? value > 0 : scale === "sqrt" ? value >= 0 : true;
}

function orderly([low, high]: Domain, scale: ColourScale): Domain {
  if (!(low <= high)) return scale === "log" ? [1, 10] : [0, 1];
  if (scale === "log" && low <= 0) return high > 0 ? [high / 1e4, high] : [1, 10];
  if (low === high) return scale === "log" ? [low, low * 10] : [low, low + (Math.abs(low) || 1) * 1e-3];
  return [low, high];
}
