// Asks for the views of the run, for all plots below.

import { useMemo, type ReactNode } from "react";

import type { About, View } from "../api/types";
import { usePoll } from "../live/poll";
import { SceneContext, type Scene } from "./scene";

export function WithViews({ children }: { children: (views: readonly View[]) => ReactNode }) {
  const { data: about } = usePoll<About>("run", 5);
  const { data: views, problem } = usePoll<View[]>("views", 2);
  const scene = useMemo<Scene | null>(
    () => (about && views ? { pipeline: about.pipeline, run: about.run, views, moment: null } : null),
    [about, views],
  );
  if (scene === null) return <p className="waits">{problem || "asking for the views"}</p>;
  return <SceneContext.Provider value={scene}>{children(scene.views)}</SceneContext.Provider>;
}
