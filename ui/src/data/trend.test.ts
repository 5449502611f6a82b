import { expect, it } from "vitest";

import { Trend } from "./trend";

it("stays bounded, keeps the first and all of the newest, in order", () => {
  const trend = new Trend();
  for (let k = 0; k < 50_000; k++) expect(trend.add(k, k, 2 * k)).toBe(true);
  expect(trend.times.length).toBeLessThanOrEqual(2000);
  expect(trend.times[0]).toBe(0);
  expect(trend.times.slice(-500)).toEqual(Array.from({ length: 500 }, (_, k) => 49_500 + k));
  expect(trend.times.every((time, k) => k === 0 || time > (trend.times[k - 1] ?? 0))).toBe(true);
  expect(trend.values.every((value, k) => value === 2 * (trend.times[k] ?? NaN))).toBe(true);
});

it("takes a version once, and begins anew with another run", () => {
  const trend = new Trend();
  trend.add(5, 1, 1);
  expect(trend.add(5, 2, 1)).toBe(false);
  trend.add(1, 3, 7);
  expect(trend.values).toEqual([7]);
});
