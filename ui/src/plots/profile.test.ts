import { expect, it } from "vitest";

import type { Scale } from "../data/axis";
import { profileOf } from "./profile";

const counted: Scale = { label: "", unit: "", from: 0, to: 4, length: 4, names: null };

it("takes what is drawn along a line, finer where there is finer", () => {
  const whole = { values: new Float64Array([1, 2, 3, 4]), rows: 2, columns: 2, every: 2, top: 0, left: 0 };
  const close = { values: new Float64Array([10, NaN]), rows: 1, columns: 2, every: 1, top: 0, left: 0 };
  const { x, values } = profileOf([0, 0, 3, 0], [close, whole], [counted, counted]);
  expect([...x]).toEqual([0, 1, 2, 3]);
  expect(values).toEqual([10, null, 2, 2]);
});

it("is as long as the axes say, where both have the same unit", () => {
  const sheet = { values: new Float64Array([1, 2, 3, 4]), rows: 2, columns: 2, every: 2, top: 0, left: 0 };
  const [y, x] = [2, 8].map((to) => ({ ...counted, to, unit: "µm" }));
  expect(profileOf([0, 0, 3, 4], [sheet], [y as Scale, x as Scale])).toMatchObject({ unit: "µm", x: { length: 4, 3: Math.hypot(6, 2) } });
  expect(profileOf([0, 0, 3, 4], [sheet], [counted, x as Scale])).toMatchObject({ unit: "elements", x: { 3: 5 } });
});
