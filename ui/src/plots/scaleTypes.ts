// What the parts for images call the scales of colours.

import { ScaleType, type ColorScaleType } from "@h5web/lib";

import type { ColourScale } from "../data/colours";

export const SCALE_TYPES: Record<ColourScale, ColorScaleType> = {
  linear: ScaleType.Linear,
  log: ScaleType.Log,
  symlog: ScaleType.SymLog,
  sqrt: ScaleType.Sqrt,
};
