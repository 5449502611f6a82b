// Runs that are recorded in the pipeline's store, and replays of them beside the live one.

import { useState } from "react";

import { send, token } from "../api/http";
import type { Replay, Schemas } from "../api/types";
import { usePoll } from "../live/poll";
import { useMayTurn, who } from "../shell/access";
import { Said, useAct } from "../shell/act";
import { Modal } from "../shell/Modal";
import { State } from "../shell/State";
import { clock } from "../shell/time";
import { reachedAt } from "./RunsReplays";

type Recording = Schemas["Recording"];

export function Recordings() {
  const { data, problem } = usePoll<Schemas["Recordings"]>("recordings?most=200", 5);
  const { data: replays, again } = usePoll<Replay[]>("replays", 1);
  const mayTurn = useMayTurn();
  const { act, isBusy, said } = useAct(again);
  const [asked, setAsked] = useState<Recording | null>(null);
  const [wanted, setWanted] = useState("");
  const runs = (data?.runs ?? []).filter((each) => `${each.beamtime} ${each.run} ${each.pipeline}`.includes(wanted)).toReversed();
  return (
    <>
      {replays !== null && replays.length > 0 && <Replays replays={replays} mayTurn={mayTurn && !isBusy} act={act} />}
      <section className="panel" aria-labelledby="recordings-title">
        <h2 id="recordings-title">
          Recorded runs <small>{data?.store}</small>
        </h2>
        {problem !== "" && <p className="bad">{problem}</p>}
        {data !== null && data.runs.length === 0 && (
          <p className="hint">None. With “record: true” at a source, runs are kept and can be run again.</p>
        )}
        {data !== null && data.runs.length > 10 && (
          <label>
            <span className="unseen">search</span>
            <input type="search" placeholder="search" value={wanted} onChange={(event) => setWanted(event.target.value)} />
          </label>
        )}
        {runs.length > 0 && (
          <div className="scrolls list">
            <table className="plain recordings">
              <thead>
                <tr>
                  <th scope="col">run</th>
                  <th scope="col">beamtime</th>
                  <th scope="col">state</th>
                  <th scope="col">began</th>
                  <th scope="col">sources</th>
                  <th scope="col">
                    <span className="unseen">replay</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {runs.map((each) => (
                  <tr key={`${each.beamtime} ${each.run}`}>
                    <th scope="row">
                      {each.run} <small>{each.pipeline}</small>
                    </th>
                    <td>{each.beamtime}</td>
                    <td>
                      <State name={each.outcome} />
                    </td>
                    <td>{clock(each.started)}</td>
                    <td>{Object.keys(each.sources).join(", ")}</td>
                    <td>
                      <button type="button" disabled={!mayTurn || isBusy} aria-label={`Replay ${each.run}`} aria-haspopup="dialog" onClick={() => setAsked(each)}>
                        Replay
                      </button>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        <Said said={said} />
        {asked !== null && (
          <Ask
            recording={asked}
            onClose={() => setAsked(null)}
            onAsk={(wish) => {
              setAsked(null);
              void act(async () => {
                const begun = await send<Replay>("POST", "replays", { ...wish, run: asked.run, beamtime: asked.beamtime, who: who() });
                return `${begun.name} begins`;
              });
            }}
          />
        )}
      </section>
    </>
  );
}

interface ReplayWish {
  speed: number;
  first: number;
  values: Record<string, unknown>;
}

function Ask({ recording, onAsk, onClose }: { recording: Recording; onAsk: (wish: ReplayWish) => void; onClose: () => void }) {
  const [speed, setSpeed] = useState(0);
  const [first, setFirst] = useState("0");
  const [values, setValues] = useState("");
  const [problem, setProblem] = useState("");
  const ask = () => {
    try {
      onAsk({ speed, first: Number(first), values: valuesIn(values) });
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  return (
    <Modal title={`Replay ${recording.run}?`} confirm="Replay" onClose={onClose} onConfirm={ask}>
      <p className="hint">The same events, through the same code, in a program of its own beside the live run. It writes and sends nothing.</p>
      <label>
        Speed
        <select value={speed} onChange={(event) => setSpeed(Number(event.target.value))}>
          <option value={0}>as fast as it goes</option>
          <option value={1}>in its own time</option>
          <option value={2}>twice as fast</option>
          <option value={10}>ten times as fast</option>
        </select>
      </label>
      <label>
        From event
        <input type="number" min={0} value={first} onChange={(event) => setFirst(event.target.value)} />
      </label>
      <label>
        Other parameters, one a line: fit.roi=3
        <textarea rows={3} value={values} spellCheck={false} aria-invalid={problem !== ""} onChange={(event) => setValues(event.target.value)} />
      </label>
      {problem !== "" && <p className="bad">{problem}</p>}
    </Modal>
  );
}

/** Values by address, from lines `address=value`; what is no JSON is a text. */
function valuesIn(text: string): Record<string, unknown> {
  const lines = text.split("\n").map((each) => each.trim()).filter((each) => each !== "");
  return Object.fromEntries(
    lines.map((line) => {
      const [address = "", ...rest] = line.split("=");
      if (rest.length === 0 || address.trim() === "") throw new Error(`“${line}” has no value; write stage.name=value`);
      return [address.trim(), plain(rest.join("=").trim())];
    }),
  );
}

function plain(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function Replays({ replays, mayTurn, act }: { replays: Replay[]; mayTurn: boolean; act: (what: () => Promise<string>) => Promise<void> }) {
  return (
    <section className="panel" aria-labelledby="replays-title">
      <h2 id="replays-title">Replays</h2>
      <div className="scrolls" tabIndex={0} role="region" aria-label="table of replays">
        <table className="plain replays">
          <thead>
            <tr>
              <th scope="col">replay</th>
              <th scope="col">state</th>
              <th scope="col">began</th>
              <th scope="col">who</th>
              <th scope="col">
                <span className="unseen">do</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {replays.toReversed().map((each) => (
              <tr key={each.name}>
                <th scope="row">{each.name}</th>
                <td>
                  <State name={each.state} /> {each.state === "failed" && <small className="bad">{each.said}</small>}
                </td>
                <td>{clock(each.began)}</td>
                <td>{each.who}</td>
                <td>
                  <span className="row">
                    {each.state === "shown" && (
                      <>
                        <a className="button" href={reachedAt(each, location.href, token())} target="_blank" rel="noreferrer">
                          Open
                        </a>
                        <a className="button" href={`#/runs/beside/${encodeURIComponent(each.name)}`}>
                          Beside the live run
                        </a>
                      </>
                    )}
                    {["starting", "shown"].includes(each.state) && (
                      <button
                        type="button"
                        disabled={!mayTurn}
                        aria-label={`End ${each.name}`}
                        onClick={() =>
                          void act(async () => {
                            await send("POST", `replays/${encodeURIComponent(each.name)}/end`, { who: who() });
                            return `${each.name} ends`;
                          })
                        }
                      >
                        End
                      </button>
                    )}
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
