// Other curves over a curve: other views of the run.

import { useEffect, useMemo, useState } from "react";

import type { View } from "../api/types";
import { numbers } from "../data/numbers";
import type { Change } from "../live/changes";
import { useChanges } from "../live/context";
import { useScene } from "./scene";

export interface Overlay {
  label: string;
  values: ArrayLike<number | null>;
  every: number;
  /** Of an earlier run. */
  isPast: boolean;
}

/** Follow the views that are drawn over one. */
export function useOverlays(names: readonly string[], view: View, bytes: number): Overlay[] {
  const changes = useChanges();
  const { moment } = useScene(); // of the past they are not asked for, and those of now are none of then
  const [found, setFound] = useState<ReadonlyMap<string, Change>>(new Map());
  const key = JSON.stringify(names.filter((name) => name !== view.name));
  useEffect(() => {
    const ends = (JSON.parse(key) as string[]).map((name) =>
      changes.follow({ view: name, slice: "", max_hz: 5, max_bytes: bytes, fewer: "mean" }, (change) =>
        setFound((before) => new Map(before).set(name, change)),
      ),
    );
    return () => {
      for (const end of ends) end();
    };
  }, [changes, key, bytes]);
  return useMemo(
    () =>
      moment !== null ? [] : (JSON.parse(key) as string[]).flatMap((name) => {
        const change = found.get(name);
        const values = change?.data && change.dtype ? numbers(change.dtype, change.data) : null;
        return values ? [{ label: name, values, every: change?.every ?? 1, isPast: false }] : [];
      }),
    [key, found, moment],
  );
}
