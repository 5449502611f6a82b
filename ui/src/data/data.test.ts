import { describe, expect, it } from "vitest";

import type { View } from "../api/types";
import { placeOf, rising, scaleOf, short, tick, valueAt, wordsAt } from "./axis";
import { aroundZero, domainOf } from "./colours";
import { axisView, isAlong, kindOf, lineDimension, positionsOf } from "./kinds";
import { asked, bytesFor, sliceText, startsOf, within } from "./levels";
import { DEFAULTS, fromQuery, toQuery } from "./settings";

function view(name: string, shape: number[], more: Partial<View> = {}): View {
  return { name, title: "", unit: "", shape, dtype: "<f8", grows: false, axes: [], version: 1, position: 1, ...more };
}

describe("kinds", () => {
  it("follow from shape, type and axes", () => {
    expect(kindOf(view("a/b", []))).toBe("value");
    expect(kindOf(view("a/b", [], { dtype: "<U5" }))).toBe("text");
    expect(kindOf(view("a/b", [7], { grows: true }))).toBe("series");
    expect(kindOf(view("a/b", [7], { dtype: "<i8", axes: [{ name: "energy", unit: "keV" }] }))).toBe("histogram");
    expect(kindOf(view("a/b", [7, 7]))).toBe("image");
    expect(kindOf(view("a/b", [2, 7, 7]))).toBe("stack");
    expect(kindOf(view("a/b", [7, 2], { axes: [{ name: "shot", unit: "" }, { name: "", unit: "", values: ["A", "B"] }] }))).toBe("table");
  });

  it("draws a few channels as lines, along the longer dimension", () => {
    expect(kindOf(view("a/b", [2, 500]))).toBe("lines");
    expect(lineDimension(view("a/b", [2, 500]))).toBe(0);
    expect(lineDimension(view("a/b", [3, 2], { grows: true }))).toBe(1);
    expect([[7, 500], [4, 4], [500, 2, 2]].map((shape) => lineDimension(view("a/b", shape)))).toEqual([null, null, null]);
  });

  it("finds positions and axes among the views beside it", () => {
    const all = ["a/x", "a/y", "a/I", "b/x"].map((name) => view(name, [5], { grows: true, axes: [{ name: "x", unit: "mm" }] }));
    const [x, y, intensity, other] = all as [View, View, View, View];
    expect(positionsOf(intensity, all)).toEqual([x, y]);
    expect(kindOf(intensity, all)).toBe("scatter");
    expect(kindOf(other, all)).toBe("series");
    expect(axisView(y, all)).toBe(x);
    expect(axisView(x, all)).toBeNull();
  });
});

it("draws a curve only over one with the same axis", () => {
  const trace = view("a/trace", [5], { axes: [{ name: "time", unit: "ns" }] });
  const all = [view("a/other", [5], { axes: trace.axes }), view("a/counts", [40], { axes: [{ name: "energy", unit: "keV" }] }), view("a/text", [5], { axes: trace.axes, dtype: "<U3" })];
  expect(all.filter((each) => isAlong(each, trace)).map(({ name }) => name)).toEqual(["a/other"]);
  const [current, heat] = [3, 9].map((length) => view("b/x", [length], { grows: true })) as [View, View];
  expect(isAlong(current, heat)).toBe(true);
});

it("shows no change in the middle of the colours", () => {
  expect(aroundZero([-3, 1])).toEqual([-3, 3]);
  expect(aroundZero([0, 0])).toEqual([-1, 1]);
});

it("writes neighbours beside an axis differently", () => {
  expect([1.9e-9, 1.95e-9, 2e-9].map((value) => tick(value, 5e-11))).toEqual(["1.90e-9", "1.95e-9", "2.00e-9"]);
  expect([6.25e-10, 6.5e-10].map((value) => tick(value, 2.5e-11))).toEqual(["6.25e-10", "6.50e-10"]);
  expect([0, 2e6].map((value) => tick(value, 1e6))).toEqual(["0", "2e+6"]);
  expect(tick(0.30000000000000004, 0.1)).toBe("0.3");
});

