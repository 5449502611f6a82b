// What is kept of a replay to compare with, handed to the live page around it: a replay has a port of its own, and a
// browser keeps what it keeps for each port apart.

import { keepReference, type Reference } from "./references";

export type Kept = Omit<Reference, "key">;

const KIND = "penstock-reference";
const AROUND = "around";

/** Say to a page that will be shown within this one who is around it. */
export function within(address: string, here: string): string {
  const at = new URL(address);
  at.searchParams.set(AROUND, new URL(here).origin);
  return at.href;
}

/** The page around, by its origin, if it is one of the same machine; `null`: there is none, or a strange one. */
export function pageAround(here: string): string | null {
  const said = new URL(here).searchParams.get(AROUND) ?? "";
  if (!URL.canParse(said)) return null;
  const around = new URL(said);
  return around.hostname === new URL(here).hostname ? around.origin : null;
}

/** Hand what was kept to the page around this one; nobody else can read it. */
export function handOut(kept: Kept): void {
  const around = parent === window ? null : pageAround(location.href);
  if (around !== null) parent.postMessage({ kind: KIND, kept }, around);
}

/** Keep what a page hands over that is shown within this one at an address; returns what ends that. */
export function takeIn(address: string): () => void {
  const { origin } = new URL(address);
  const hear = (message: MessageEvent<unknown>) => {
    const kept = message.origin === origin ? keptIn(message.data) : null;
    if (kept !== null) void keepReference(kept);
  };
  window.addEventListener("message", hear);
  return () => window.removeEventListener("message", hear);
}

/** Read what was handed over; `null` if it is anything else. */
export function keptIn(data: unknown): Kept | null {
  if (typeof data !== "object" || data === null || (data as { kind?: unknown }).kind !== KIND) return null;
  const { pipeline, view, label, shape, dtype, every, data: elements } = ((data as { kept?: unknown }).kept ?? {}) as Partial<Kept>;
  const areTexts = [pipeline, view, label, dtype].every((each) => typeof each === "string");
  const isWhole = areTexts && Array.isArray(shape) && shape.every(Number.isInteger) && typeof every === "number" && elements instanceof ArrayBuffer;
  return isWhole ? ({ pipeline, view, label, shape, dtype, every, data: elements } as Kept) : null;
}
