// What a region of a plot is for a parameter.

import type { Parameter } from "../api/types";
import { valueAt, type Scale } from "./axis";
import type { Four } from "./settings";

/** Whether a region says something that a parameter could be. */
export function fits(parameter: Pick<Parameter, "type" | "choices">, dimensions: 1 | 2): boolean {
  if (parameter.choices.length > 0) return false;
  const { type } = parameter;
  if (type === "str" || type === "slice") return true;
  const count = countOf(type);
  if (count !== null) return count === "any" || count === 2 * dimensions;
  return dimensions === 1 && type === "float"; // its middle
}

/**
 * Return the value: a text is written as a slice, as steps and users take it; whole numbers count elements; others are
 * values of the axes, where there are any. Of an image: from row, to row, from column, to column.
 */
export function valueOf(parameter: Pick<Parameter, "type">, roi: Four, scales: readonly Scale[]): unknown {
  const ends = roi.slice(0, 2 * scales.length).map(Math.round);
  const { type } = parameter;
  if (type === "str" || type === "slice") return scales.map((_, k) => `${ends[2 * k] ?? 0}:${ends[2 * k + 1] ?? 0}`).join(", ");
  const values = ends.map((end, k) => tidy(valueAt(scales[Math.floor(k / 2)] as Scale, end)));
  if (countOf(type) === null) return tidy(((values[0] ?? 0) + (values[1] ?? 0)) / 2);
  return /\bint\b/.test(type) ? ends : values;
}

function countOf(type: string): number | "any" | null {
  const inside = /^(?:list|tuple)\[(.*)\]$/.exec(type)?.[1];
  if (inside === undefined) return null;
  const words = inside.split(",").map((word) => word.trim());
  if (!words.every((word) => ["int", "float", "..."].includes(word))) return null;
  return type.startsWith("list") || words.includes("...") ? "any" : words.length;
}

function tidy(value: number): number {
  return Number(value.toPrecision(10));
}
