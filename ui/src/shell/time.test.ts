import { expect, it } from "vitest";

import { clock, duration } from "./time";

it.each([
  [0, "0.0 s"],
  [9.96, "10.0 s"],
  [59, "59 s"],
  [61, "1 min 1 s"],
  [3 * 3600 + 125, "3 h 2 min"],
])("%d s are %s", (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

it("what is older than a day is told with its date", () => {
  const now = new Date();
  expect(clock(now.toISOString())).not.toContain(now.toLocaleDateString());
  expect(clock("2001-02-03T12:00:00Z")).toContain("2001");
});
