// The settings of a plot: those of its address, else those kept.

import { useCallback, useMemo, useState } from "react";

import { fromQuery, keep, kept, keptKey, toQuery, type Settings } from "../data/settings";
import { useScene } from "./scene";

const NOT_SETTINGS = ["embed", "token"];

type Change = (changed: Partial<Settings>) => void;

/** Settings of a view's plot that are kept in this browser. */
export function useSettings(view: string): [Settings, Change] {
  const { pipeline } = useScene();
  const key = keptKey(pipeline, view);
  const [held, setHeld] = useState(() => ({ key, settings: kept(key) }));
  const settings = useMemo(() => (held.key === key ? held.settings : kept(key)), [held, key]);
  const change = useCallback<Change>(
    (changed) =>
      setHeld((before) => {
        const next = { ...(before.key === key ? before.settings : kept(key)), ...changed };
        keep(key, next);
        return { key, settings: next };
      }),
    [key],
  );
  return [settings, change];
}

/** The same, where the address says them: `#/view/NAME?map=Inferno`. What is changed goes there, too. */
export function useAddressed(view: string, query: string): [Settings, Change] {
  const [own, keepChange] = useSettings(view);
  const given = new URLSearchParams(query);
  for (const each of NOT_SETTINGS) given.delete(each);
  const isGiven = given.size > 0;
  const settings = isGiven ? fromQuery(given) : own;
  const written = JSON.stringify(settings);
  const change = useCallback<Change>(
    (changed) => {
      const next = { ...(JSON.parse(written) as Settings), ...changed };
      keepChange(next);
      const said = toQuery(next);
      if (new URLSearchParams(query).get("embed") === "1") said.set("embed", "1");
      if (said.size === 0) said.set("kind", "");
      location.replace(`#/view/${view}?${said}`);
    },
    [written, keepChange, query, view],
  );
  return [settings, change];
}
