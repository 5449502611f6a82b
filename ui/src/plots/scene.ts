// What every plot may need to know beside its own view.

import { createContext, useContext } from "react";

import type { View } from "../api/types";

export interface Scene {
  pipeline: string;
  run: string;
  hasEnded: boolean;
  /** All views of the run. */
  views: readonly View[];
  /** The moment that is shown, in s since 1970; `null`: now. */
  moment: number | null;
}

export const SceneContext = createContext<Scene>({ pipeline: "", run: "", hasEnded: false, views: [], moment: null });

export function useScene(): Scene {
  return useContext(SceneContext);
}
