// What can be done with a region: give it to a parameter, or see what is in it over time.

import { useEffect, useMemo, useReducer, useState } from "react";

import { send } from "../api/http";
import type { ParameterChange, Schemas, View } from "../api/types";
import { scaleOf, type Scale } from "../data/axis";
import { titleOf } from "../data/kinds";
import { sliceText, within } from "../data/levels";
import { fits, valueOf } from "../data/region";
import type { Four, Settings } from "../data/settings";
import { Trend } from "../data/trend";
import { useChanges } from "../live/context";
import { numbers } from "../data/numbers";
import { usePoll } from "../live/poll";
import { useMayTurn, who } from "../shell/access";
import { Lines } from "./Lines";
import { useAxes } from "./part";
import { useScene } from "./scene";

/** Give a region to a parameter: what will be set is shown before. */
export function RegionTools({ view, roi, settings, onSettings }: { view: View; roi: Four; settings: Settings; onSettings: (changed: Partial<Settings>) => void }) {
  const whole = useAxes(view);
  const { hasEnded } = useScene();
  const mayTurn = useMayTurn() && !hasEnded;
  const { data } = usePoll<Schemas["ParameterList"]>(hasEnded ? null : "parameters", 10);
  const [wanted, setWanted] = useState("");
  const [said, setSaid] = useState("");
  const dimensions = view.shape.length === 1 ? 1 : 2;
  const scales = useMemo<Scale[]>(
    () => view.shape.slice(-dimensions).map((length, k) => scaleOf(whole.axes.slice(-dimensions)[k], length, "number")),
    [view.shape, whole.axes, dimensions],
  );
  const offered = data?.parameters.filter((each) => fits(each, dimensions)) ?? [];
  const parameter = offered.find(({ address }) => address === wanted) ?? offered[0];
  const value = parameter && valueOf(parameter, roi, scales);
  const give = async () => {
    if (parameter === undefined) return;
    const whence = `region of ${view.name}`;
    const by = who() === "" ? whence : `${who()}, ${whence}`;
    try {
      const given = await send<ParameterChange>("PUT", "parameters", { values: { [parameter.address]: value }, who: by.slice(0, 200) });
      setSaid(`${parameter.address} is ${JSON.stringify(value)}, revision ${given.revision}`);
    } catch (error) {
      setSaid((error as Error).message);
    }
  };
  return (
    <span className="plot-four" role="group" aria-label="what to do with the region">
      <label>
        over time{" "}
        <select value={settings.trend ?? ""} onChange={(event) => onSettings({ trend: (event.target.value || null) as Settings["trend"] })}>
          <option value="">–</option>
          <option>mean</option>
          <option>max</option>
          <option>min</option>
        </select>
      </label>
      {parameter && (
        <>
          <label>
            give to{" "}
            <select value={parameter.address} onChange={(event) => setWanted(event.target.value)}>
              {offered.map(({ address }) => (
                <option key={address}>{address}</option>
              ))}
            </select>
          </label>
          <button type="button" disabled={!mayTurn} onClick={() => void give()}>
            set {JSON.stringify(value)}
          </button>
        </>
      )}
      <output role="status">{said}</output>
    </span>
  );
}

const MOST_TRENDS = 50;
/** They go on when somebody comes back to the page. */
const trends = new Map<string, Trend>();

function trendOf(key: string): Trend {
  const found = trends.get(key) ?? new Trend();
  trends.delete(key);
  trends.set(key, found);
  const oldest = trends.keys().next().value;
  if (trends.size > MOST_TRENDS && oldest !== undefined) trends.delete(oldest);
  return found;
}

/** What is in a region, over time: the server sends one number a change. */
export function RegionTrend({ view, roi, of, frame }: { view: View; roi: Four; of: "mean" | "max" | "min"; frame: number | null }) {
  const changes = useChanges();
  const dimensions = view.shape.length === 1 ? 1 : 2;
  const lengths = view.shape.slice(-dimensions);
  const leading = view.shape.slice(0, -dimensions).map((_, k) => (k === 0 && frame !== null ? frame : -1));
  const ranges = lengths.map((length, k) => within(roi[2 * k] ?? 0, roi[2 * k + 1] ?? 1, length));
  // A range that is all of it must be written, too: then the first answer says so.
  const slice = sliceText(ranges, lengths, leading) || ":";
  const key = `${view.name} ${slice} ${of}`;
  const trend = useMemo(() => trendOf(key), [key]);
  const [count, grown] = useReducer((before: number) => before + 1, 0);
  const { name } = view;
  useEffect(
    () =>
      changes.follow({ view: name, slice, max_hz: 5, max_bytes: 1, fewer: of }, (change) => {
        const value = change.data && change.dtype ? numbers(change.dtype, change.data)?.[0] : undefined;
        if (value !== undefined && trend.add(change.version, Date.now() / 1000, value)) grown();
      }),
    [changes, name, slice, of, trend],
  );
  const drawn = useMemo(() => ({ count, x: [...trend.times], lines: [{ label: of, values: [...trend.values] }] }), [trend, of, count]);
  return (
    <div className="image-profile">
      <Lines title={`${of} of the region of ${titleOf(view)}`} x={drawn.x} lines={drawn.lines} xLabel="" yLabel={`${of}${view.unit ? ` (${view.unit})` : ""}`} unit={view.unit} isTime />
    </div>
  );
}
