// Which plots are on the screen, and where: kept in this browser by pipeline, and as a file for others.

import type { View } from "../api/types";
import { isSmallKind, kindOf } from "./kinds";
import { fromQuery, toQuery, type Settings } from "./settings";

/** One plot's place, in units of the grid. */
export interface Tile {
  /** Of its own: one view may have several. */
  id: string;
  view: string;
  x: number;
  y: number;
  w: number;
  h: number;
  /** As in an address. */
  settings: string;
}

export interface Board {
  /** Views that have had a place; others are put on as they come, unless they were taken off. */
  known: string[];
  tiles: Tile[];
}

export const COLUMNS = 12;
/** Rows of the grid, by how many plots there are: few are large. */
const HEIGHTS = [0, 13, 11] as const;
const HEIGHT = 8;
const SMALL_HEIGHT = 3;
const MOST_ACROSS = { large: 3, small: 4 };
const LARGE = { w: 6, h: HEIGHT };
/** A single number needs no more, whatever room there is. */
const SMALL_WIDTH = 4;

const EMPTY: Board = { known: [], tiles: [] };

/** Put views that are not known yet on the board, below what is there, in rows that fill its width. */
export function withNew(board: Board, views: readonly View[]): Board {
  const fresh = views.filter((view) => !board.known.includes(view.name));
  if (fresh.length === 0) return board;
  const tiles = [...board.tiles];
  let bottom = Math.max(0, ...tiles.map(({ y, h }) => y + h));
  const isSmall = (view: View) => isSmallKind(kindOf(view, views));
  const large = fresh.filter((view) => !isSmall(view));
  const small = fresh.filter(isSmall);
  const put = (rows: readonly View[][], h: number, widest: number) => {
    for (const row of rows) {
      const w = Math.min(widest, COLUMNS / row.length);
      for (const [k, view] of row.entries()) tiles.push({ id: view.name, view: view.name, x: k * w, y: bottom, w, h, settings: "" });
      bottom += h;
    }
  };
  put(inRows(large, MOST_ACROSS.large), HEIGHTS[large.length] ?? HEIGHT, COLUMNS);
  put(inRows(small, MOST_ACROSS.small), SMALL_HEIGHT, SMALL_WIDTH);
  return { known: [...board.known, ...fresh.map(({ name }) => name)], tiles };
}

/** Divide into as few rows as will do, as even as they can be, the longer ones first. */
function inRows<T>(all: readonly T[], most: number): T[][] {
  const count = Math.ceil(all.length / most);
  let at = 0;
  return Array.from({ length: count }, (_, k) => all.slice(at, (at += Math.ceil((all.length - at) / (count - k)))));
}

/** Add one more plot of a view, below all others. */
export function withTile(board: Board, view: string): Board {
  const y = Math.max(0, ...board.tiles.map((tile) => tile.y + tile.h));
  const taken = new Set(board.tiles.map(({ id }) => id));
  let id = view;
  for (let k = 2; taken.has(id); k++) id = `${view} ${k}`;
  return { ...board, tiles: [...board.tiles, { id, view, x: 0, y, ...LARGE, settings: "" }] };
}

/** The board without a plot. */
export function without(board: Board, id: string): Board {
  return { ...board, tiles: board.tiles.filter((tile) => tile.id !== id) };
}

/** The board with some plots moved. */
export function moved(board: Board, places: readonly { i: string; x: number; y: number; w: number; h: number }[]): Board {
  const by = new Map(places.map((place) => [place.i, place]));
  return {
    ...board,
    tiles: board.tiles.map((tile) => {
      const place = by.get(tile.id);
      return place ? { ...tile, x: place.x, y: place.y, w: place.w, h: place.h } : tile;
    }),
  };
}

/** The board with other settings of a plot. */
export function set(board: Board, id: string, changed: Partial<Settings>): Board {
  return {
    ...board,
    tiles: board.tiles.map((tile) =>
      tile.id === id ? { ...tile, settings: toQuery({ ...fromQuery(new URLSearchParams(tile.settings)), ...changed }).toString() } : tile,
    ),
  };
}

const LEAST_ROW_PX = 40;
/** Of the width of a column: higher ones would make plots that are taller than images are. */
const MOST_ROW_SHARE = 0.45;
const USUAL_ROW_SHARE = 0.34;

/** Return how high rows are, with the gap below each: as high as makes the board fill the window, where that looks well. */
export function rowPitch(board: Board, width: number, height: number): number {
  const column = width / COLUMNS;
  const rows = Math.max(1, ...board.tiles.map(({ y, h }) => y + h));
  return Math.max(LEAST_ROW_PX, Math.min(column * MOST_ROW_SHARE, Math.max(column * USUAL_ROW_SHARE, height / rows)));
}

/** Write a board as a file. */
export function written(pipeline: string, board: Board): string {
  return JSON.stringify({ penstock: "board", pipeline, ...board }, null, 1);
}

/** Read what `written` wrote; an error says what is wrong. */
export function read(text: string): Board {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw new Error(`this is no JSON: ${(error as Error).message}`);
  }
  const board = found as Partial<Board> & { penstock?: unknown };
  if (board.penstock !== "board" || !Array.isArray(board.tiles) || !Array.isArray(board.known)) {
    throw new Error('this is no board: a file with "penstock": "board", known and tiles is, as this page saves it');
  }
  const wrong = board.tiles.findIndex((tile) => !isTile(tile));
  if (wrong >= 0) throw new Error(`plot ${wrong} of the board has no id, view, settings, x, y, w and h`);
  const ids = board.tiles.map(({ id }) => id);
  const twice = ids.find((id, k) => ids.indexOf(id) < k);
  if (twice !== undefined) throw new Error(`two plots of the board have the id ${twice}; each needs one of its own`);
  return { known: board.known.map(String), tiles: board.tiles };
}

function isTile(tile: unknown): boolean {
  const { id, view, settings, x, y, w, h } = (tile ?? {}) as Record<string, unknown>;
  const texts = [id, view, settings].every((each) => typeof each === "string");
  return texts && [x, y, w, h].every((each) => Number.isInteger(each) && (each as number) >= 0);
}

const KEY = "penstock-board ";

/** Return the board that was kept for a pipeline. */
export function keptBoard(pipeline: string): Board {
  const text = localStorage.getItem(KEY + pipeline);
  try {
    return text === null ? EMPTY : read(text);
  } catch {
    return EMPTY; // of another version of this page
  }
}

/** Keep it. A browser that keeps nothing does no harm. */
export function keepBoard(pipeline: string, board: Board): void {
  try {
    localStorage.setItem(KEY + pipeline, written(pipeline, board));
  } catch {
    // full, or forbidden
  }
}
