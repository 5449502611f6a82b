// What has no stream of changes is asked for again and again, while somebody looks.

import { useEffect, useState } from "react";

import { get } from "../api/http";

export interface Polled<T> {
  data: T | null;
  /** Why the last question had no answer; empty if it had one. */
  problem: string;
}

/** Ask for a path now and every so many seconds; not while the tab is hidden. */
export function usePoll<T>(path: string, every_s: number): Polled<T> {
  const [polled, setPolled] = useState<Polled<T>>({ data: null, problem: "" });
  useEffect(() => {
    const control = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async () => {
      if (!document.hidden) {
        try {
          const data = await get<T>(path, control.signal);
          setPolled({ data, problem: "" });
        } catch (error) {
          if (control.signal.aborted) return;
          setPolled((before) => ({ data: before.data, problem: (error as Error).message }));
        }
      }
      if (!control.signal.aborted) timer = setTimeout(() => void ask(), every_s * 1000);
    };
    void ask();
    return () => {
      control.abort();
      clearTimeout(timer);
    };
  }, [path, every_s]);
  return polled;
}
