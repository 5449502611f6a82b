// A view of two dimensions, or one frame of more, as colours: coarse as a whole, finer where somebody looks closely.

import "./image.css";

import { DefaultInteractions, ResetZoomButton, TooltipMesh, VisCanvas, type ColorMap } from "@h5web/lib";
import { useMemo, useRef, useState } from "react";

import type { View } from "../api/types";
import { placeOf, scaleOf, short, wordsAt, type Scale } from "../data/axis";
import { aroundZero, domainOf } from "../data/colours";
import { labelled, titleOf } from "../data/kinds";
import { asked, bytesFor, itemBytes, MOST_HZ, sliceText, within, type Range } from "../data/levels";
import { DEFAULTS, type Four, type Settings } from "../data/settings";
import type { Wish } from "../live/changes";
import { Colours } from "./Colours";
import { Drawn, DrawnLine, DrawnRegion } from "./Drawn";
import { SCALE_TYPES } from "./scaleTypes";
import { KeptProgram, Looked, PlacedImage, sheetOf, type Looks } from "./Sheet";
import { Lines } from "./Lines";
import { RegionTrend } from "./Region";
import { useReference } from "./useReference";
import { usePart, useSettled, useSize } from "./part";
import { profileOf, valueOn } from "./profile";

export type Tool = "look" | "line" | "region";

export interface ImageProps {
  view: View;
  settings: Settings;
  onSettings: (changed: Partial<Settings>) => void;
  tool?: Tool;
}

export default function Image({ view, settings, onSettings, tool = "look" }: ImageProps) {
  const place = useRef<HTMLDivElement>(null);
  const { width, height } = useSize(place);
  const [seen, setSeen] = useState<Looks | null>(null);
  const settled = useSettled(seen, 150);
  const leading = leadingOf(view, settings.frame);
  const [rows = 1, columns = 1] = view.shape.slice(-2);
  const fewer = settings.fewer ?? (/[iub]/.test(view.dtype.charAt(1)) ? "max" : "mean");
  const frames = leading.join();
  const scales = useScales(view, rows, columns);

  const wish: Wish | null = useMemo(() => {
    if (width === 0) return null;
    const bytes = bytesFor(width * height, fewer === "mean" ? 8 : itemBytes(view.dtype));
    return { view: view.name, slice: sliceText([[0, rows], [0, columns]], [rows, columns], leading), max_hz: MOST_HZ, max_bytes: bytes, fewer };
  }, [view.name, view.dtype, width, height, fewer, rows, columns, frames]); // eslint-disable-line react-hooks/exhaustive-deps
  const base = usePart(wish);
  const finer = useFiner(base.part?.every ?? 1, settled, scales, rows, columns);
  const fineWish = finer && wish && { ...wish, slice: sliceText(finer, [rows, columns], leading) };
  const fine = usePart(fineWish).part;
  const mask = usePart(settings.mask !== "" && wish ? { ...wish, view: settings.mask, slice: maskSlice(wish, leading), fewer: "max", max_hz: 1 } : null).part;

  const earlier = useReference(view.name, settings.ref);
  const { compare } = settings;
  const whole = useMemo(() => base.part && sheetOf(base.part, mask, earlier, compare), [base.part, mask, earlier, compare]);
  const close = useMemo(
    () => (fineWish && fine?.change.slice === fineWish.slice && fine.every < (base.part?.every ?? 1) ? sheetOf(fine, mask, earlier, compare) : null),
    [fine, fineWish?.slice, base.part?.every, mask, earlier, compare], // eslint-disable-line react-hooks/exhaustive-deps
  );
  const isDifference = earlier !== null && compare === "difference";
  const looks = useMemo(() => (isDifference ? asDifference(settings) : settings), [isDifference, settings]);
  const domain = useMemo(() => {
    const found = whole && domainOf(whole.values, looks.range, looks.scale);
    return found && isDifference && typeof looks.range === "string" ? aroundZero(found) : found;
  }, [whole, looks.range, looks.scale, isDifference]);
  const profile = useMemo(
    () => (settings.line && whole ? profileOf(settings.line, close ? [close, whole] : [whole], scales) : null),
    [settings.line, whole, close, scales],
  );

  const [y, x] = scales;
  const aspect = settings.aspect ?? (x.unit === y.unit && x.names === null && y.names === null ? "equal" : "fill");
  const drawing = { colorMap: looks.map as ColorMap, invertColorMap: looks.invert, scaleType: SCALE_TYPES[looks.scale] };
  const drawn = (change: Four) => onSettings(tool === "line" ? { line: change } : { roi: toRegion(change, rows, columns) });
  return (
    <div className="fills sized image" ref={place}>
      {base.problem !== "" && <p role="alert">{base.problem}</p>}
      {whole === null || domain === null ? (
        base.problem === "" && <p className="waits">waiting for the first image</p>
      ) : (
        <>
          <div className="image-drawn" role="group" aria-label={saying(view, whole.values.length, domain)}>
            <VisCanvas
              aspect={aspect === "equal" ? "equal" : "auto"}
              abscissaConfig={axisOf(x, false)}
              ordinateConfig={axisOf(y, settings.down)}
            >
              <DefaultInteractions {...(tool === "look" ? {} : { pan: false as const })} />
              <ResetZoomButton />
              <TooltipMesh
                guides="both"
                renderTooltip={(atX, atY) => {
                  const [row, column] = [Math.floor(placeOf(y, atY)), Math.floor(placeOf(x, atX))];
                  if (row < 0 || row >= rows || column < 0 || column >= columns) return undefined;
                  const value = (close && valueOn(close, row, column)) ?? valueOn(whole, row, column);
                  const every = close && valueOn(close, row, column) !== null ? close.every : whole.every;
                  return (
                    <>
                      {`${wordsAt(x, column)}, ${wordsAt(y, row)}`}
                      <div>
                        <strong>{value === null ? "" : short(value, 6)}</strong> {view.unit}
                        {every > 1 ? ` (${fewer} of ${every} × ${every})` : ""}
                      </div>
                    </>
                  );
                }}
              />
              <KeptProgram scaleType={drawing.scaleType} />
              <PlacedImage sheet={whole} scales={scales} down={settings.down} domain={domain} {...drawing} />
              {close && <PlacedImage sheet={close} scales={scales} down={settings.down} domain={domain} {...drawing} isAbove />}
              <Looked onLook={setSeen} />
              {tool !== "look" && <Drawn tool={tool} scales={scales} onDrawn={drawn} />}
              {settings.line && <DrawnLine four={settings.line} scales={scales} />}
              {settings.roi && <DrawnRegion four={settings.roi} scales={scales} />}
            </VisCanvas>
            <Colours domain={domain} settings={looks} unit={view.unit} />
          </div>
          {settings.roi && settings.trend && <RegionTrend view={view} roi={settings.roi} of={settings.trend} frame={settings.frame} />}
          {profile && (
            <div className="image-profile">
              <Lines title={`profile of ${titleOf(view)}`} x={profile.x} lines={[{ label: "profile", values: profile.values }]} xLabel={labelled("along the line", profile.unit)} yLabel={view.unit} unit={view.unit} />
            </div>
          )}
        </>
      )}
    </div>
  );
}

