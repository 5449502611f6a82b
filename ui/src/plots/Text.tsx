// A single text, or a time.

import { useEffect, useState } from "react";

import { get, type AskError } from "../api/http";
import type { View } from "../api/types";
import { useChange } from "../live/context";
import { useScene } from "./scene";

export function Text({ view }: { view: View }) {
  const { moment } = useScene();
  const version = useChange({ view: view.name, slice: null, max_hz: 2 })?.version;
  const [said, setSaid] = useState("—");
  useEffect(() => {
    if (version === undefined) return;
    const control = new AbortController();
    get<{ data: unknown }>(`${moment === null ? `data/${view.name}?` : `past/${view.name}?time=${moment}&`}format=json`, control.signal).then(
      ({ data }) => setSaid(typeof data === "string" ? data : JSON.stringify(data)),
      (error: unknown) => {
        // What was there stays while nobody answers; the page says that it is old.
        if (!control.signal.aborted && (error as AskError).status !== 0) setSaid((error as Error).message);
      },
    );
    return () => control.abort();
  }, [version, view.name, moment]);
  return <p className="value text">{said}</p>;
}
