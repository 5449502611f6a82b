// What has no stream of changes is asked for again and again, while somebody looks.

import { useCallback, useEffect, useRef, useState } from "react";

import { get } from "../api/http";

export interface Polled<T> {
  data: T | null;
  /** Why the last question had no answer; empty if it had one. */
  problem: string;
  /** Ask at once, such as after something was changed. */
  again: () => void;
}

/** Ask for a path now and every so many seconds; not while the tab is hidden, nor where the path is null. */
export function usePoll<T>(path: string | null, every_s: number): Polled<T> {
  const [polled, setPolled] = useState<{ data: T | null; problem: string }>({ data: null, problem: "" });
  const asking = useRef(() => {});
  const again = useCallback(() => asking.current(), []);
  useEffect(() => {
    if (path === null) return;
    const control = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let turn = 0; // who asks at once takes the place of the question that is under way
    const ask = async () => {
      const mine = ++turn;
      if (!document.hidden) {
        try {
          const data = await get<T>(path, control.signal);
          if (mine === turn) setPolled({ data, problem: "" });
        } catch (error) {
          if (control.signal.aborted) return;
          setPolled((before) => ({ data: before.data, problem: (error as Error).message }));
        }
      }
      if (!control.signal.aborted && mine === turn) timer = setTimeout(() => void ask(), every_s * 1000);
    };
    asking.current = () => {
      clearTimeout(timer);
      void ask();
    };
    void ask();
    return () => {
      control.abort();
      clearTimeout(timer);
    };
  }, [path, every_s]);
  return { ...polled, again };
}
