// How a view is drawn follows from what it is.

import type { View } from "../api/types";
import { areNumbers, areTimes } from "./numbers";

export const KINDS = ["value", "text", "series", "curve", "histogram", "lines", "image", "stack", "scatter", "table"] as const;

export type Kind = (typeof KINDS)[number];

const MOST_BARS = 512;
const MOST_COLUMNS = 32;

/** Say how a view is drawn by itself. Views of the same branch are needed for positions. */
export function kindOf(view: View, all: readonly View[] = []): Kind {
  const { shape, dtype } = view;
  if (!areNumbers(dtype) && !areTimes(dtype)) return shape.length === 0 ? "text" : "table";
  if (shape.length === 0) return areTimes(dtype) ? "text" : "value";
  if (shape.length === 1) {
    if (positionsOf(view, all) !== null) return "scatter";
    if (view.grows) return "series";
    return isWhole(dtype) && view.axes.length === 1 && (shape[0] ?? 0) <= MOST_BARS ? "histogram" : "curve";
  }
  if (shape.length > 2) return "stack";
  if (isOfColumns(view)) return "table";
  return lineDimension(view) === null ? "image" : "lines";
}

const MOST_LINES = 6;
const LEAST_POINTS = 24;

/** Of two dimensions, the one of a few elements, such as channels: each is a line over the other one. `null` if none is. */
export function lineDimension({ shape, grows }: View): 0 | 1 | null {
  const [rows = 0, columns = 0] = shape;
  if (shape.length !== 2) return null;
  if (columns > 0 && columns <= MOST_LINES && (grows || rows >= LEAST_POINTS)) return 1;
  return !grows && rows > 0 && rows <= MOST_LINES && columns >= LEAST_POINTS ? 0 : null;
}

/** Whether a plot of this kind is one line, of which nothing can be set. */
export function isSmallKind(kind: Kind): boolean {
  return kind === "value" || kind === "text";
}

/** The ways in which a view can be drawn, the one of itself first. */
export function kindsFor(view: View, all: readonly View[]): Kind[] {
  const own = kindOf(view, all);
  const others: Kind[] =
    own === "text" || own === "value" || !areNumbers(view.dtype)
      ? []
      : view.shape.length === 1
        ? [view.grows ? "series" : "curve", "histogram", ...(siblings(view, all).length >= 2 ? (["scatter"] as const) : []), "table"]
        : view.shape.length === 2
          ? ["image", "table", ...(lineDimension(view) === null ? [] : (["lines"] as const))]
          : ["stack"];
  return [own, ...others.filter((each) => each !== own)];
}

/** The views of the same branch that have a value for each of this one's. */
export function siblings(view: View, all: readonly View[]): View[] {
  const branch = branchOf(view.name);
  return all.filter(
    (each) =>
      each.name !== view.name &&
      branchOf(each.name) === branch &&
      each.shape.length === 1 &&
      each.grows === view.grows &&
      (view.grows || each.shape[0] === view.shape[0]) &&
      (areNumbers(each.dtype) || areTimes(each.dtype)),
  );
}

/** The views `x` and `y` beside a view, if there are both: where each of its values was measured. */
export function positionsOf(view: View, all: readonly View[]): [x: View, y: View] | null {
  const beside = siblings(view, all);
  const own = lastWord(view.name);
  if (own === "x" || own === "y") return null;
  const [x, y] = ["x", "y"].map((name) => beside.find((each) => lastWord(each.name) === name));
  return x && y ? [x, y] : null;
}

/** Whether a curve can be drawn over another one: only if it has as many elements, and the same axis. */
export function isAlong(other: View, view: View): boolean {
  const isCurve = other.shape.length === 1 && view.shape.length === 1 && areNumbers(other.dtype);
  const isAsLong = other.grows === view.grows && (view.grows || other.shape[0] === view.shape[0]);
  const [axis, own] = [other.axes[0], view.axes[0]];
  return isCurve && isAsLong && (axis?.name ?? "") === (own?.name ?? "") && (axis?.unit ?? "") === (own?.unit ?? "");
}

/** The view beside this one that says the values of its first axis, if there is one. */
export function axisView(view: View, all: readonly View[]): View | null {
  const name = view.axes[0]?.name;
  if (name === undefined || name === "" || name === lastWord(view.name)) return null;
  return siblings(view, all).find((each) => lastWord(each.name) === name) ?? null;
}

/** What a view is called by people. */
export function titleOf(view: View): string {
  return view.title || view.name;
}

/** A name with its unit, as it stands at an axis. */
export function labelled(name: string, unit: string): string {
  return unit === "" ? name : `${name} (${unit})`;
}

function isWhole(dtype: string): boolean {
  return "iu".includes(dtype.charAt(1));
}

function isOfColumns(view: View): boolean {
  const names = view.axes[1]?.values;
  return (view.shape[1] ?? 0) <= MOST_COLUMNS && Array.isArray(names) && names.some((each) => typeof each === "string");
}

function branchOf(name: string): string {
  return name.slice(0, name.lastIndexOf("/"));
}

function lastWord(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}
