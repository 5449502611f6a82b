// Values where they were measured: positions come from two other views.

import "./image.css";

import { ScatterVis, type ColorMap } from "@h5web/lib";
import ndarray from "ndarray";
import { useMemo, useRef } from "react";

import type { View } from "../api/types";
import { short } from "../data/axis";
import { domainOf } from "../data/colours";
import { labelled, positionsOf, siblings, titleOf } from "../data/kinds";
import type { Settings } from "../data/settings";
import { usePart, useSize } from "./part";
import { SCALE_TYPES } from "./scaleTypes";
import { useScene } from "./scene";

/** Points that are drawn at most; of more, every so manieth. */
const MOST_BYTES = 8 * 20_000;
const LEAST_POINT = 4;

export default function Scatter({ view, settings }: { view: View; settings: Settings }) {
  const { views } = useScene();
  const place = useRef<HTMLDivElement>(null);
  const { width, height } = useSize(place);
  const [x, y] = positions(view, settings, views);
  const wish = { slice: "", max_hz: 5, max_bytes: MOST_BYTES, fewer: "every" as const };
  const values = usePart({ ...wish, view: view.name });
  const atX = usePart(x && { ...wish, view: x.name });
  const atY = usePart(y && { ...wish, view: y.name });

  const points = useMemo(() => {
    const [v, px, py] = [values.part, atX.part, atY.part];
    if (v === null || px === null || py === null) return null;
    const known: [x: number, y: number, value: number][] = [];
    for (let k = 0; k < v.values.length; k++) {
      const at = k * v.every;
      const point = [px.values[Math.floor(at / px.every)], py.values[Math.floor(at / py.every)], v.values[k]] as [number, number, number];
      if (point.every(Number.isFinite)) known.push(point);
    }
    return { x: known.map(([each]) => each), y: known.map(([, each]) => each), values: Float64Array.from(known, ([, , each]) => each) };
  }, [values.part, atX.part, atY.part]);

  const domain = useMemo(() => domainOf(points?.values ?? new Float64Array(), settings.range, settings.scale), [points, settings.range, settings.scale]);

  const problem = values.problem || atX.problem || atY.problem;
  if (problem !== "") return <p role="alert">{problem}</p>;
  if (x === null || y === null) return <p role="alert">Say which views are the positions: nothing beside {view.name} is called x and y.</p>;
  const size = points ? Math.max(LEAST_POINT, Math.min(24, Math.sqrt((width * height) / (points.values.length || 1)) * 0.8)) : 0;
  return (
    <div className="fills sized image" ref={place}>
      {points && points.values.length > 1 ? (
        <div className="image-drawn of-points" role="group" aria-label={`${titleOf(view)}: ${points.values.length} values where they were measured`}>
          <ScatterVis
            abscissaParams={{ label: labelled(x.title || "x", x.unit), value: points.x }}
            ordinateParams={{ label: labelled(y.title || "y", y.unit), value: points.y }}
            dataArray={ndarray(points.values, [points.values.length])}
            domain={domain}
            colorMap={settings.map as ColorMap}
            invertColorMap={settings.invert}
            scaleType={SCALE_TYPES[settings.scale]}
            size={size}
            showGrid={false}
          />
          <span className="image-unit">{`${short(domain[0], 4)} … ${short(domain[1], 4)} ${view.unit}`}</span>
        </div>
      ) : (
        <p className="waits">waiting for the first points</p>
      )}
    </div>
  );
}

function positions(view: View, settings: Settings, views: readonly View[]): [View | null, View | null] {
  const beside = siblings(view, views);
  const own = positionsOf(view, views);
  const named = (name: string) => beside.find((each) => each.name === name) ?? null;
  return [named(settings.x) ?? own?.[0] ?? null, named(settings.y) ?? own?.[1] ?? null];
}
