// Sources, stages and workers: how each is, and what can be done to it.

import { useState } from "react";

import type { RunReport, State as Thing, States } from "../api/types";
import { usePoll } from "../live/poll";
import { useMayTurn } from "../shell/access";
import { command, Said, useAct } from "../shell/act";
import { State } from "../shell/State";
import { duration } from "../shell/time";


const HELD = "held";

export function Parts({ states, again }: { states: States; again: () => void }) {
  const { data: status } = usePoll<RunReport>(states.state === "stopped" ? null : "status", 2);
  const mayTurn = useMayTurn();
  const { act, isBusy, said } = useAct(again);
  const load = new Map(states.load.map((each) => [each.worker, each]));
  const maps = new Set((status?.processes ?? []).filter((each) => each.role === "map").map((each) => each.name));
  const things = states.states.filter((each) => each.kind !== "pipeline");
  const workersOf = (stage: string) => things.filter((each) => each.kind === "worker" && each.of === stage);
  const may = (name: string) => mayTurn && !isBusy && states.allowed.includes(name);
  return (
    <section className="panel of-parts" aria-labelledby="parts-title">
      <h2 id="parts-title">Sources, stages, workers</h2>
      <div className="scrolls" tabIndex={0} role="region" aria-label="table of parts">
        <table className="plain parts">
          <thead>
            <tr>
              <th scope="col">name</th>
              <th scope="col">state</th>
              <th scope="col" className="number">for</th>
              <th scope="col" className="number">processor</th>
              <th scope="col">do</th>
            </tr>
          </thead>
          <tbody>
            {things.map((thing) => (
              <tr key={`${thing.kind} ${thing.name}`} className={thing.kind}>
                <th scope="row">
                  {thing.name} <small>{thing.kind}</small>
                </th>
                <td>
                  <State name={thing.state} /> {thing.why !== "" && thing.why !== thing.state && <small>{thing.why}</small>}
                </td>
                <td className="number">{thing.state === "stopped" ? "" : duration(thing.since_s)}</td>
                <td className="number">{share(load.get(thing.name))}</td>
                <td>
                  <span className="row">
                    {(thing.kind === "source" || thing.kind === "stage") && <Hold thing={thing} may={may} act={act} />}
                    {thing.kind === "stage" && workersOf(thing.name).some((each) => maps.has(each.name)) && (
                      <Scale
                        stage={thing.name}
                        workers={workersOf(thing.name).length}
                        staff={status?.staffs.find((each) => each.stage === thing.name)}
                        isAllowed={may("scale")}
                        act={act}
                      />
                    )}
                    {thing.kind === "worker" && (
                      <button
                        type="button"
                        disabled={!may("restart")}
                        aria-label={`Restart ${thing.name}`}
                        title="Replaces the worker; nothing that it has is lost"
                        onClick={() => void act(() => command("restart", thing.name))}
                      >
                        Restart
                      </button>
                    )}
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Said said={said} />
    </section>
  );
}

type Act = (what: () => Promise<string>) => Promise<void>;

function Hold({ thing, may, act }: { thing: Thing; may: (name: string) => boolean; act: Act }) {
  const isHeld = thing.state === "waiting" && thing.why === HELD;
  const name = isHeld ? "start" : "stop";
  return (
    <button
      type="button"
      disabled={!may(name) || ["stopped", "finishing"].includes(thing.state)}
      aria-label={`${isHeld ? "Start" : "Hold"} ${thing.name}`}
      onClick={() => void act(() => command(name, thing.name))}
    >
      {isHeld ? "Start" : "Hold"}
    </button>
  );
}

interface ScaleOf {
  stage: string;
  workers: number;
  staff: RunReport["staffs"][number] | undefined;
  isAllowed: boolean;
  act: Act;
}

function Scale({ stage, workers, staff, isAllowed, act }: ScaleOf) {
  const [wanted, setWanted] = useState("");
  const number = Number(wanted === "" ? workers : wanted);
  const isRight = Number.isInteger(number) && number >= 1 && number <= 1024;
  const scale = (to: number | "auto") => {
    setWanted("");
    void act(() => command("scale", stage, { workers: to }));
  };
  return (
    <form
      className="row"
      onSubmit={(event) => {
        event.preventDefault();
        if (isRight) scale(number);
      }}
    >
      <label>
        <span className="unseen">workers of {stage}</span>
        <input
          type="number"
          min={1}
          max={1024}
          className="few"
          value={wanted === "" ? workers : wanted}
          disabled={!isAllowed}
          onChange={(event) => setWanted(event.target.value)}
        />
      </label>
      <button type="submit" disabled={!isAllowed || !isRight || number === workers}>
        Scale
      </button>
      {staff !== undefined && (
        <button type="button" disabled={!isAllowed || staff.pinned === null} title={`${staff.pinned === null ? "goes" : "let it go"} by the load, from ${staff.least} to ${staff.most}`} aria-pressed={staff.pinned === null} onClick={() => scale("auto")}>
          By load
        </button>
      )}
    </form>
  );
}

function share(load: { share: number; deaths: number } | undefined): string {
  if (load === undefined) return "";
  const died = load.deaths > 0 ? `, died ${load.deaths} ×` : "";
  return `${Math.round(100 * load.share)} %${died}`;
}
