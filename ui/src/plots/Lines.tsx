// Lines or bars over a common axis, with cursor, zoom and pan: drag, wheel, double click; + − 0 and arrows by keyboard.

import "./lines.css";

import { useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent } from "react";
import uPlot from "uplot";

import { short, tick } from "../data/axis";

export interface Line {
  label: string;
  values: ArrayLike<number | null>;
  /** One of a variable's name, without the dashes; by default in turn. */
  colour?: string;
  dashed?: boolean;
  /** Fill what lies between this line and the one before. */
  fillsTo?: boolean;
}

export type Span = readonly [from: number, to: number];

interface Props {
  title: string;
  /** Rising. */
  x: ArrayLike<number>;
  lines: readonly Line[];
  xLabel: string;
  yLabel: string;
  unit: string;
  isTime?: boolean;
  isLog?: boolean;
  bars?: boolean;
  /** Between which values lines are drawn; else between the least and the largest. */
  fixed?: Span | null;
  /** All that there is, where only a part of it is given. */
  full?: Span | null;
  /** What is looked at; `null`: all. */
  onLook?: (span: Span | null) => void;
  /** A region to be chosen by dragging instead of zoomed to. */
  onChoose?: ((span: Span) => void) | undefined;
  chosen?: Span | null;
}

const LOGARITHMIC = JSON.parse('{"distr": 3}') as Pick<uPlot.Scale, "distr">; // the enum is of types alone, and has no value at run time
/** Of the text around a plot, and what that is but on a wall. */
const TEXT_SHARE = 0.86;
const USUAL_TEXT_PX = 12;

/** Around a single time, what is drawn. */
const ALONE_S = 30;
const COLOURS = ["line-1", "line-2", "line-3", "line-4", "line-5", "line-6"];

export function Lines(props: Props) {
  const { title, x, lines, fixed = null, full = null } = props;
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const zoom = useRef<Span | null>(null);
  const latest = useRef(props);
  useLayoutEffect(() => {
    latest.current = props;
  });
  const [read, setRead] = useState("");
  const scheme = useScheme();

  const data = useMemo<uPlot.AlignedData>(
    () => [toNumbers(x), ...lines.map(({ values }) => values as number[])] as uPlot.AlignedData,
    [x, lines],
  );
  const made = JSON.stringify([
    lines.map(({ label, colour, dashed, fillsTo }) => [label, colour, dashed, fillsTo]),
    props.xLabel, props.yLabel, props.isTime, props.isLog, props.bars, scheme,
  ]); // prettier-ignore

  useEffect(() => {
    const parent = place.current;
    if (parent === null) return;
    const drawn = new uPlot(
      optionsOf(latest, zoom, parent, setRead),
      data,
      parent,
    );
    plot.current = drawn;
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const rect = drawn.over.getBoundingClientRect();
      zoomBy(drawn, zoom, latest, event.deltaY < 0 ? 0.8 : 1.25, (event.clientX - rect.left) / rect.width);
    };
    drawn.over.addEventListener("wheel", wheel, { passive: false });
    drawn.over.addEventListener("dblclick", () => look(drawn, zoom, latest, null));
    const seen = new ResizeObserver(() => drawn.setSize({ width: parent.clientWidth, height: parent.clientHeight }));
    seen.observe(parent);
    return () => {
      seen.disconnect();
      drawn.destroy();
      plot.current = null;
    };
  }, [made]); // eslint-disable-line react-hooks/exhaustive-deps -- all that it is made of is in `made`; data follow

  useEffect(() => {
    const drawn = plot.current;
    if (drawn === null) return;
    drawn.setData(data, true); // scales are asked for again, and answer with what is looked at
  }, [data, fixed?.[0], fixed?.[1], full?.[0], full?.[1], props.chosen?.[0], props.chosen?.[1]]); // eslint-disable-line react-hooks/exhaustive-deps -- a span is its ends

  // A band is one, and called as the plot is.
  const named = lines.flatMap((line, k) => (lines[k + 1]?.fillsTo ? [] : [{ label: line.fillsTo ? title : line.label, colour: colourOf(line, k) }]));
  const byKey = (event: KeyboardEvent) => {
    const drawn = plot.current;
    if (drawn === null) return;
    const steps: Record<string, () => void> = {
      "+": () => zoomBy(drawn, zoom, latest, 0.5, 0.5),
      "=": () => zoomBy(drawn, zoom, latest, 0.5, 0.5),
      "-": () => zoomBy(drawn, zoom, latest, 2, 0.5),
      "0": () => look(drawn, zoom, latest, null),
      Home: () => look(drawn, zoom, latest, null),
      ArrowLeft: () => panBy(drawn, zoom, latest, -0.2),
      ArrowRight: () => panBy(drawn, zoom, latest, 0.2),
    };
    const step = steps[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    step();
  };
  return (
    <div className="lines" role="application" aria-label={`${title}: plus and minus zoom, arrows move, 0 shows all`} tabIndex={0} onKeyDown={byKey}>
      {named.length > 1 && (
        <ul className="lines-legend">
          {named.map(({ label, colour }, k) => (
            <li key={k} style={{ color: `var(--${colour})` }}>
              {label}
            </li>
          ))}
        </ul>
      )}
      <div className="lines-drawn" ref={place} />
      <output className="lines-read">{read}</output>
    </div>
  );
}

