// A view of two dimensions, of which one is of a few elements, such as channels: a line for each over the other.

import { useEffect, useMemo, useRef, useState } from "react";

import type { View } from "../api/types";
import { scaleOf, valueAt, wordsAt } from "../data/axis";
import { labelled, lineDimension, titleOf } from "../data/kinds";
import { asked, bytesFor, itemBytes, startsOf, within, type Range } from "../data/levels";
import { numbers } from "../data/numbers";
import type { Settings } from "../data/settings";
import type { Change } from "../live/changes";
import { useChanges } from "../live/context";
import { Lines, type Span } from "./Lines";
import { useSettled, useSize } from "./part";

const POINTS_A_PIXEL = 2;

export function Rows({ view, settings }: { view: View; settings: Settings }) {
  const place = useRef<HTMLDivElement>(null);
  const { width } = useSize(place);
  const [looked, setLooked] = useState<Span | null>(null);
  const settled = useSettled(looked, 150);
  const of = lineDimension(view) ?? 0;
  const along = of === 0 ? 1 : 0;
  const count = view.shape[of] ?? 0;
  const length = view.shape[along] ?? 0;
  const scale = useMemo(() => scaleOf(view.axes[along], length, "number"), [view.axes, along, length]);
  const across = useMemo(() => scaleOf(view.axes[of], count, "line"), [view.axes, of, count]);
  const uneven = useMemo(() => (scale.names?.every((each) => typeof each === "number") ? (scale.names as number[]) : null), [scale]);
  const bytes = bytesFor((width || 400) * POINTS_A_PIXEL, itemBytes(view.dtype));

  const [from, to] = useMemo<readonly [number | null, number | null]>(() => {
    const isThinned = length * itemBytes(view.dtype) > bytes;
    if (settled === null || uneven !== null || !isThinned) return [null, null];
    const ends = settled.map((value) => ((value - scale.from) / (scale.to - scale.from || 1)) * length) as [number, number];
    return asked(within(...ends, length), length) ?? [null, null];
  }, [settled, uneven, scale, length, bytes, view.dtype]);
  const found = useLines(view.name, of, count, from === null || to === null ? null : [from, to], width === 0 ? null : bytes, settings.fewer ?? "mean");

  const drawn = useMemo(() => {
    const parts = Array.from({ length: count }, (_, k) => found.get(k));
    const first = parts[0];
    if (!first?.data || !first.dtype) return null;
    const same = parts.map((part) => (part?.data && part.every === first.every && rangeOf(part) === rangeOf(first) ? numbers(part.dtype ?? "", part.data) : null));
    const shortest = Math.min(...same.map((values) => values?.length ?? Infinity)); // one may have grown already
    const every = first.every ?? 1;
    const start = startsOf(rangeOf(first), 1)[0] ?? 0;
    const at = Float64Array.from({ length: shortest }, (_, k) => start + (k + (every > 1 ? 0.5 : 0)) * every);
    const isCounted = scale.from === 0 && scale.to === length;
    const x = uneven ? at.map((each) => uneven[Math.floor(each)] ?? NaN) : isCounted ? at : at.map((each) => valueAt(scale, each + 0.5));
    const lines = same.map((values, k) => ({
      label: wordsAt(across, k),
      values: Array.from(at, (_, j) => (values !== null && Number.isFinite(values[j]) ? (values[j] as number) : null)),
    }));
    return { x, lines };
  }, [found, count, scale, across, uneven, length]);

  const problem = found.get(0)?.problem ?? "";
  return (
    <div className="fills sized curve" ref={place}>
      {problem !== "" && <p role="alert">{problem}</p>}
      {drawn === null && problem === "" && <p className="waits">waiting for the first values</p>}
      {drawn !== null && (
        <Lines
          title={titleOf(view)}
          x={drawn.x}
          lines={drawn.lines}
          xLabel={labelled(scale.label, scale.unit)}
          yLabel={view.unit}
          unit={view.unit}
          isLog={settings.scale === "log"}
          fixed={typeof settings.range === "string" ? null : settings.range}
          full={uneven === null && length > 1 ? [scale.from, scale.to] : null}
          onLook={setLooked}
        />
      )}
    </div>
  );
}

/** Of a part of one line: which of its elements. */
function rangeOf({ slice }: Change): string {
  return (slice ?? "").split(",").find((word) => word.includes(":")) ?? "";
}

/** Follow the lines of a view, all in the same range; nothing while it is not known how much is wanted. */
function useLines(name: string, of: number, count: number, range: Range | null, bytes: number | null, fewer: "mean" | "max" | "min"): ReadonlyMap<number, Change> {
  const changes = useChanges();
  const [found, setFound] = useState<ReadonlyMap<number, Change>>(new Map());
  const words = range === null ? ":" : range.join(":");
  useEffect(() => {
    if (bytes === null) return;
    const ends = Array.from({ length: count }, (_, k) => {
      const slice = of === 0 ? `${k},${words}` : `${words},${k}`;
      return changes.follow({ view: name, slice, max_hz: 5, max_bytes: bytes, fewer }, (change) => setFound((before) => new Map(before).set(k, change)));
    });
    return () => {
      for (const end of ends) end();
    };
  }, [changes, name, of, count, words, bytes, fewer]);
  return found;
}