/** A difference has a sign: colours of two sides, unless others were chosen; no scale that has no place for less than 0. */
function asDifference(settings: Settings): Settings {
  const { map, invert, scale } = settings;
  return {
    ...settings,
    scale: scale === "log" || scale === "sqrt" ? "symlog" : scale,
    ...(map === DEFAULTS.map ? { map: "RdBu", invert: !invert } : {}),
  };
}

/** The numbers before those of rows and columns: the last of each, but the frame that is wanted. */
function leadingOf(view: View, frame: number | null): number[] {
  const leading = Array<number>(Math.max(0, view.shape.length - 2)).fill(-1);
  if (frame !== null && leading.length > 0) leading[0] = Math.min(frame, (view.shape[0] ?? 1) - 1);
  return leading;
}

/** A mask of fewer dimensions is the same for all frames. */
function maskSlice(wish: Wish, leading: readonly number[]): string {
  return (wish.slice ?? "").split(",").slice(leading.length).join(",").replace(/^:,:$/, "");
}

function useScales(view: View, rows: number, columns: number): [y: Scale, x: Scale] {
  return useMemo(() => {
    const [ofRows, ofColumns] = view.axes.slice(-2);
    return [scaleOf(ofRows, rows, "row"), scaleOf(ofColumns, columns, "column")];
  }, [view.axes, rows, columns]);
}

function useFiner(every: number, looks: Looks | null, [y, x]: [Scale, Scale], rows: number, columns: number): [Range, Range] | null {
  return useMemo(() => {
    if (every === 1 || looks === null) return null;
    const ofRows = asked(within(placeOf(y, looks.y[0]), placeOf(y, looks.y[1]), rows), rows);
    const ofColumns = asked(within(placeOf(x, looks.x[0]), placeOf(x, looks.x[1]), columns), columns);
    if (ofRows === null && ofColumns === null) return null;
    return [ofRows ?? [0, rows], ofColumns ?? [0, columns]];
  }, [every, looks, y, x, rows, columns]);
}

function axisOf(scale: Scale, isDown: boolean) {
  const { names, from, to } = scale;
  return {
    visDomain: [Math.min(from, to), Math.max(from, to)] as [number, number],
    label: labelled(scale.label, scale.unit),
    flip: to < from !== isDown,
    isIndexAxis: names !== null,
    formatTick: (at: number) => (names ? String(names[Math.floor(at)] ?? "") : short(at)),
  };
}

function toRegion([x0, y0, x1, y1]: Four, rows: number, columns: number): Four {
  return [...within(y0, y1, rows), ...within(x0, x1, columns)];
}

function saying(view: View, count: number, [low, high]: [number, number]): string {
  return `${titleOf(view)}: an image of ${view.shape.join(" × ")}, drawn as ${count} elements, colours from ${short(low)} to ${short(high)} ${view.unit}`;
}
