// Commands to the whole pipeline, as far as they are allowed now.

import { useRef, useState } from "react";

import type { States } from "../api/types";
import { useMayTurn } from "../shell/access";
import { command, Said, useAct } from "../shell/act";
import { Modal } from "../shell/Modal";
import { State } from "../shell/State";

interface Kind {
  name: string;
  label: string;
  does: string;
  /** Ends something: it is asked for again, with a reason. */
  isGrave?: boolean;
  takesReason?: boolean;
}

const FLOW: Kind[] = [
  { name: "start", label: "Start", does: "takes in again what was held" },
  { name: "stop", label: "Hold", does: "takes nothing in; what is there is kept" },
];
const PARTS: Kind[] = [
  { name: "start-data", label: "Start data", does: "lets sources read again" },
  { name: "stop-data", label: "Hold data", does: "lets sources read nothing; stages go on" },
  { name: "start-processing", label: "Start processing", does: "lets stages take in again" },
  { name: "stop-processing", label: "Hold processing", does: "lets what comes wait before the stages" },
  { name: "rotate-logs", label: "Rotate logs", does: "begins another log file" },
];
const ENDS: Kind[] = [
  { name: "finish", label: "Finish", does: "reads nothing more, brings out what has come, and ends the run as complete", isGrave: true, takesReason: true },
  { name: "drain", label: "Drain", does: "reads nothing more, brings out what has come, and ends the run as aborted", isGrave: true, takesReason: true },
  { name: "abort", label: "Abort", does: "gives up what is under way, and ends the run", isGrave: true, takesReason: true },
];
const GRAVE: Kind[] = [
  { name: "reset", label: "Reset", does: "holds everything, and gives up what waits", isGrave: true },
  { name: "clean-shutdown", label: "Drain and shut down", does: "brings out what has come, and ends the program", isGrave: true, takesReason: true },
  { name: "shutdown", label: "Shut down at once", does: "gives everything up, and ends the program", isGrave: true, takesReason: true },
];

export function Commands({ states, again }: { states: States; again: () => void }) {
  const mayTurn = useMayTurn();
  const { act, isBusy, said } = useAct(again);
  const [asked, setAsked] = useState<Kind | null>(null);
  const why = states.states[0]?.why ?? "";
  const button = (kind: Kind) => (
    <button
      key={kind.name}
      type="button"
      title={kind.does}
      disabled={!mayTurn || isBusy || !states.allowed.includes(kind.name)}
      onClick={() => {
        if (kind.isGrave) setAsked(kind);
        else void act(() => command(kind.name));
      }}
    >
      {kind.label}
    </button>
  );
  return (
    <section className="panel commands" aria-labelledby="commands-title">
      <h2 id="commands-title">
        {states.pipeline} <State name={states.state} />
        {why !== "" && <small> {why}</small>}
      </h2>
      <div className="row">
        {FLOW.map(button)}
        <span className="gap" />
        {ENDS.map(button)}
      </div>
      <details>
        <summary>more commands</summary>
        <div className="row">
          {PARTS.map(button)}
          <span className="gap" />
          {GRAVE.map(button)}
        </div>
      </details>
      {states.allowed.includes("arm") && mayTurn && <p className="hint">No run goes on. Another one is begun on the page of <a href="#/runs">runs</a>.</p>}
      <Said said={said} />
      {asked !== null && (
        <Sure
          kind={asked}
          onClose={() => setAsked(null)}
          onSure={(reason) => {
            setAsked(null);
            void act(() => command(asked.name, "", reason === "" ? {} : { reason }));
          }}
        />
      )}
    </section>
  );
}

function Sure({ kind, onSure, onClose }: { kind: Kind; onSure: (reason: string) => void; onClose: () => void }) {
  const reason = useRef<HTMLInputElement>(null);
  return (
    <Modal title={`${kind.label}?`} confirm={kind.label} isGrave onClose={onClose} onConfirm={() => onSure(reason.current?.value.trim() ?? "")}>
      <p>It {kind.does}.</p>
      {kind.takesReason && (
        <label>
          Why <input ref={reason} maxLength={500} placeholder="kept with the run" />
        </label>
      )}
    </Modal>
  );
}
