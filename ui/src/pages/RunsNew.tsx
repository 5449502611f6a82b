// Another run of the same pipeline, where the program stays and none goes on.

import { useState } from "react";

import { send } from "../api/http";
import type { States } from "../api/types";
import type { Flow, Room } from "./PipelineTypes";
import { usePoll } from "../live/poll";
import { useMayTurn } from "../shell/access";
import { Said, useAct } from "../shell/act";

export function NewRun({ again }: { again: () => void }) {
  const { data: states, again: askStates } = usePoll<States>("states", 2);
  const mayTurn = useMayTurn();
  const [run, setRun] = useState("");
  const { data: flow } = usePoll<Flow>(states?.allowed.includes("arm") ? "flow" : null, 30);
  const joins = flow?.rooms.filter(takesMap).map((each) => each.name) ?? [];
  const [chosen, setJoin] = useState("");
  const join = joins.includes(chosen) ? chosen : (joins[0] ?? "");
  const [map, setMap] = useState<File | null>(null);
  const { act, isBusy, said } = useAct(() => {
    again();
    askStates();
  });
  const isAllowed = mayTurn && !isBusy && (states?.allowed.includes("arm") ?? false);
  const begin = async () => {
    const maps = map === null ? {} : { [join]: await mapIn(map) };
    await send("POST", "runs", { run: run.trim(), trigger_maps: maps });
    setRun("");
    return "a run begins";
  };
  if (states === null || !states.allowed.includes("arm")) return <Said said={said} />;
  return (
    <form
      className="row new"
      onSubmit={(event) => {
        event.preventDefault();
        void act(begin);
      }}
    >
      <label>
        <span className="unseen">name of the new run</span>
        <input value={run} size={24} maxLength={100} placeholder="name, or made of the time" disabled={!isAllowed} onChange={(event) => setRun(event.target.value)} />
      </label>
      <button type="submit" className="main" disabled={!isAllowed}>
        Begin another run
      </button>
      {joins.length > 0 && (
        <details>
          <summary>with a trigger map</summary>
          <label>
            for the join{" "}
            <select value={join} disabled={!isAllowed} onChange={(event) => setJoin(event.target.value)}>
              {joins.map((each) => (
                <option key={each}>{each}</option>
              ))}
            </select>
          </label>{" "}
          <label>
            map, JSON <input type="file" accept=".json,application/json" disabled={!isAllowed} onChange={(event) => setMap(event.target.files?.[0] ?? null)} />
          </label>
        </details>
      )}
      <Said said={said} />
    </form>
  );
}

function takesMap({ kind, says }: Room): boolean {
  return kind === "join" && says.some((each) => each.startsWith("by trigger-map"));
}

async function mapIn(file: File): Promise<unknown> {
  try {
    return JSON.parse(await file.text());
  } catch (error) {
    throw new Error(`${file.name} is no JSON: ${(error as Error).message}`);
  }
}