describe("levels", () => {
  it("asks for what is looked at with some room, and not anew for a small move", () => {
    const [from, to] = asked([1000, 1100], 4000) ?? [0, 0];
    expect(from).toBeLessThanOrEqual(975);
    expect(to).toBeGreaterThanOrEqual(1125);
    expect(to - from).toBeLessThan(200);
    expect(asked([1002, 1100], 4000)).toEqual(asked([1003, 1101], 4000));
    expect(asked([0, 3000], 4000)).toBeNull();
  });

  it("writes slices and reads where they begin", () => {
    expect(sliceText([[0, 10], [0, 5]], [10, 5])).toBe("");
    expect(sliceText([[2, 10], [0, 5]], [10, 5], [-1])).toBe("-1,2:10,:");
    expect(startsOf("-1,2:10,:", 2)).toEqual([2, 0]);
    expect(startsOf("", 2)).toEqual([0, 0]);
  });

  it("keeps ranges inside, and bytes within bounds", () => {
    expect(within(7.6, -2, 5)).toEqual([0, 5]);
    expect(within(9, 9, 5)).toEqual([4, 5]);
    expect(bytesFor(1)).toBe(32 << 10);
    expect(bytesFor(1e9)).toBe(1 << 20);
    expect(bytesFor(30_000)).toBe(bytesFor(31_000));
  });
});

describe("scales", () => {
  it("puts elements around the values of an even axis, also of a falling one", () => {
    const scale = scaleOf({ name: "x", unit: "mm", values: [3, 2, 1] }, 3, "column");
    expect([scale.from, scale.to]).toEqual([3.5, 0.5]);
    expect(valueAt(scale, 1.5)).toBe(2);
    expect(placeOf(scale, 2)).toBe(1.5);
    expect(wordsAt(scale, 0)).toBe("x 3 mm");
  });

  it("counts where values are uneven, and says them all the same", () => {
    const scale = scaleOf({ name: "x", unit: "mm", values: [1, 2, 4] }, 3, "column");
    expect([scale.from, scale.to]).toEqual([0, 3]);
    expect(wordsAt(scale, 2)).toBe("x 4 mm");
  });

  it("sorts what does not rise, without what is missing", () => {
    expect(rising([1, 2, 2, 3])).toBeNull();
    expect([...(rising([3, NaN, 1]) ?? [])]).toEqual([2, 0]);
  });

  it("writes numbers short", () => {
    expect(short(1234567)).toBe("1234567");
    expect(short(0.123456789)).toBe("0.12346");
    expect(short(NaN)).toBe("missing");
  });
});

describe("colours", () => {
  it("run between what is there, or where it is said", () => {
    const values = new Float64Array([NaN, -1, 0, 2, Infinity]);
    expect(domainOf(values, "auto", "linear")).toEqual([-1, 2]);
    expect(domainOf(values, "auto", "log")).toEqual([2, 20]);
    expect(domainOf(values, [0, 5], "linear")).toEqual([0, 5]);
    expect(domainOf(new Float64Array([NaN]), "auto", "linear")).toEqual([0, 1]);
  });

  it("leave outliers out where that is wanted", () => {
    const values = Float64Array.from({ length: 1000 }, (_, k) => (k === 7 ? 1e9 : k / 1000));
    expect(domainOf(values, "robust", "linear")[1]).toBeLessThan(1);
  });
});

describe("settings", () => {
  it("come back from an address as they were", () => {
    const settings = { ...DEFAULTS, map: "Inferno", invert: true, range: [1, 2.5] as [number, number], frame: 3, over: ["a/b", "a/c"], line: [0, 1, 2, 3] as [number, number, number, number] };
    expect(fromQuery(toQuery(settings))).toEqual(settings);
    expect(toQuery(DEFAULTS).toString()).toBe("");
  });

  it("are as by default where they cannot be understood", () => {
    expect(fromQuery(new URLSearchParams("kind=pie&range=1,x&map=Nonsense&scale=cube&frame=-2&roi=1,2"))).toEqual({ ...DEFAULTS, frame: 0 });
  });
});
