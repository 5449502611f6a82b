// What is drawn of an image at a place, and along a line.

import type { Four } from "../data/settings";
import type { Sheet as Drawn } from "./Sheet";

type Sheet = Pick<Drawn, "values" | "rows" | "columns" | "every" | "top" | "left">;

const MOST_POINTS = 2000;

export interface Profile {
  /** Elements from the beginning of the line. */
  x: Float64Array;
  values: (number | null)[];
}

/** Return the values of what is drawn along a line from x0, y0 to x1, y1 in elements, of the first sheet that has them. */
export function profileOf([x0, y0, x1, y1]: Four, sheets: readonly Sheet[]): Profile {
  const length = Math.hypot(x1 - x0, y1 - y0);
  const finest = Math.min(...sheets.map(({ every }) => every));
  const count = Math.max(2, Math.min(MOST_POINTS, Math.ceil(length / finest) + 1));
  const x = Float64Array.from({ length: count }, (_, k) => (length * k) / (count - 1));
  const values = Array.from(x, (at) => {
    const [row, column] = [Math.floor(y0 + ((y1 - y0) * at) / (length || 1)), Math.floor(x0 + ((x1 - x0) * at) / (length || 1))];
    for (const sheet of sheets) {
      const value = valueOn(sheet, row, column);
      if (value !== null) return Number.isFinite(value) ? value : null;
    }
    return null;
  });
  return { x, values };
}

/** Return the value at an element of the whole; `null` beside the sheet. */
export function valueOn(sheet: Sheet, row: number, column: number): number | null {
  const [at, beside] = [Math.floor((row - sheet.top) / sheet.every), Math.floor((column - sheet.left) / sheet.every)];
  if (at < 0 || at >= sheet.rows || beside < 0 || beside >= sheet.columns) return null;
  return sheet.values[at * sheet.columns + beside] ?? null;
}
