// The values along a line across an image.

import type { Four } from "../data/settings";
import type { Sheet } from "./Sheet";
import { valueOn } from "./Sheet";

const MOST_POINTS = 2000;

export interface Profile {
  /** Elements from the beginning of the line. */
  x: Float64Array;
  values: (number | null)[];
}

/** Return the values of what is drawn along a line from x0, y0 to x1, y1 in elements, of the first sheet that has them. */
export function profileOf([x0, y0, x1, y1]: Four, sheets: readonly Pick<Sheet, "values" | "rows" | "columns" | "every" | "top" | "left">[]): Profile {
  const length = Math.hypot(x1 - x0, y1 - y0);
  const finest = Math.min(...sheets.map(({ every }) => every));
  const count = Math.max(2, Math.min(MOST_POINTS, Math.ceil(length / finest) + 1));
  const x = Float64Array.from({ length: count }, (_, k) => (length * k) / (count - 1));
  const values = Array.from(x, (at) => {
    const [row, column] = [Math.floor(y0 + ((y1 - y0) * at) / (length || 1)), Math.floor(x0 + ((x1 - x0) * at) / (length || 1))];
    for (const sheet of sheets) {
      const value = valueOn(sheet as Sheet, row, column);
      if (value !== null) return Number.isFinite(value) ? value : null;
    }
    return null;
  });
  return { x, values };
}
