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

export const ROOM = { width: 208, height: 116 };
const LABEL = { width: 128, height: 46 };

export function edgeKey({ producer, consumer }: Ends): string {
  return JSON.stringify([producer, consumer]);
}

/** Lay out from left to right, or from top to bottom where there is little width. */
export function layOut(rooms: readonly string[], edges: readonly Ends[], isNarrow: boolean): Layout {
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
  for (const edge of edges) {
    const { points, x, y } = graph.edge(edge.producer, edge.consumer) as { points: Place[] } & Place;
    drawn.set(edgeKey(edge), { path: smooth(points), label: { x, y } });
  }
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return { width, height, rooms: places, edges: drawn };
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
