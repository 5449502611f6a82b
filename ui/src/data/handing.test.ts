import { expect, it } from "vitest";

import { keptIn, pageAround, within } from "./handing";

it("a page within another knows who is around it, if that is of the same machine", () => {
  const replay = within("http://control.lab:39001/?token=t", "http://control.lab:8400/?token=t#/runs/beside/r");
  expect(pageAround(replay)).toBe("http://control.lab:8400");
  expect(pageAround(within("http://control.lab:39001/", "http://elsewhere.net/"))).toBeNull();
  expect(pageAround("http://control.lab:39001/?around=nothing")).toBeNull();
  expect(pageAround("http://control.lab:39001/")).toBeNull();
});

it("what is handed over is kept only if it is what it should be", () => {
  const kept = { pipeline: "p", view: "fit/map", label: "r, 12:00:00", shape: [2], dtype: "<f4", every: 1, data: new ArrayBuffer(8) };
  expect(keptIn({ kind: "penstock-reference", kept })).toEqual(kept);
  expect(keptIn({ kind: "penstock-reference", kept: { ...kept, key: "p\nother\nr" } })).toEqual(kept);
  for (const wrong of [null, "text", {}, { kind: "other", kept }, { kind: "penstock-reference" }, { kind: "penstock-reference", kept: { ...kept, shape: "2" } }, { kind: "penstock-reference", kept: { ...kept, data: [1] } }]) {
    expect(keptIn(wrong)).toBeNull();
  }
});
