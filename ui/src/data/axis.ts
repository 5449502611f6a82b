// What the numbers of elements mean along one dimension.

import type { Axis } from "../api/types";
import { indexOf } from "./levels";

/** One dimension of a drawing: between which values its elements lie, each with a width of its own. */
export interface Scale {
  label: string;
  unit: string;
  /** From the edge of the first element to that of the last, in values. */
  from: number;
  to: number;
  length: number;
  /** Of elements that are not evenly spaced: what each of their numbers means. The drawing runs over numbers then. */
  names: readonly (number | string | null)[] | null;
}

const MOST_UNEVEN = 0.01;

/** Return the scale of a dimension of so many elements. */
export function scaleOf(axis: Axis | undefined, length: number, called: string): Scale {
  const label = axis?.name || called;
  const unit = axis?.unit ?? "";
  const values = axis?.values;
  if (!values || values.length < length || length < 1) return { label, unit, from: 0, to: length, length, names: null };
  if (!areEven(values)) return { label, unit, from: 0, to: length, length, names: values };
  const first = values[0] as number;
  const step = length > 1 ? ((values[length - 1] as number) - first) / (length - 1) : 1;
  return { label, unit, from: first - step / 2, to: first + (length - 0.5) * step, length, names: null };
}

/** Return the value at a place counted in elements, 0 at the edge of the first. */
export function valueAt(scale: Scale, at: number): number {
  return scale.from + ((scale.to - scale.from) * at) / Math.max(1, scale.length);
}

/** Return the place, counted in elements, of a value. */
export function placeOf(scale: Scale, value: number): number {
  return ((value - scale.from) / (scale.to - scale.from || 1)) * scale.length;
}

/** Say in words where an element is. */
export function wordsAt(scale: Scale, index: number): string {
  const middle = scale.names ? (scale.names[index] ?? NaN) : isCounted(scale) ? index : valueAt(scale, index + 0.5);
  const text = typeof middle === "string" ? middle : short(middle);
  return `${scale.label} ${text}${scale.unit === "" ? "" : " " + scale.unit}`;
}

/** Write a number so that it is read at once. */
export function short(value: number, digits = 5): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "missing" : String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  return String(Number(value.toPrecision(digits)));
}

/** Write a number beside an axis, so that the next one, a step further, is another. */
export function tick(value: number, step: number): string {
  const size = Math.abs(value);
  if (size === 0 || (size < 1e5 && size >= 1e-3)) return String(Number(value.toPrecision(6)));
  const power = Math.floor(Math.log10(Math.abs(step) || size));
  const isHalved = Math.abs(Math.round(step / 10 ** power) - step / 10 ** power) > 0.01; // as 2.5 is
  const digits = Math.floor(Math.log10(size)) - power + (isHalved ? 1 : 0);
  return value.toExponential(Math.min(6, Math.max(0, digits)));
}

/** Return what elements of one dimension are drawn over, in rising order, and how to bring their values into it. */
export function rising(x: ArrayLike<number>): Uint32Array | null {
  let isRising = true;
  for (let k = 1; k < x.length && isRising; k++) isRising = (x[k] ?? NaN) >= (x[k - 1] ?? NaN);
  if (isRising) return null;
  const known = Array.from({ length: x.length }, (_, k) => k).filter((k) => Number.isFinite(x[k]));
  return Uint32Array.from(known.sort((a, b) => (x[a] ?? 0) - (x[b] ?? 0)));
}

/** Return which elements lie between two values of rising ones. */
export function between(values: ArrayLike<number>, low: number, high: number): [number, number] {
  return [indexOf(values, low), Math.min(values.length, indexOf(values, high) + 2)];
}

function isCounted({ from, to, length }: Scale): boolean {
  return from === 0 && to === length;
}

function areEven(values: readonly (number | string | null)[]): boolean {
  const first = values[0];
  const last = values[values.length - 1];
  if (typeof first !== "number" || typeof last !== "number" || first === last) return values.length === 1 && typeof first === "number";
  const step = (last - first) / (values.length - 1);
  return values.every((each, k) => typeof each === "number" && Math.abs(each - first - k * step) <= MOST_UNEVEN * Math.abs(step));
}
