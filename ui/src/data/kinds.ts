// How a view is drawn follows from what it is.

import type { View } from "../api/types";
import { areNumbers } from "./numbers";

export type Kind = "value" | "text" | "series" | "curve" | "image" | "stack" | "table";

/** Say how a view is drawn by itself. */
export function kindOf(view: Pick<View, "shape" | "dtype" | "grows">): Kind {
  if (!areNumbers(view.dtype)) return view.shape.length === 0 ? "text" : "table";
  if (view.shape.length === 0) return "value";
  if (view.shape.length === 1) return view.grows ? "series" : "curve";
  return view.shape.length === 2 ? "image" : "stack";
}
