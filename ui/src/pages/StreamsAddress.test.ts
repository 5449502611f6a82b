import { describe, expect, it } from "vitest";

import { hashOf, inPath, lastName, pagesAround, placeOf, treeOf } from "./StreamsAddress";
import type { StreamInfo } from "./StreamsTypes";

function stream(address: string): StreamInfo {
  return {
    address, state: "open", reason: "", next_stream: "", count: 0, removed: 0, first_id: 0, last_id: 0, missing: 0,
    nbytes: 0, created_ns: 0, last_ns: 0,
  }; // prettier-ignore
}

describe("addresses", () => {
  it.each(["c1/camera/run 7", "c1/camera/a%2Fb?#", "c1"])("come back from the address bar: %s", (address) => {
    expect(placeOf(hashOf({ address, id: 3 }))).toEqual({ address, id: 3 });
    expect(placeOf(hashOf({ address, id: null }))).toEqual({ address, id: null });
  });

  it("keep a slash that belongs to a name apart", () => {
    expect(inPath("c1/camera/a%2Fb")).toBe("c1/camera/a%252Fb");
    expect(lastName("c1/camera/a%2Fb")).toBe("a%2Fb");
    expect(placeOf("#/streams")).toEqual({ address: "", id: null });
  });
});

describe("the tree", () => {
  it("has streams under sources under beamtimes, those that were looked for", () => {
    const all = ["c1/camera/run 8", "c1/motor/run 8", "c2/camera/run 1", "c1/camera/run 7"].map(stream);
    const found = treeOf(all, "CAMERA");
    expect(found.map((each) => [each.name, each.sources.map((source) => source.streams.length)])).toEqual([["c1", [2]], ["c2", [1]]]);
    expect(treeOf(all, "nothing")).toEqual([]);
  });
});

describe("pages", () => {
  it("go to the first that is there and to the last that came", () => {
    expect(pagesAround(30, 25, 100, 10, 25)).toEqual({ earlier: 10, later: 55 });
    expect(pagesAround(10, 25, 35, 10, 25)).toEqual({ earlier: null, later: null });
  });
});
