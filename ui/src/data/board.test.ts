// @vitest-environment jsdom

import { expect, it } from "vitest";

import type { View } from "../api/types";
import { COLUMNS, keepBoard, keptBoard, moved, read, rowPitch, set, withNew, without, withTile, written } from "./board";

const views = [[64, 64], [], [100]].map(
  (shape, k): View => ({ name: `s/${k}`, title: "", unit: "", shape, dtype: "<f8", grows: false, axes: [], version: 1, position: 1 }),
);
const board = withNew({ known: [], tiles: [] }, views);

it("puts new views where nothing is", () => {
  expect(board.tiles.map(({ view }) => view).sort()).toEqual(["s/0", "s/1", "s/2"]);
  const cells = board.tiles.flatMap(({ x, y, w, h }) => Array.from({ length: w * h }, (_, k) => `${x + (k % w)},${y + Math.floor(k / w)}`));
  expect(new Set(cells).size).toBe(cells.length);
  expect(withNew(board, views)).toBe(board);
});

it.each([1, 2, 3, 4, 5, 7])("fills its width with %i plots", (count) => {
  const some = Array.from({ length: count }, (_, k) => ({ ...(views[0] as View), name: `s/${k}` }));
  const { tiles } = withNew({ known: [], tiles: [] }, some);
  const rows = new Map<number, number>();
  for (const { y, w } of tiles) rows.set(y, (rows.get(y) ?? 0) + w);
  expect([...rows.values()].every((width) => width === COLUMNS)).toBe(true);
  expect(rows.size).toBe(Math.ceil(count / 3));
});

it("is as high as the window, as far as that looks well", () => {
  const one = withNew({ known: [], tiles: [] }, views.slice(0, 1));
  const rows = Math.max(...one.tiles.map(({ y, h }) => y + h));
  expect(rowPitch(one, 1400, 600) * rows).toBeCloseTo(600);
  expect(rowPitch(one, 1400, 9000)).toBeCloseTo((1400 / COLUMNS) * 0.45);
  expect(rowPitch(one, 700, 100)).toBe(40);
});

it("does not put back what was taken off", () => {
  const less = without(board, "s/1");
  expect(withNew(less, views).tiles).toHaveLength(2);
});

it("has several plots of one view, with settings of their own", () => {
  const more = set(withTile(withTile(board, "s/0"), "s/0"), "s/0 2", { map: "Magma" });
  expect(more.tiles.map(({ id }) => id)).toEqual(["s/0", "s/2", "s/1", "s/0 2", "s/0 3"]);
  expect(more.tiles.map(({ settings }) => settings)).toEqual(["", "", "", "map=Magma", ""]);
});

it("comes back from a file and from the browser as it was", () => {
  const other = moved(board, [{ i: "s/0", x: 5, y: 1, w: 2, h: 2 }]);
  expect(read(written("p", other))).toEqual(other);
  keepBoard("p", other);
  expect(keptBoard("p")).toEqual(other);
  expect(keptBoard("another").tiles).toEqual([]);
});

it("says what is wrong with a file", () => {
  expect(() => read("no")).toThrow(/no JSON/);
  expect(() => read("{}")).toThrow(/no board/);
  expect(() => read('{"penstock": "board", "known": [], "tiles": [{"id": "a"}]}')).toThrow(/plot 0 .*x, y, w and h/);
  expect(() => read('{"penstock": "board", "known": [], "tiles": [null]}')).toThrow(/plot 0 .*x, y, w and h/);
  const twice = { ...board, tiles: [...board.tiles, ...board.tiles] };
  expect(() => read(written("p", twice))).toThrow(/two plots .* the id s\/0/);
});
