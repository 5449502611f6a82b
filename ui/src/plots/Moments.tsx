// A slider over the run's past.

import "./moments.css";

import { useEffect } from "react";

import type { Schemas } from "../api/types";
import { usePoll } from "../live/poll";

export function Moments({ moment, onMoment }: { moment: number | null; onMoment: (moment: number | null) => void }) {
  const { data } = usePoll<Schemas["Moments"]>("past", 5);
  const times = data?.times ?? [];
  const isGone = data !== null && moment !== null && !data.times.some((time) => time <= moment);
  useEffect(() => {
    if (isGone) onMoment(null); // nothing is kept of then: the pipeline, or what serves it, is another one
  }, [isGone, onMoment]);
  if (times.length === 0) return null;
  const at = moment === null ? times.length : Math.max(0, times.findLastIndex((time) => time <= moment));
  return (
    <div role="region" aria-label="past" className={moment === null ? "moments" : "moments is-past"}>
      <label>
        <span className="moments-name">past</span>
        <input
          type="range"
          min={0}
          max={times.length}
          value={at}
          aria-label="the moment that is shown"
          aria-valuetext={moment === null ? "now" : new Date(moment * 1000).toLocaleString(undefined, { hour12: false })}
          onChange={(event) => onMoment(times[Number(event.target.value)] ?? null)}
        />
      </label>
      <output>{moment === null ? "now" : `${new Date(moment * 1000).toLocaleString(undefined, { hour12: false })}: as it was then, coarser`}</output>
      {moment !== null && (
        <button type="button" onClick={() => onMoment(null)}>
          back to now
        </button>
      )}
    </div>
  );
}
