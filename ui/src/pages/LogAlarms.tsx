// The alarms of the pipeline: how each is, and that somebody knows of it.

import { useState } from "react";

import { send } from "../api/http";
import type { About, Alarms, Schemas } from "../api/types";
import { usePoll } from "../live/poll";
import { useMayTurn, who } from "../shell/access";
import { Said, useAct } from "../shell/act";
import { State } from "../shell/State";
import { clock } from "../shell/time";

type Alarm = Schemas["Alarm"];

const ORDER = [["raised", "returned"], ["acknowledged"], ["normal"]];
const GRAVITY = ["error", "warning", "info"];
const TIMES: [string, number][] = [["10 min", 600], ["1 h", 3600], ["8 h", 28_800], ["a day", 86_400]];

/** Those that want somebody first, the gravest of them above. */
function urgency(alarm: Alarm): number {
  return ORDER.findIndex((states) => states.includes(alarm.state)) * GRAVITY.length + GRAVITY.indexOf(alarm.level);
}

export function Alarms() {
  const { data: about } = usePoll<About>("run", 2);
  const { data, problem, again } = usePoll<Alarms>(about === null || about.ended ? null : "alarms", 1);
  const mayTurn = useMayTurn();
  const { act, isBusy, said } = useAct(again);
  const alarms = (data?.alarms ?? []).toSorted((one, other) => urgency(one) - urgency(other));
  const may = mayTurn && !isBusy && problem === "" && about?.ended === false;
  return (
    <section className="panel" aria-labelledby="alarms-title">
      <h2 id="alarms-title">Alarms</h2>
      {(problem !== "" || about?.ended) && <p className="hint">{about?.ended ? "The run has ended, so no condition is looked at." : problem}</p>}
      {data !== null && alarms.length === 0 && <p className="hint">This pipeline has none; they are written under “alarms” in its file.</p>}
      <ul className="alarms">
        {alarms.map((alarm) => (
          <li key={alarm.name} className={`alarm ${alarm.state} ${alarm.level}`}>
            <span className="what">
              <strong>{alarm.name}</strong> <State name={alarm.level} /> <span className="how">{alarm.state}</span>{" "}
              {alarm.state !== "normal" && alarm.text}
              <small className="facts">
                {alarm.when}
                {alarm.raised !== null && ` · last raised ${clock(alarm.raised)}, ${alarm.times} × in all`}
                {alarm.acknowledged_by !== "" && ` · ${alarm.acknowledged_by} knows`}
                {alarm.muted_until !== null && ` · muted until ${clock(alarm.muted_until)}${alarm.muted_by === "" ? "" : ` by ${alarm.muted_by}`}`}
                {alarm.not_known.length > 0 && ` · not known: ${alarm.not_known.join(", ")}`}
              </small>
            </span>
            <span className="row">
              <button
                type="button"
                disabled={!may || !["raised", "returned"].includes(alarm.state)}
                aria-label={`Acknowledge ${alarm.name}`}
                title="Says that somebody knows of it"
                onClick={() => void act(() => tell(alarm.name, "acknowledge", {}, "acknowledged"))}
              >
                Acknowledge
              </button>
              <Mute alarm={alarm} isAllowed={may} onMute={(for_s) => void act(() => tell(alarm.name, "mute", { for_s }, for_s > 0 ? "muted" : "told again"))} />
            </span>
          </li>
        ))}
      </ul>
      <Said said={said} />
      {data !== null && data.history.length > 0 && <History history={data.history} />}
    </section>
  );
}

async function tell(alarm: string, what: string, wish: Record<string, unknown>, done: string): Promise<string> {
  await send("POST", `alarms/${encodeURIComponent(alarm)}/${what}`, { ...wish, who: who() });
  return `${alarm}: ${done}`;
}

function Mute({ alarm, isAllowed, onMute }: { alarm: Alarm; isAllowed: boolean; onMute: (for_s: number) => void }) {
  const [for_s, setFor] = useState(3600);
  if (alarm.muted_until !== null) {
    return (
      <button type="button" disabled={!isAllowed} aria-label={`Unmute ${alarm.name}`} onClick={() => onMute(0)}>
        Unmute
      </button>
    );
  }
  return (
    <span className="row">
      <label>
        <span className="unseen">how long to mute {alarm.name}</span>
        <select value={for_s} disabled={!isAllowed} onChange={(event) => setFor(Number(event.target.value))}>
          {TIMES.map(([name, seconds]) => (
            <option key={name} value={seconds}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <button type="button" disabled={!isAllowed} aria-label={`Mute ${alarm.name}`} title="Tells nobody of it for so long; it is seen all the same" onClick={() => onMute(for_s)}>
        Mute
      </button>
    </span>
  );
}

function History({ history }: { history: Alarms["history"] }) {
  return (
    <details>
      <summary>what happened to them</summary>
      <div className="scrolls" tabIndex={0} role="region" aria-label="table of what happened">
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">when</th>
              <th scope="col">alarm</th>
              <th scope="col">what</th>
              <th scope="col">who</th>
              <th scope="col">text</th>
            </tr>
          </thead>
          <tbody>
            {history.slice(0, 100).map((each) => (
              <tr key={`${each.when} ${each.alarm} ${each.what}`}>
                <td>{clock(each.when)}</td>
                <td>{each.alarm}</td>
                <td>
                  {each.what} {!each.told && <small>nobody was told</small>}
                </td>
                <td>{each.who}</td>
                <td>{each.text}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
