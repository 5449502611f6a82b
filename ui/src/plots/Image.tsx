// A view of two dimensions, or one frame of more, as colours.

import { HeatmapVis, getDomain } from "@h5web/lib";
import ndarray from "ndarray";
import { useMemo } from "react";

import type { View } from "../api/types";
import { numbers } from "../data/numbers";
import { useChange } from "../live/context";

const MOST_BYTES = 1 << 20;

export function Image({ view, frame = -1 }: { view: View; frame?: number }) {
  const leading = view.shape.length - 2;
  const slice = leading === 0 ? "" : Array<number>(leading).fill(frame).join(",");
  const change = useChange({ view: view.name, slice, max_hz: 10, max_bytes: MOST_BYTES });
  const drawn = useMemo(() => {
    if (change?.data === undefined || change.shape === undefined || change.dtype === undefined) return null;
    const values = numbers(change.dtype, change.data);
    return values === null ? null : ndarray(values, change.shape);
  }, [change]);
  if (change?.problem !== undefined) return <p role="alert">{change.problem}</p>;
  if (drawn === null) return <p>waiting for the first image</p>;
  return <HeatmapVis dataArray={drawn} domain={getDomain(drawn)} colorMap="Viridis" aspect="equal" />;
}
