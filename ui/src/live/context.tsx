// What every part of the page can ask for: changes of views, and whether they still come.

import { createContext, useContext, useEffect, useMemo, useState, useSyncExternalStore, type ReactNode } from "react";

import { Changes, type Change, type Link, type Wish } from "./changes";

const Context = createContext<Changes | null>(null);

export function Live({ children }: { children: ReactNode }) {
  const changes = useMemo(() => new Changes(), []);
  useEffect(() => changes.open(), [changes]);
  return <Context.Provider value={changes}>{children}</Context.Provider>;
}

export function useChanges(): Changes {
  const changes = useContext(Context);
  if (changes === null) throw new Error("nothing is live outside of <Live>");
  return changes;
}

/** Whether the pipeline's changes come, and if not, since when. */
export function useLink(): Link {
  const changes = useChanges();
  return useSyncExternalStore(changes.onLink, () => changes.link);
}

/** Follow a part of a view while this is on the screen; null until something has come. */
export function useChange(wish: Wish): Change | null {
  const changes = useChanges();
  const [change, setChange] = useState<Change | null>(null);
  const { view, slice, max_hz, max_bytes, fewer } = wish;
  useEffect(() => {
    const wanted: Wish = { view, slice };
    if (max_hz !== undefined) wanted.max_hz = max_hz;
    if (max_bytes !== undefined) wanted.max_bytes = max_bytes;
    if (fewer !== undefined) wanted.fewer = fewer;
    return changes.follow(wanted, setChange);
  }, [changes, view, slice, max_hz, max_bytes, fewer]);
  return change;
}
