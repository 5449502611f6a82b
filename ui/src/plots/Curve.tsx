// A view of one dimension over its axis, or over its numbers: a time series, a curve or a histogram.

import { useCallback, useMemo, useRef, useState } from "react";

import type { View } from "../api/types";
import { between, rising, scaleOf, valueAt } from "../data/axis";
import { axisView, labelled, titleOf } from "../data/kinds";
import { asked, bytesFor, itemBytes, MOST_HZ, sliceText, startsOf, within, type Range } from "../data/levels";
import { areTimes } from "../data/numbers";
import type { Settings } from "../data/settings";
import type { Wish } from "../live/changes";
import { Lines, type Line, type Span } from "./Lines";
import { usePart, useSettled, useSize, type Part } from "./part";
import { useScene } from "./scene";
import { useOverlays } from "./overlays";
import { RegionTrend } from "./Region";
import { useReference } from "./useReference";

export interface CurveProps {
  view: View;
  settings: Settings;
  bars?: boolean;
  /** A span that is chosen by dragging, in elements. */
  onChoose?: ((from: number, to: number) => void) | undefined;
}

const POINTS_A_PIXEL = 2;

export function Curve({ view, settings, bars = false, onChoose }: CurveProps) {
  const place = useRef<HTMLDivElement>(null);
  const { width } = useSize(place);
  const { views } = useScene();
  const along = axisView(view, views);
  const [looked, setLooked] = useState<Span | null>(null);
  const settled = useSettled(looked, 150);

  const length = view.shape[0] ?? 0;
  const bytes = bytesFor((width || 400) * POINTS_A_PIXEL, itemBytes(view.dtype));
  const axis = along === null ? view.axes[0] : undefined;
  const scale = useMemo(() => scaleOf(axis, length, "number"), [axis, length]);
  const uneven = useMemo(() => (scale.names?.every((each) => typeof each === "number") ? (scale.names as number[]) : null), [scale]);
  const whole = width === 0 ? null : { view: view.name, slice: "", max_hz: MOST_HZ, max_bytes: bytes };
  const both = settings.fewer === null && length * itemBytes(view.dtype) > bytes;
  const fewer = settings.fewer ?? (both ? "max" : "mean");

  const x = usePart(along && whole ? { ...whole, view: along.name, fewer: "every" } : null).part;
  const base = usePart(whole && { ...whole, fewer });
  const low = usePart(both && whole ? { ...whole, fewer: "min" } : null).part;

  const finer = useFiner(base.part, settled, length, scale, along === null ? uneven : null, along !== null);
  const wish: Wish | null = finer && whole && { ...whole, slice: sliceText([finer], [length]) };
  const fine = usePart(wish && { ...wish, fewer }).part;
  const fineLow = usePart(wish && both ? { ...wish, fewer: "min" } : null).part;
  const isFine = wish !== null && fine?.change.slice === wish.slice;
  const top = isFine ? fine : base.part;
  const bottom = isFine ? fineLow : low;
  const over = useOverlays(settings.over, view, bytes);
  const earlier = useReference(view.name, settings.ref);

  const isCounted = along === null;
  const drawn = useMemo(() => {
    if (top === null) return null;
    const start = startsOf(top.change.slice, 1)[0] ?? 0;
    const at = Float64Array.from(top.values, (_, k) => start + (k + (top.every > 1 ? 0.5 : 0)) * top.every);
    let over_x: ArrayLike<number> = at;
    if (!isCounted) over_x = x === null ? at : at.map((place) => x.values[Math.floor(place / x.every)] ?? NaN);
    else if (uneven !== null) over_x = at.map((place) => uneven[Math.floor(place)] ?? NaN);
    else if (scale.names === null && axis?.values) over_x = at.map((place) => valueAt(scale, place + 0.5));
    const lines: Line[] = [];
    if (bottom?.shape[0] === top.shape[0] && bottom !== null) lines.push({ label: "least", values: cleaned(bottom.values), colour: "line-1" });
    lines.push({
      label: lines.length ? "largest" : titleOf(view), values: cleaned(top.values), colour: "line-1", fillsTo: lines.length > 0,
    }); // prettier-ignore
    for (const each of earlier ? [...over, { ...earlier, isPast: true }] : over) {
      const values = Array.from(at, (place) => each.values[Math.floor(place / each.every)] ?? null);
      lines.push({ label: each.label, values: cleaned(values), dashed: each.isPast, colour: `line-${2 + (lines.length % 5)}` });
    }
    const order = rising(over_x);
    if (order === null) return { x: over_x, lines };
    const sorted = (values: ArrayLike<number | null>) => Array.from(order, (k) => values[k] ?? null);
    return { x: sorted(over_x) as number[], lines: lines.map((line) => ({ ...line, values: sorted(line.values) })) };
  }, [top, bottom, x, isCounted, uneven, scale, axis, over, earlier, view.title, view.name]); // eslint-disable-line react-hooks/exhaustive-deps

  const toElement = useCallback(
    (value: number) => (uneven ? between(uneven, value, value)[0] : ((value - scale.from) / (scale.to - scale.from || 1)) * length),
    [uneven, scale, length],
  );
  const called = along ? labelled(along.title || (view.axes[0]?.name ?? ""), along.unit) : labelled(scale.label, scale.unit);
  const full: Span | null = along === null && uneven === null && length > 1 ? [scale.from, scale.to] : null;
  const roi = settings.roi;
  return (
    <div className="fills sized curve" ref={place}>
      {base.problem !== "" && <p role="alert">{base.problem}</p>}
      {drawn !== null && (
        <Lines
          title={titleOf(view)}
          x={drawn.x}
          lines={drawn.lines}
          xLabel={called}
          yLabel={labelled("", view.unit).trim().replace(/^\((.*)\)$/, "$1")}
          unit={view.unit}
          isTime={along !== null && areTimes(along.dtype)}
          isLog={settings.scale === "log"}
          bars={bars}
          fixed={typeof settings.range === "string" ? null : settings.range}
          full={full}
          onLook={setLooked}
          onChoose={onChoose && ((span) => onChoose(...within(toElement(span[0]), toElement(span[1]), length)))}
          chosen={roi && full ? [valueAt(scale, roi[0]), valueAt(scale, roi[1])] : null}
        />
      )}
      {roi && settings.trend && <RegionTrend view={view} roi={roi} of={settings.trend} frame={null} />}
      {drawn === null && base.problem === "" && <p className="waits">waiting for the first values</p>}
    </div>
  );
}

/** The range that is asked for anew, because what is looked at has been thinned. */
function useFiner(
  base: Part | null, looked: Span | null, length: number, scale: ReturnType<typeof scaleOf>, uneven: number[] | null, isLoose: boolean,
): Range | null {
  return useMemo(() => {
    if (base === null || base.every === 1 || looked === null || isLoose) return null;
    const [from, to] = uneven
      ? between(uneven, ...looked)
      : [0, 1].map((k) => (((looked[k] ?? 0) - scale.from) / (scale.to - scale.from || 1)) * length);
    return asked(within(from ?? 0, to ?? length, length), length);
  }, [base?.every, looked, length, scale, uneven, isLoose]); // eslint-disable-line react-hooks/exhaustive-deps
}

/** What is no number is a gap. */
function cleaned(values: ArrayLike<number | null>): ArrayLike<number | null> {
  for (let k = 0; k < values.length; k++) {
    const value = values[k];
    if (value === null || value === undefined || !Number.isFinite(value)) {
      return Array.from(values, (each) => (each !== null && Number.isFinite(each) ? each : null));
    }
  }
  return values;
}
