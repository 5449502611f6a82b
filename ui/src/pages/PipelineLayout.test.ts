import { describe, expect, it } from "vitest";

import { ROOM, edgeKey, layOut, smooth } from "./PipelineLayout";
import { bytes, many, perSecond, seconds } from "./PipelineText";

const ROOMS = ["camera", "panda", "point", "ring", "file"];
const EDGES = [
  { producer: "camera", consumer: "point" },
  { producer: "panda", consumer: "point" },
  { producer: "point", consumer: "ring" },
  { producer: "ring", consumer: "file" },
  { producer: "camera", consumer: "file" },
];

describe("layOut", () => {
  it.each([false, true])("puts every room behind those that feed it, and none on another (narrow: %s)", (isNarrow) => {
    const { rooms, edges } = layOut(ROOMS, EDGES, isNarrow);
    const along = isNarrow ? "y" : "x";
    for (const edge of EDGES) {
      expect(rooms.get(edge.consumer)?.[along]).toBeGreaterThan(rooms.get(edge.producer)?.[along] ?? Infinity);
      expect(edges.get(edgeKey(edge))?.path).toMatch(/^M /);
    }
    const places = [...rooms.values()];
    for (const [index, one] of places.entries())
      for (const other of places.slice(index + 1))
        expect(Math.abs(one.x - other.x) >= ROOM.width || Math.abs(one.y - other.y) >= ROOM.height).toBe(true);
  });
});

describe("where sources are recorded", () => {
  it.each([false, true])("no line crosses another (narrow: %s)", (isNarrow) => {
    const ends = (producer: string, consumer: string) => ({ producer, consumer });
    const edges = [ends("camera", "point"), ends("panda", "point"), ends("camera", "camera.record"), ends("panda", "panda.record")];
    const { edges: drawn } = layOut(["camera", "panda", "point", "camera.record", "panda.record"], edges, isNarrow);
    const across = isNarrow ? "x" : "y";
    const order = [edges[2], edges[0], edges[1], edges[3]].map((each) => (each && drawn.get(edgeKey(each))?.label[across]) ?? NaN);
    const sorted = order.toSorted((a, b) => a - b);
    expect([sorted, sorted.toReversed()]).toContainEqual(order);
  });
});

describe("where a pipeline is longer than its recordings", () => {
  it.each([false, true])("no line runs beneath a room (narrow: %s)", (isNarrow) => {
    const rooms = ["camera", "panda", "point", "ring", "sample", "file", "picture", "camera.record", "panda.record"];
    const edges = [
      ["camera", "point"], ["panda", "point"], ["point", "ring"], ["ring", "sample"], ["sample", "file"], ["sample", "picture"],
      ["camera", "camera.record"], ["panda", "panda.record"],
    ].map(([producer = "", consumer = ""]) => ({ producer, consumer }));
    expect(layOut(rooms, edges, isNarrow).tangles).toBe(0);
  });
});

describe("smooth", () => {
  it("begins and ends where the points do", () => {
    expect(smooth([{ x: 0, y: 0 }, { x: 5, y: 5 }])).toBe("M 0 0 L 5 5");
    expect(smooth([0, 10, 20, 30].map((x) => ({ x, y: x })))).toMatch(/^M 0 0 Q .* 30 30$/);
    expect(smooth([])).toBe("");
  });
});

describe("words of numbers", () => {
  it("keeps three digits of what is small, and all of what is large", () => {
    expect([perSecond(1684.46), perSecond(0.0333), perSecond(0)]).toEqual(["1,684/s", "0.0333/s", "0/s"]);
    expect([seconds(0), seconds(3.2e-5), seconds(0.0076), seconds(90), seconds(600), seconds(null)]).toEqual([
      "0 s", "32 µs", "7.6 ms", "90 s", "10 min", "–",
    ]);
    expect([bytes(999), bytes(38_608_896)]).toEqual(["999 B", "38.6 MB"]);
    expect([many(1, "worker"), many(1200, "worker")]).toEqual(["1 worker", "1,200 workers"]);
  });
});
