// Entries of the journal: what each says in a sentence, and how new ones join those that are shown.

import type { Schemas } from "../api/types";

export type Entry = Schemas["JournalEntry"];
export type Found = Schemas["Journal"];

export interface Shown {
  run: string;
  last: number;
  /** The newest first. */
  entries: Entry[];
}

export interface Wish {
  level: string;
  /** None: all. */
  kinds: string[];
  text: string;
}

export const KINDS = ["notice", "alarm", "state", "death", "command", "feedback", "run"];
export const LEVELS = ["log", "info", "alarm"];
export const NOTHING: Shown = { run: "", last: 0, entries: [] };
const MOST_SHOWN = 1000;
const MOST_ASKED = 300;

/** The path that asks for what is wanted and not shown yet. */
export function asking(wish: Wish, after: number): string {
  const query = new URLSearchParams({ after: String(after), level: wish.level, most: String(MOST_ASKED) });
  for (const kind of wish.kinds) query.append("kind", kind);
  if (wish.text !== "") query.set("text", wish.text);
  return `journal?${query.toString()}`;
}

/** Add what was found; if another run has begun, or the journal is a new one, nothing of the old one stays. */
export function joined(shown: Shown, found: Found): Shown {
  const isNew = shown.run !== "" && (found.run !== shown.run || found.last < shown.last);
  if (isNew) return NOTHING;
  const fresh = found.entries.filter((each) => each.number > shown.last); // two questions may have crossed
  const entries = [...fresh.toReversed(), ...shown.entries].slice(0, MOST_SHOWN);
  return { run: found.run, last: found.last, entries };
}

/** What an entry says. */
export function sentence(entry: Entry): string {
  switch (entry.kind) {
    case "notice":
      return words(text(entry, "text"), times(entry), values(entry["values"]), entry["code"] ? `code ${text(entry, "code")}` : "");
    case "alarm":
      return words(text(entry, "what"), by(entry), text(entry, "text") && `: ${text(entry, "text")}`);
    case "state":
      return words(`is ${text(entry, "state")}`, text(entry, "why") && `(${text(entry, "why")})`, text(entry, "before") && `, was ${text(entry, "before")}`);
    case "death":
      return words("died", `for the ${ordinal(Number(entry["deaths"]))} time`, text(entry, "how") && `: ${text(entry, "how")}`);
    case "command":
      return words(text(entry, "name"), text(entry, "target"), values(entry["arguments"]), `${text(entry, "outcome")},`, by(entry) || "by nobody who said", text(entry, "text") && `: ${text(entry, "text")}`);
    case "feedback":
      return words(text(entry, "action"), text(entry, "reason") && `: ${text(entry, "reason")}`, `at event ${text(entry, "event")}`);
    case "run": {
      const reasons = Array.isArray(entry["reasons"]) ? entry["reasons"].join("; ") : "";
      return words(`run ${text(entry, "run")}`, text(entry, "what"), text(entry, "outcome"), reasons && `: ${reasons}`);
    }
    default:
      return values(Object.fromEntries(Object.entries(entry).filter(([name]) => !["number", "time", "kind", "level", "source"].includes(name))));
  }
}

function words(...parts: (string | undefined)[]): string {
  return parts.filter((each) => each !== undefined && each !== "").join(" ").replaceAll(/ ([:,])/g, "$1");
}

function text(entry: Entry, field: string): string {
  const value = entry[field];
  return value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
}

function by(entry: Entry): string {
  return text(entry, "who") && `by ${text(entry, "who")}`;
}

function times(entry: Entry): string {
  return Number(entry["times"] ?? 1) > 1 ? `${text(entry, "times")} times` : "";
}

function values(found: unknown): string {
  if (typeof found !== "object" || found === null) return "";
  return Object.entries(found).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`).join(" ");
}

function ordinal(count: number): string {
  return `${count}${["th", "st", "nd", "rd"][count % 100 > 10 && count % 100 < 14 ? 0 : count % 10] ?? "th"}`;
}
