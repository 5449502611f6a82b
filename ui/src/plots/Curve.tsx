// A view of one dimension over its axis, or over its numbers.

import { useEffect, useRef } from "react";
import uPlot from "uplot";

import type { View } from "../api/types";
import { numbers } from "../data/numbers";
import { useChange } from "../live/context";

const MOST_BYTES = 64 << 10;

export function Curve({ view }: { view: View }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const change = useChange({ view: view.name, slice: "", max_hz: 10, max_bytes: MOST_BYTES, fewer: "mean" });
  useEffect(() => {
    const parent = place.current;
    if (parent === null) return;
    const made = new uPlot(
      {
        width: parent.clientWidth,
        height: parent.clientHeight,
        scales: { x: { time: false } },
        legend: { show: false },
        series: [{ label: view.axes[0]?.name ?? "number" }, { label: view.title || view.name, stroke: "#2a6fb8" }],
        axes: [{ label: view.axes[0]?.name ?? "" }, { label: view.unit }],
      },
      [[], []],
      parent,
    );
    plot.current = made;
    const seen = new ResizeObserver(() => made.setSize({ width: parent.clientWidth, height: parent.clientHeight }));
    seen.observe(parent);
    return () => {
      seen.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [view.name, view.title, view.unit, view.axes]);
  useEffect(() => {
    if (change?.data === undefined || change.dtype === undefined) return;
    const y = numbers(change.dtype, change.data);
    if (y === null) return;
    const every = change.every ?? 1;
    plot.current?.setData([Float64Array.from(y, (_, k) => k * every), y]);
  }, [change]);
  return <div className="fills" ref={place} />;
}
