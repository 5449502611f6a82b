// What can be turned: the pipeline as a whole, its parts, and its parameters.

import { usePoll } from "../live/poll";
import type { States } from "../api/types";
import { useAccess } from "../shell/access";
import { Commands } from "./ControlsCommands";
import { Commanded } from "./ControlsCommanded";
import { Parameters } from "./ControlsParameters";
import { Parts } from "./ControlsParts";
import "./Controls.css";

export function Controls() {
  const { data: states, problem, again } = usePoll<States>("states", 1);
  const { role } = useAccess();
  return (
    <main className="page" id="main" tabIndex={-1}>
      {role === "viewer" && (
        <p className="hint" role="note">
          You are a viewer: everything is shown, and nothing can be turned. An operator’s token allows it, above at the right.
        </p>
      )}
      <div className="controls">
        {states === null ? <p>{problem || "asking for the states"}</p> : <Commands states={states} again={again} />}
        {states !== null && <Parameters hasEnded={!states.allowed.includes("set")} />}
        {states !== null && <Parts states={states} again={again} />}
        <Commanded />
      </div>
    </main>
  );
}
