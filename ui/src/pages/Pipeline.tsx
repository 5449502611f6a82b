// The pipeline at work: its graph, the room that was chosen, the ledger, delays and rates.

import "./Pipeline.css";

import { useEffect, useState } from "react";

import { usePoll } from "../live/poll";
import { PipelineDelays, PipelineRates } from "./PipelineTables";
import { PipelineGraph } from "./PipelineGraph";
import { PipelineLedger } from "./PipelineLedger";
import { PipelineRoom } from "./PipelineRoom";
import type { Flow, Ledger } from "./PipelineTypes";
import { StreamsGroups } from "./StreamsGroups";
import type { GroupOfStream } from "./StreamsTypes";

const NARROW = "(max-width: 700px)";

export function Pipeline() {
  const { data: flow, problem } = usePoll<Flow>("flow", 1);
  const ledger = usePoll<Ledger>("ledger", 1);
  const [chosen, choose] = useChosen();
  const isNarrow = useMedia(NARROW);
  if (flow === null) return <main className="pipeline" id="main" tabIndex={-1}>{problem === "" ? <p>asking for the pipeline</p> : <p role="alert">{problem}</p>}</main>;
  const room = flow.rooms.find((each) => each.name === chosen);
  const slow = flow.bottleneck;
  return (
    <main className="pipeline" id="main" tabIndex={-1}>
      {problem !== "" && <p role="alert">{problem}; this is how it was before.</p>}
      <p className="pipeline-sum" role="status">
        {flow.outcome === "" ? "No run has begun." : `The run is ${flow.outcome}. `}
        {slow !== null && (
          <>
            Bottleneck: <a href={`#/pipeline/${encodeURIComponent(slow.room)}`}>{slow.room}</a>, {slow.why}.
          </>
        )}
        {flow.outcome === "running" && slow === null && "Nothing waits for long: the sources give the pace."}
      </p>
      <div className="pipeline-top">
        <PipelineGraph flow={flow} chosen={chosen} isNarrow={isNarrow} choose={choose} />
        {room !== undefined && (
          <PipelineRoom key={room.name} room={room} slow={slow?.room === room.name ? slow.why : ""} close={() => choose("")} />
        )}
      </div>
      {flow.outcome !== "" && (
        <>
          <PipelineLedger polled={ledger} />
          <Groups />
          <div className="pipeline-tables">
            <PipelineRates rates={flow.rates} isOver={flow.outcome !== "running"} />
            <PipelineDelays delays={flow.delays} />
          </div>
        </>
      )}
    </main>
  );
}

/** The groups of the streams that were written last, where there are any. */
function Groups() {
  const { data } = usePoll<GroupOfStream[]>("streams/groups", 2);
  if (data === null || data.length === 0) return null;
  return (
    <section aria-label="groups of streams">
      <h2>Groups of streams</h2>
      <StreamsGroups groups={data} />
    </section>
  );
}

/** The room that the address names behind `#/pipeline/`, and how another one is chosen. */
function useChosen(): [string, (room: string) => void] {
  const [chosen, setChosen] = useState(named);
  useEffect(() => {
    const moved = () => setChosen(named());
    window.addEventListener("hashchange", moved);
    return () => window.removeEventListener("hashchange", moved);
  }, []);
  return [
    chosen,
    (room) => {
      if (room !== named()) location.hash = room === "" ? "#/pipeline" : `#/pipeline/${encodeURIComponent(room)}`;
    },
  ];
}

function named(): string {
  return decodeURIComponent(location.hash.replace(/^#\/pipeline\/?/, ""));
}

function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const changed = () => setMatches(media.matches);
    media.addEventListener("change", changed);
    return () => media.removeEventListener("change", changed);
  }, [query]);
  return matches;
}
