// Values of parameters as people write them: what kind of field each needs, and what a text in it means.

import type { Parameter } from "../api/types";

/** How a value is entered. */
export type FieldKind = "choice" | "switch" | "whole" | "number" | "text" | "json";

/** What a text means, or why it means nothing. */
export type Read = { value: unknown } | { problem: string };

const NONE = /(^|\|)\s*None\s*(\||$)|^Optional\[/;
const LONGEST_SHOWN = 60;

/** Whether a parameter may be None, which is an empty field. */
export function mayBeNone({ type }: Parameter): boolean {
  return NONE.test(type);
}

export function fieldKind(parameter: Parameter): FieldKind {
  if (parameter.choices.length > 0) return "choice";
  const bare = parameter.type
    .split("|")
    .map((each) => each.trim())
    .filter((each) => each !== "None")
    .join("|")
    .replace(/^Optional\[(.*)\]$/, "$1");
  switch (bare) {
    case "bool":
      return "switch";
    case "int":
      return "whole";
    case "float":
    case "int|float":
    case "float|int":
      return "number";
    default:
      return isText(bare, parameter) ? "text" : "json";
  }
}

function isText(type: string, { value }: Parameter): boolean {
  if (type === "str") return true;
  return !/[[|]/.test(type) && typeof value === "string"; // a path, a date
}

/** The text of a value, as it would be entered. */
export function written(value: unknown, kind: FieldKind): string {
  if (value === null || value === undefined) return "";
  return typeof value === "string" && kind !== "choice" && kind !== "json" ? value : JSON.stringify(value);
}

/** A value in one short line. */
export function shown(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}

/** What a text in the field of a parameter means. The pipeline looks at it again, and has the last word. */
export function read(parameter: Parameter, text: string): Read {
  const kind = fieldKind(parameter);
  if (text.trim() === "" && mayBeNone(parameter)) return { value: null };
  switch (kind) {
    case "text":
      return { value: text };
    case "switch":
      return { value: text === "true" };
    case "whole":
      return /^\s*[+-]?\d+\s*$/.test(text) ? bounded(parameter, Number(text)) : { problem: "a whole number is wanted" };
    case "number": {
      const value = Number(text);
      if (text.trim() === "" || !Number.isFinite(value)) return { problem: "a number is wanted" };
      return bounded(parameter, value);
    }
    case "choice":
    case "json":
      try {
        return bounded(parameter, JSON.parse(text));
      } catch {
        return { problem: `${parameter.type} is wanted, written as JSON` };
      }
  }
}

function bounded(parameter: Parameter, value: unknown): Read {
  for (const number of numbersIn(value)) {
    const problem = outside(parameter.bounds, number);
    if (problem !== "") return { problem: `${number} is not ${problem}` };
  }
  return { value };
}

function* numbersIn(value: unknown): Generator<number> {
  if (typeof value === "number") yield value;
  else if (Array.isArray(value)) for (const each of value) yield* numbersIn(each);
}

function outside(bounds: Record<string, number>, value: number): string {
  const { ge, gt, le, lt } = bounds;
  if (ge !== undefined && value < ge) return `≥ ${ge}`;
  if (gt !== undefined && value <= gt) return `> ${gt}`;
  if (le !== undefined && value > le) return `≤ ${le}`;
  if (lt !== undefined && value >= lt) return `< ${lt}`;
  return "";
}

/** The bounds in words: "≥ 0, ≤ 500". */
export function boundsText(bounds: Record<string, number>): string {
  const signs: [string, string][] = [["ge", "≥"], ["gt", ">"], ["le", "≤"], ["lt", "<"]];
  return signs.flatMap(([name, sign]) => (bounds[name] === undefined ? [] : [`${sign} ${bounds[name]}`])).join(", ");
}

/** Whether two values are the same, as JSON has them. */
export function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Parameters by section, those without one first, in the order in which they came. */
export function bySection(parameters: Parameter[]): [string, Parameter[]][] {
  const found = new Map<string, Parameter[]>([["", []]]);
  for (const each of parameters) {
    const section = found.get(each.section) ?? [];
    section.push(each);
    found.set(each.section, section);
  }
  return [...found].filter(([, entries]) => entries.length > 0);
}
