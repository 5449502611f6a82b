// Where the rooms stand and how the edges run between them; the same graph always looks the same.

import { Graph, layout } from "@dagrejs/dagre";

export interface Place {
  x: number;
  y: number;
}

export interface Layout {
  width: number;
  height: number;
  /** By room: its upper left corner. */
  rooms: Map<string, Place>;
  /** By edge, as `edgeKey` names it. */
  edges: Map<string, { path: string; label: Place }>;
}

export interface Ends {
  producer: string;
  consumer: string;
}

export const ROOM = { width: 224, height: 116 };
const LABEL = { width: 128, height: 46 };

export function edgeKey({ producer, consumer }: Ends): string {
  return JSON.stringify([producer, consumer]);
}

/** How many edges are laid out for one drawing, in all tries: more would be felt. */
const MOST_EDGES = 100;
const MOST_TRIES = 12;

/** Lay out from left to right, or from top to bottom where there is little width. */
export function layOut(rooms: readonly string[], edges: readonly Ends[], isNarrow: boolean): Drawn {
  const across = isNarrow ? "x" : "y";
  const tries = Math.min(MOST_TRIES, MOST_EDGES / edges.length);
  const chance = chances();
  let best = laidOut(rooms, edges, isNarrow);
  for (let tried = 1; tried < tries && best.tangles > 0; tried++) {
    // Where rooms come in the order in which they stood, fewer lines cross; where that does not help, another order may.
    const found = best.rooms;
    const place = new Map(rooms.map((name) => [name, tried === 1 ? (found.get(name)?.[across] ?? 0) : chance()]));
    const compare = (one: string, other: string) => (place.get(one) ?? 0) - (place.get(other) ?? 0);
    const drawn = laidOut(
      rooms.toSorted(compare),
      edges.toSorted((one, other) => compare(one.producer, other.producer) || compare(one.consumer, other.consumer)),
      isNarrow,
    );
    if (drawn.tangles < best.tangles) best = drawn;
  }
  return best;
}

/** Numbers between 0 and 1 that look like chance, and are the same each time (Lehmer's generator). */
function chances(): () => number {
  let last = 1;
  return () => (last = (last * 48_271) % 2_147_483_647) / 2_147_483_647;
}

export interface Drawn extends Layout {
  /** How often lines cross, or run beneath a room that is not theirs. */
  tangles: number;
}

function laidOut(rooms: readonly string[], edges: readonly Ends[], isNarrow: boolean): Drawn {
  const graph = new Graph({ multigraph: false });
  graph.setGraph({ rankdir: isNarrow ? "TB" : "LR", nodesep: 36, ranksep: 30, edgesep: 16, marginx: 12, marginy: 12 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const name of rooms) graph.setNode(name, { ...ROOM });
  for (const edge of edges) graph.setEdge(edge.producer, edge.consumer, { ...LABEL, labelpos: "c" });
  layout(graph);
  const places = new Map<string, Place>();
  for (const name of rooms) {
    const { x, y } = graph.node(name) as Place;
    places.set(name, { x: x - ROOM.width / 2, y: y - ROOM.height / 2 });
  }
  const drawn: Layout["edges"] = new Map();
  const lines: Line[] = [];
  for (const edge of edges) {
    const { points, x, y } = graph.edge(edge.producer, edge.consumer) as { points: Place[] } & Place;
    lines.push({ ...edge, points });
    drawn.set(edgeKey(edge), { path: smooth(points), label: { x, y } });
  }
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return { width, height, rooms: places, edges: drawn, tangles: tangled(lines, places) };
}

interface Line extends Ends {
  points: readonly Place[];
}

function tangled(lines: readonly Line[], rooms: ReadonlyMap<string, Place>): number {
  let found = 0;
  for (const [index, line] of lines.entries()) {
    for (const other of lines.slice(index + 1)) found += Number(doMeet(line.points, other.points));
    for (const [name, place] of rooms)
      if (name !== line.producer && name !== line.consumer) found += Number(doMeet(line.points, outline(place)));
  }
  return found;
}

function outline({ x, y }: Place): Place[] {
  const [right, bottom] = [x + ROOM.width, y + ROOM.height];
  return [{ x, y }, { x: right, y }, { x: right, y: bottom }, { x, y: bottom }, { x, y }];
}

/** Whether two broken lines cross, and do not just touch. */
function doMeet(one: readonly Place[], other: readonly Place[]): boolean {
  return one.slice(1).some((b, i) => other.slice(1).some((d, k) => doCross(one[i] as Place, b, other[k] as Place, d)));
}

function doCross(a: Place, b: Place, c: Place, d: Place): boolean {
  return side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0;
}

/** On which side of the line from a to b a point is. */
function side(a: Place, b: Place, point: Place): number {
  return Math.sign((b.x - a.x) * (point.y - a.y) - (b.y - a.y) * (point.x - a.x));
}

/** A line through the middles between points, which the points pull to themselves. */
export function smooth(points: readonly Place[]): string {
  const [first, ...rest] = points;
  const last = rest.at(-1);
  if (first === undefined || last === undefined) return "";
  const parts = [`M ${at(first)}`];
  for (const [index, point] of rest.entries()) {
    const next = rest[index + 1];
    if (next === undefined) break;
    const middle = next === last ? last : { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 };
    parts.push(`Q ${at(point)} ${at(middle)}`);
  }
  if (rest.length === 1) parts.push(`L ${at(last)}`);
  return parts.join(" ");
}

function at({ x, y }: Place): string {
  return `${Math.round(x)} ${Math.round(y)}`;
}
