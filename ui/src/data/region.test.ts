import { expect, it } from "vitest";

import { scaleOf } from "./axis";
import { fits, valueOf } from "./region";
import type { Four } from "./settings";

const roi: Four = [2, 4, 10, 20];
const counted = [scaleOf(undefined, 30, "row"), scaleOf(undefined, 30, "column")];
const energy = [scaleOf({ name: "energy", unit: "keV", values: [5, 5.1, 5.2, 5.3, 5.4] }, 5, "energy")];

it("is written as the parameter takes it", () => {
  expect(valueOf({ type: "str" }, roi, counted)).toBe("2:4, 10:20");
  expect(valueOf({ type: "list[int]" }, roi, counted)).toEqual([2, 4, 10, 20]);
  expect(valueOf({ type: "tuple[float, float]" }, roi, energy)).toEqual([5.15, 5.35]);
  expect(valueOf({ type: "tuple[int, int]" }, roi, energy)).toEqual([2, 4]);
  expect(valueOf({ type: "float" }, roi, energy)).toBe(5.25);
});

it("is offered only where it can be", () => {
  const offered = (type: string, dimensions: 1 | 2) => fits({ type, choices: [] }, dimensions);
  expect(["str", "list[int]", "tuple[int, int, int, int]", "tuple[float, ...]"].map((type) => offered(type, 2))).toEqual([true, true, true, true]);
  expect(["float", "bool", "tuple[int, int]", "list[str]"].map((type) => offered(type, 2))).toEqual([false, false, false, false]);
  expect(offered("float", 1)).toBe(true);
  expect(fits({ type: "str", choices: ["a"] }, 2)).toBe(false);
  expect(fits({ type: "str", choices: [] }, 2)).toBe(true); // as the server says it of one that may be anything
});