/** By how far ticks are apart, in s: what each says, and what is added where a year, a day, an hour or a minute begins. */
const TIMES: uPlot.Axis.Values = [
  [3600 * 24 * 365, "{YYYY}", null, null, null, null, null, null, 1],
  [3600 * 24 * 28, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [3600 * 24, "{DD} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, "\n{DD} {MMM}", null, null, null, 1],
  [1, ":{ss}", "\n{YYYY}-{MM}-{DD} {HH}:{mm}", null, "\n{DD} {MMM} {HH}:{mm}", null, "\n{HH}:{mm}", null, 1],
  [0.001, ":{ss}.{fff}", "\n{YYYY}-{MM}-{DD} {HH}:{mm}", null, "\n{DD} {MMM} {HH}:{mm}", null, "\n{HH}:{mm}", null, 1],
];

type Latest = { readonly current: Props };
type Zoom = { current: Span | null };

function optionsOf(latest: Latest, zoom: Zoom, parent: HTMLElement, say: (text: string) => void): uPlot.Options {
  const { lines, xLabel, yLabel, isTime = false, isLog = false, bars = false } = latest.current;
  const colour = (name: string) => getComputedStyle(parent).getPropertyValue(`--${name}`).trim() || "#888";
  const { fontFamily, fontSize } = getComputedStyle(parent);
  const text_px = Math.round(Number.parseFloat(fontSize) * TEXT_SHARE); // uPlot reads the digits before px only: of 12.04px, 4
  const font = `${text_px}px ${fontFamily}`;
  const axis = { font, labelFont: `bold ${font}`, labelSize: 1.9 * text_px, stroke: colour("text"), grid: { stroke: colour("grid"), width: 1 }, ticks: { stroke: colour("grid") } };
  const barPaths = uPlot.paths.bars?.({ size: [1, Infinity], align: 0 });
  const bands: uPlot.Band[] = lines.flatMap((line, k) =>
    line.fillsTo ? [{ series: [k, k + 1] as [number, number], fill: colour(colourOf(line, k)) + "40" }] : [],
  );
  return {
    width: parent.clientWidth,
    height: parent.clientHeight,
    legend: { show: false },
    padding: [8, 24, 0, 0],
    cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
    bands,
    scales: {
      x: { time: isTime, range: (_, low, high) => xRange(latest.current, zoom.current, low, high) },
      y: {
        ...(isLog ? LOGARITHMIC : {}),
        range: (_, low, high) => yRange(latest.current.fixed ?? null, isLog, low, high),
      },
    },
    series: [
      { label: xLabel },
      ...lines.map((line, k) => ({
        label: line.label,
        stroke: colour(colourOf(line, k)),
        width: (1.5 / devicePixelRatio + 0.5) * Math.max(1, text_px / USUAL_TEXT_PX),
        points: { show: (self: uPlot) => self.data[0].length < 3 },
        ...(line.dashed ? { dash: [6, 4] } : {}),
        ...(bars && k === 0 && barPaths ? { paths: barPaths, fill: colour(colourOf(line, k)) + "60" } : {}),
      })),
    ],
    axes: [
      { ...axis, label: xLabel, size: (isTime ? 4.2 : 3) * text_px, ...(isTime ? { values: TIMES } : {}) },
      { ...axis, label: yLabel, size: (_, said) => sizeOf(said, text_px), values: (_, ticks, _axis, _space, step) => ticks.map((each) => ((each as number | null) === null ? "" : tick(each, step))) },
    ],
    hooks: {
      setSelect: [
        (self) => {
          if (self.select.width < 4) return;
          const span: Span = [self.posToVal(self.select.left, "x"), self.posToVal(self.select.left + self.select.width, "x")];
          self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          if (latest.current.onChoose) latest.current.onChoose(span);
          else look(self, zoom, latest, span);
        },
      ],
      setCursor: [(self) => say(readAt(self, latest.current))],
      draw: [(self) => drawChosen(self, latest.current.chosen ?? null, colour("accent"))],
    },
  };
}

function colourOf(line: Line, k: number): string {
  return line.colour ?? COLOURS[k % COLOURS.length] ?? "line-1";
}

function xRange({ full, x, bars, isTime = false }: Props, zoom: Span | null, low: number, high: number): [number, number] {
  if (zoom !== null) return [...zoom];
  if (full) return [...full];
  if ((low as number | null) === null) return [0, 1];
  // Of a single time, uPlot itself makes years.
  if (x.length === 1) return [(x[0] ?? 0) - (isTime ? ALONE_S : 0.5), (x[0] ?? 0) + (isTime ? ALONE_S : 0.5)];
  const half = bars && x.length > 1 ? ((x[x.length - 1] ?? 0) - (x[0] ?? 0)) / (x.length - 1) / 2 : 0;
  return low === high ? [low - 0.5, high + 0.5] : [low - half, high + half];
}

function yRange(fixed: Span | null, isLog: boolean, low: number, high: number): [number, number] {
  if (fixed !== null) return [...fixed];
  if ((low as number | null) === null) return isLog ? [1, 10] : [0, 1];
  if (isLog) return uPlot.rangeLog(low, high, 10, true) as [number, number];
  const room = (high - low) * 0.06 || Math.abs(high) * 0.01 || 0.5;
  return [low - (low >= 0 && low < room * 4 ? low : room), high + room];
}

/** Show a span of the axis; `null`: all. */
function look(drawn: uPlot, zoom: Zoom, latest: Latest, span: Span | null): void {
  zoom.current = span;
  const [min, max] = xRange(latest.current, span, (drawn.data[0][0] ?? 0), (drawn.data[0].at(-1) ?? 1));
  drawn.setScale("x", { min, max });
  latest.current.onLook?.(span);
}

function shown(drawn: uPlot): Span {
  return [drawn.scales["x"]?.min ?? 0, drawn.scales["x"]?.max ?? 1];
}

function zoomBy(drawn: uPlot, zoom: Zoom, latest: Latest, factor: number, at: number): void {
  const [low, high] = shown(drawn);
  const middle = low + (high - low) * at;
  const next: Span = [middle - (middle - low) * factor, middle + (high - middle) * factor];
  const [first, last] = xRange(latest.current, null, (drawn.data[0][0] ?? 0), (drawn.data[0].at(-1) ?? 1));
  const isAll = factor > 1 && next[0] <= first && next[1] >= last;
  look(drawn, zoom, latest, isAll ? null : next);
}

function panBy(drawn: uPlot, zoom: Zoom, latest: Latest, share: number): void {
  const [low, high] = shown(drawn);
  const by = (high - low) * share;
  look(drawn, zoom, latest, [low + by, high + by]);
}

function readAt(drawn: uPlot, { lines, isTime, unit, xLabel }: Props): string {
  const at = drawn.cursor.idx;
  if (at === null || at === undefined) return "";
  const x = Number(drawn.data[0][at]);
  const where = isTime ? new Date(x * 1000).toLocaleString(undefined, { hour12: false }) : `${xLabel} ${short(x)}`;
  const said = lines.map(({ label, values }) => {
    const value = values[at];
    return `${lines.length > 1 ? label + " " : ""}${short(value ?? NaN)}`;
  });
  return `${where}: ${said.join(", ")}${unit === "" ? "" : " " + unit}`;
}

function drawChosen(self: uPlot, chosen: Span | null, colour: string): void {
  if (chosen === null) return;
  const [left, right] = [self.valToPos(chosen[0], "x", true), self.valToPos(chosen[1], "x", true)];
  self.ctx.save();
  self.ctx.fillStyle = colour + "22";
  self.ctx.strokeStyle = colour;
  self.ctx.fillRect(left, self.bbox.top, right - left, self.bbox.height);
  self.ctx.strokeRect(left, self.bbox.top, right - left, self.bbox.height);
  self.ctx.restore();
}

const LEAST_TICKS = 3.3;
const DIGIT = 0.63;

/** How much room the texts beside an axis need. */
function sizeOf(said: string[] | null, text_px: number): number {
  return text_px * Math.max(LEAST_TICKS, 1.7 + DIGIT * Math.max(0, ...(said ?? []).map(({ length }) => length)));
}

function toNumbers(x: ArrayLike<number>): Float64Array {
  return x instanceof Float64Array ? x : Float64Array.from(x);
}

/** Whether it is dark: colours of a canvas must be drawn again when that changes. */
export function useScheme(): "dark" | "light" {
  const query = useMemo(() => matchMedia("(prefers-color-scheme: dark)"), []);
  const [isDark, setDark] = useState(query.matches);
  useEffect(() => {
    const changed = () => setDark(query.matches);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, [query]);
  return isDark ? "dark" : "light";
}
