import { expect, it } from "vitest";

import { profileOf } from "./profile";

it("takes what is drawn along a line, finer where there is finer", () => {
  const whole = { values: new Float64Array([1, 2, 3, 4]), rows: 2, columns: 2, every: 2, top: 0, left: 0 };
  const close = { values: new Float64Array([10, NaN]), rows: 1, columns: 2, every: 1, top: 0, left: 0 };
  const { x, values } = profileOf([0, 0, 3, 0], [close, whole]);
  expect([...x]).toEqual([0, 1, 2, 3]);
  expect(values).toEqual([10, null, 2, 2]);
});
