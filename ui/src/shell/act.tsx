// Doing something at the pipeline, and saying what became of it.

import { useCallback, useState } from "react";

import { send } from "../api/http";
import type { Schemas } from "../api/types";
import { who } from "./access";

export interface Acting {
  /** Do something that answers with a sentence; one thing at a time. */
  act: (what: () => Promise<string>) => Promise<void>;
  isBusy: boolean;
  said: { text: string; isBad: boolean } | null;
}

/** ``then`` is called after everything that was done or refused. */
export function useAct(then?: () => void): Acting {
  const [isBusy, setBusy] = useState(false);
  const [said, setSaid] = useState<Acting["said"]>(null);
  const act = useCallback(
    async (what: () => Promise<string>) => {
      setBusy(true);
      try {
        setSaid({ text: await what(), isBad: false });
      } catch (error) {
        setSaid({ text: (error as Error).message, isBad: true });
      } finally {
        setBusy(false);
        then?.();
      }
    },
    [then],
  );
  return { act, isBusy, said };
}

/** What became of it; a screen reader says it when it comes. */
export function Said({ said }: { said: Acting["said"] }) {
  return (
    <p className={said?.isBad ? "said bad" : "said good"} role="status">
      {said?.text}
    </p>
  );
}

/** Command the pipeline, in the name of whoever sits here; the answer is a sentence, a refusal an error. */
export async function command(name: string, target = "", args: Record<string, unknown> = {}): Promise<string> {
  const wish = { name, target, arguments: args, who: who() };
  const reply = await send<Schemas["CommandReply"]>("POST", "commands", wish);
  return `${name}${target === "" ? "" : ` ${target}`}: ${reply.text || "done"}`;
}
