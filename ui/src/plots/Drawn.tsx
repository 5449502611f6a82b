// Lines and regions that are drawn on an image by dragging, and stay.

import { DataToHtml, SelectionTool, SvgElement, SvgLine, SvgRect, type Rect } from "@h5web/lib";
import type { JSX } from "react";
import { Vector3 } from "three";

import { placeOf, valueAt, type Scale } from "../data/axis";
import type { Four } from "../data/settings";

type Scales = readonly [y: Scale, x: Scale];

const LEAST_PIXELS = 4;
const LOOK = { stroke: "#fff", strokeWidth: 2, style: { filter: "drop-shadow(0 0 1px #000)" } };

/** Let one be drawn; told are x0, y0, x1, y1 in elements. */
export function Drawn({ tool, scales: [y, x], onDrawn }: { tool: "line" | "region"; scales: Scales; onDrawn: (four: Four) => void }) {
  return (
    <SelectionTool
      validate={({ html: [from, to] }) => Math.hypot(to.x - from.x, to.y - from.y) >= LEAST_PIXELS}
      onValidSelection={({ data: [from, to] }) => onDrawn([placeOf(x, from.x), placeOf(y, from.y), placeOf(x, to.x), placeOf(y, to.y)])}
    >
      {({ html }) => <SvgElement>{tool === "line" ? <SvgLine coords={html} {...LOOK} /> : <SvgRect coords={html} fill="#fff3" {...LOOK} />}</SvgElement>}
    </SelectionTool>
  );
}

/** Show the line of a profile. */
export function DrawnLine({ four: [x0, y0, x1, y1], scales }: { four: Four; scales: Scales }) {
  return <At corners={[[x0, y0], [x1, y1]]} scales={scales} show={(coords) => <SvgLine coords={coords} {...LOOK} />} />;
}

/** Show a region. */
export function DrawnRegion({ four: [row0, row1, column0, column1], scales }: { four: Four; scales: Scales }) {
  return <At corners={[[column0, row0], [column1, row1]]} scales={scales} show={(coords) => <SvgRect coords={coords} fill="#fff1" {...LOOK} />} />;
}

type Corner = readonly [x: number, y: number];

function At({ corners, scales: [y, x], show }: { corners: readonly [Corner, Corner]; scales: Scales; show: (coords: Rect) => JSX.Element }) {
  const points = corners.map(([column, row]) => new Vector3(valueAt(x, column), valueAt(y, row), 0)) as [Vector3, Vector3];
  return <DataToHtml points={points}>{(from, to) => <SvgElement>{show([from, to])}</SvgElement>}</DataToHtml>;
}
