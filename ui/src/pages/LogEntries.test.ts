import { describe, expect, it } from "vitest";

import { asking, joined, NOTHING, sentence, type Entry, type Found } from "./LogEntries";

function entry(number: number, kind: string, more: Record<string, unknown> = {}): Entry {
  return { number, time: "2026-11-26T12:00:00Z", kind, level: "info", source: "fit-0", ...more };
}

function found(run: string, ...numbers: number[]): Found {
  return { run, last: Math.max(0, ...numbers), entries: numbers.map((each) => entry(each, "notice")) };
}

describe("entries that come", () => {
  it("stand before those that are there, the newest first", () => {
    const shown = joined(joined(NOTHING, found("r1", 1, 2)), found("r1", 3, 4));
    expect(shown.entries.map((each) => each.number)).toEqual([4, 3, 2, 1]);
    expect(shown.last).toBe(4);
  });

  it("come once, though two questions crossed", () => {
    const shown = joined(joined(NOTHING, found("r1", 1, 2)), found("r1", 2, 3));
    expect(shown.entries.map((each) => each.number)).toEqual([3, 2, 1]);
  });

  it("of another run are asked for from the beginning", () => {
    expect(joined(joined(NOTHING, found("r1", 1, 2)), found("r2", 3))).toBe(NOTHING);
  });

  it("of a journal that began anew are asked for from the beginning", () => {
    expect(joined(joined(NOTHING, found("r1", 8, 9)), found("r1", 1))).toBe(NOTHING);
  });

  it("push out the oldest", () => {
    const many = found("r1", ...Array.from({ length: 1000 }, (_, k) => k + 1));
    const shown = joined(joined(NOTHING, many), found("r1", 1001));
    expect(shown.entries).toHaveLength(1000);
    expect(shown.entries.at(-1)?.number).toBe(2);
  });
});

it("what is wanted stands in the address", () => {
  expect(asking({ level: "info", kinds: ["state", "death"], text: "a&b" }, 7)).toBe(
    "journal?after=7&level=info&most=300&kind=state&kind=death&text=a%26b",
  );
});

describe("a sentence says", () => {
  it.each([
    ["notice", { text: "drifts", code: 17, times: 3, values: { pixel: 5 } }, "drifts 3 times pixel=5 code 17"],
    ["notice", { text: "drifts", code: 0 }, "drifts"],
    ["state", { state: "waiting", why: "held", before: "processing" }, "is waiting (held), was processing"],
    ["death", { deaths: 12 }, "died for the 12th time"],
    ["death", { deaths: 2 }, "died for the 2nd time"],
    ["death", { deaths: 1, how: "fit-0 (process 7) was killed by SIGKILL" }, "died for the 1st time: fit-0 (process 7) was killed by SIGKILL"],
    ["command", { name: "scale", target: "fit", arguments: { workers: 3 }, outcome: "done", who: "me", text: "" }, "scale fit workers=3 done, by me"],
    ["alarm", { what: "acknowledged", who: "me", text: "too hot" }, "acknowledged by me: too hot"],
    ["run", { run: "r1", what: "ended", outcome: "failed", reasons: ["fit broke"] }, "run r1 ended failed: fit broke"],
    ["feedback", { action: "next", reason: "enough", event: 4 }, "next: enough at event 4"],
    ["other", { what: "new" }, "what=new"],
  ])("of %s what it tells", (kind, fields, text) => {
    expect(sentence(entry(1, kind, fields))).toBe(text);
  });
});
