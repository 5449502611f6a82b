// What is drawn of an image at a place, and along a line.

import { valueAt, type Scale } from "../data/axis";
import type { Four } from "../data/settings";
import type { Sheet as Drawn } from "./Sheet";

type Sheet = Pick<Drawn, "values" | "rows" | "columns" | "every" | "top" | "left">;

const MOST_POINTS = 2000;

export interface Profile {
  /** From the beginning of the line: in the unit of both axes where they have the same, else in elements. */
  x: Float64Array;
  values: (number | null)[];
  unit: string;
}

/** Return the values of what is drawn along a line from x0, y0 to x1, y1 in elements, of the first sheet that has them. */
export function profileOf([x0, y0, x1, y1]: Four, sheets: readonly Sheet[], [y, x]: readonly [Scale, Scale]): Profile {
  const length = Math.hypot(x1 - x0, y1 - y0);
  const isMeasured = x.unit !== "" && x.unit === y.unit && x.names === null && y.names === null;
  const distance = isMeasured ? Math.hypot(valueAt(x, x1) - valueAt(x, x0), valueAt(y, y1) - valueAt(y, y0)) : length;
  const finest = Math.min(...sheets.map(({ every }) => every));
  const count = Math.max(2, Math.min(MOST_POINTS, Math.ceil(length / finest) + 1));
  const shares = Float64Array.from({ length: count }, (_, k) => k / (count - 1));
  const values = Array.from(shares, (share) => {
    const [row, column] = [Math.floor(y0 + (y1 - y0) * share), Math.floor(x0 + (x1 - x0) * share)];
    for (const sheet of sheets) {
      const value = valueOn(sheet, row, column);
      if (value !== null) return Number.isFinite(value) ? value : null;
    }
    return null;
  });
  return { x: shares.map((share) => share * distance), values, unit: isMeasured ? x.unit : "elements" };
}

/** Return the value at an element of the whole; `null` beside the sheet. */
export function valueOn(sheet: Sheet, row: number, column: number): number | null {
  const [at, beside] = [Math.floor((row - sheet.top) / sheet.every), Math.floor((column - sheet.left) / sheet.every)];
  if (at < 0 || at >= sheet.rows || beside < 0 || beside >= sheet.columns) return null;
  return sheet.values[at * sheet.columns + beside] ?? null;
}
