// Asks for the views of the run, for all plots below; and says which moment they show.

import { useCallback, useMemo, useState, type ReactNode } from "react";

import type { About, View } from "../api/types";
import { usePoll } from "../live/poll";
import { Moments } from "./Moments";
import { SceneContext, type Scene } from "./scene";

interface Props {
  /** Whether somebody can look back. */
  hasPast?: boolean;
  /** Given the views, and the way back into the past. */
  children: (views: readonly View[], past: ReactNode) => ReactNode;
}

export function WithViews({ hasPast = false, children }: Props) {
  const { data: about } = usePoll<About>("run", 5);
  const { data: views, problem } = usePoll<View[]>("views", 2);
  const [held, hold] = useState<{ run: string; at: number } | null>(null);
  const run = about?.run ?? "";
  const moment = held?.run === run ? held.at : null; // the past of another run is none of this one
  const setMoment = useCallback((at: number | null) => hold(at === null ? null : { run, at }), [run]);
  const scene = useMemo<Scene | null>(
    () => (about && views ? { pipeline: about.pipeline, run: about.run, hasEnded: about.ended, views, moment } : null),
    [about, views, moment],
  );
  if (scene === null) return <p className="waits">{problem || "asking for the views"}</p>;
  return (
    <SceneContext.Provider key={scene.pipeline} value={scene} /* another pipeline at this address has another board */>
      {children(scene.views, hasPast && scene.views.length > 0 ? <Moments moment={moment} onMoment={setMoment} /> : null)}
    </SceneContext.Provider>
  );
}
