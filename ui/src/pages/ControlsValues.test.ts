import { describe, expect, it } from "vitest";

import type { Parameter } from "../api/types";
import { boundsText, bySection, fieldKind, mayBeNone, read, shown, written } from "./ControlsValues";

function parameter(type: string, more: Partial<Parameter> = {}): Parameter {
  return { address: "fit.x", type, value: 0, default: 0, unit: "", section: "", bounds: {}, choices: [], doc: "", ...more };
}

describe("fields", () => {
  it.each([
    ["float", "number"],
    ["int", "whole"],
    ["int | float", "number"],
    ["float | None", "number"],
    ["bool", "switch"],
    ["str", "text"],
    ["tuple[int, int]", "json"],
    ["dict[str, float] | None", "json"],
  ] as const)("for %s are of kind %s", (type, kind) => {
    expect(fieldKind(parameter(type))).toBe(kind);
  });

  it("are texts for what is told as one, such as paths", () => {
    expect(fieldKind(parameter("pathlib.Path", { value: "/data/mask.h5" }))).toBe("text");
    expect(fieldKind(parameter("ndarray", { value: [[1, 2]] }))).toBe("json");
  });

  it("offer choices where there are any", () => {
    const mode = parameter("Literal['sum', 'mean']", { value: "sum", choices: ["sum", "mean"] });
    expect(fieldKind(mode)).toBe("choice");
    expect(read(mode, written("mean", "choice"))).toEqual({ value: "mean" });
  });

  it("know what may be left empty", () => {
    expect(mayBeNone(parameter("float | None"))).toBe(true);
    expect(mayBeNone(parameter("Nonesuch"))).toBe(false);
    expect(read(parameter("float | None"), " ")).toEqual({ value: null });
    expect(read(parameter("float"), " ")).toEqual({ problem: "a number is wanted" });
  });
});

describe("what is entered", () => {
  it.each([
    ["float", "2.5e3", { value: 2500 }],
    ["float", "much", { problem: "a number is wanted" }],
    ["float", "Infinity", { problem: "a number is wanted" }],
    ["int", "-7", { value: -7 }],
    ["int", "7.5", { problem: "a whole number is wanted" }],
    ["bool", "true", { value: true }],
    ["str", "", { value: "" }],
    ["tuple[int, int]", "[3, 4]", { value: [3, 4] }],
    ["tuple[int, int]", "(3, 4)", { problem: "tuple[int, int] is wanted, written as JSON" }],
  ])("in a field for %s as %s", (type, text, found) => {
    expect(read(parameter(type), text)).toEqual(found);
  });

  it("is held against the bounds, also each number of an array", () => {
    const bounds = { gt: 0, le: 5 };
    expect(read(parameter("float", { bounds }), "5")).toEqual({ value: 5 });
    expect(read(parameter("float", { bounds }), "0")).toEqual({ problem: "0 is not > 0" });
    expect(read(parameter("ndarray", { bounds }), "[[1, 2], [3, 6]]")).toEqual({ problem: "6 is not ≤ 5" });
    expect(boundsText(bounds)).toBe("> 0, ≤ 5");
  });

  it("comes back as it was written", () => {
    for (const [type, value] of [["float", 0.1], ["int", 3], ["bool", false], ["str", "a b"], ["list[int]", [1]]] as const) {
      const one = parameter(type, { value });
      expect(read(one, written(value, fieldKind(one)))).toEqual({ value });
    }
  });
});

it("sections stay in order, and what has none stands first", () => {
  const found = bySection([parameter("int", { section: "B" }), parameter("int"), parameter("int", { section: "B" })]);
  expect(found.map(([name, entries]) => [name, entries.length])).toEqual([["", 1], ["B", 2]]);
});

it("long values are cut", () => {
  expect(shown(Array.from({ length: 100 }, () => 1))).toHaveLength(61);
  expect(shown("text")).toBe("text");
});
