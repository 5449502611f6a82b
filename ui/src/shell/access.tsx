// What this page may do, and in whose name it does it.

import { createContext, useContext, useEffect, useState, type ReactNode } from "react";

import { AskError, get } from "../api/http";
import type { Schemas } from "../api/types";

export interface Access {
  /** Whether things may be turned; null: not known yet. */
  role: "viewer" | "operator" | null;
  /** Why nothing is shown, if this page has no token or a wrong one. */
  problem: string;
}

const OFTEN_MS = 10_000;
const Context = createContext<Access>({ role: null, problem: "" });

export function Accessing({ children }: { children: ReactNode }) {
  const [access, setAccess] = useState<Access>({ role: null, problem: "" });
  useEffect(() => {
    const control = new AbortController();
    const ask = async () => {
      try {
        const { role } = await get<Schemas["Access"]>("access", control.signal);
        setAccess({ role, problem: "" });
      } catch (error) {
        if (error instanceof AskError && error.status === 401) setAccess({ role: null, problem: error.message });
      }
    };
    void ask();
    const timer = setInterval(() => {
      if (!document.hidden) void ask();
    }, OFTEN_MS);
    return () => {
      control.abort();
      clearInterval(timer);
    };
  }, []);
  return <Context.Provider value={access}>{children}</Context.Provider>;
}

export function useAccess(): Access {
  return useContext(Context);
}

/** Whether this page may turn things. */
export function useMayTurn(): boolean {
  return useAccess().role === "operator";
}

const WHO = "penstock-who";

/** In whose name things are changed; kept with each change. */
export function who(): string {
  return localStorage.getItem(WHO) ?? "";
}

export function setWho(name: string): void {
  localStorage.setItem(WHO, name.slice(0, 200));
}
