// How somebody wants a plot to be: kept for the next time, and part of the plot's own address.

import { MAPS, type ColourRange, type ColourScale } from "./colours";
import { KINDS, type Kind } from "./kinds";

export interface Settings {
  /** `null`: as the view is drawn by itself. */
  kind: Kind | null;
  map: string;
  invert: boolean;
  scale: ColourScale;
  range: ColourRange;
  /** `null`: equal where both axes have the same unit. */
  aspect: "equal" | "fill" | null;
  /** Whether the first row is the highest. */
  down: boolean;
  /** Of a stack; `null`: the latest. */
  frame: number | null;
  /** What one element that stands for several is; `null`: what suits the view. */
  fewer: "mean" | "max" | "min" | null;
  /** The view whose elements that are not 0 are left out. */
  mask: string;
  /** From where to where the profile goes: x0, y0, x1, y1 in elements. */
  line: Four | null;
  /** A region: from row, to row, from column, to column. Of a curve: from, to. */
  roi: Four | null;
  /** What of the region is drawn over time. */
  trend: "mean" | "max" | "min" | null;
  /** The label of a reference that is compared with, and how; a curve is drawn over it. */
  ref: string;
  compare: "difference" | "ratio";
  /** Views that are drawn over this one. */
  over: string[];
  /** Where each value was measured. */
  x: string;
  y: string;
}

export type Four = [number, number, number, number];

export const DEFAULTS: Settings = {
  kind: null, map: "Viridis", invert: false, scale: "linear", range: "auto", aspect: null, down: false, frame: null,
  fewer: null, mask: "", line: null, roi: null, trend: null, ref: "", compare: "difference", over: [], x: "", y: "",
}; // prettier-ignore

/** Write what is not by default, as the query of an address. */
export function toQuery(settings: Settings): URLSearchParams {
  const query = new URLSearchParams();
  for (const key of Object.keys(DEFAULTS) as (keyof Settings)[]) {
    const value = settings[key];
    if (JSON.stringify(value) === JSON.stringify(DEFAULTS[key]) || value === null) continue;
    if (key === "over") for (const each of settings.over) query.append("over", each);
    else query.set(key, value === true ? "1" : Array.isArray(value) ? value.join(",") : String(value));
  }
  return query;
}

/** Read them; what is not understood is as by default. */
export function fromQuery(query: URLSearchParams): Settings {
  const text = (key: string) => query.get(key) ?? "";
  const one = <const T extends string>(key: string, choices: readonly T[]): T | null => choices.find((each) => each === text(key)) ?? null;
  const numbers = (key: string, count: number) => {
    const found = text(key).split(",").map(Number);
    return query.has(key) && found.length === count && found.every(Number.isFinite) ? found : null;
  };
  const frame = numbers("frame", 1)?.[0];
  const range = numbers("range", 2) as [number, number] | null;
  return {
    kind: one("kind", KINDS),
    map: one("map", MAPS) ?? DEFAULTS.map,
    invert: text("invert") === "1",
    scale: one("scale", ["linear", "log", "symlog", "sqrt"]) ?? DEFAULTS.scale,
    range: range ?? one("range", ["auto", "robust"] as const) ?? DEFAULTS.range,
    aspect: one("aspect", ["equal", "fill"]),
    down: text("down") === "1",
    frame: frame === undefined ? null : Math.max(0, Math.floor(frame)),
    fewer: one("fewer", ["mean", "max", "min"]),
    mask: text("mask"),
    line: numbers("line", 4) as Four | null,
    roi: numbers("roi", 4) as Four | null,
    trend: one("trend", ["mean", "max", "min"]),
    ref: text("ref"),
    compare: one("compare", ["difference", "ratio"]) ?? DEFAULTS.compare,
    over: query.getAll("over"),
    x: text("x"),
    y: text("y"),
  };
}

const KEY = "penstock-plot ";

/** Where a plot's settings are kept: by pipeline and view. */
export function keptKey(pipeline: string, view: string): string {
  return `${KEY}${pipeline} ${view}`;
}

/** Return what was kept; by default if nothing was. */
export function kept(key: string): Settings {
  return fromQuery(new URLSearchParams(localStorage.getItem(key) ?? ""));
}

/** Keep settings. A browser that keeps nothing does no harm. */
export function keep(key: string, settings: Settings): void {
  try {
    localStorage.setItem(key, toQuery(settings).toString());
  } catch {
    // full, or forbidden: the plot is as it is wanted until the page is left
  }
}
