// A replay beside the live run: the same page twice, each of its own pipeline.

import { useEffect } from "react";

import { token } from "../api/http";
import type { Replay } from "../api/types";
import { takeIn, within } from "../data/handing";
import { usePoll } from "../live/poll";
import { reachedAt } from "./RunsReplays";

export function Beside({ name }: { name: string }) {
  const { data, problem } = usePoll<Replay[]>("replays", 2);
  const replay = data?.find((each) => each.name === name);
  const there = replay?.state === "shown" ? within(reachedAt(replay, location.href, token()), location.href) : "";
  useEffect(() => (there === "" ? undefined : takeIn(there)), [there]);
  const here = new URL(location.href);
  here.hash = "#/";
  return (
    <main className="page beside" id="main" tabIndex={-1}>
      <p>
        <a href="#/runs">back to the runs</a>
      </p>
      {problem !== "" && <p className="bad">{problem}</p>}
      {data !== null && replay === undefined && <p className="bad">No replay is called {name}.</p>}
      {replay !== undefined && replay.state !== "shown" && <p>{name}: {replay.state}</p>}
      {there !== "" && (
        <div className="pair">
          <iframe title="the live run" src={here.href} />
          <iframe title={`replay ${name}`} src={there} />
        </div>
      )}
    </main>
  );
}
