// The graph: rooms with what they do and use, edges with what passes; laid out by itself, drawn anew each second.

import "@xyflow/react/dist/style.css";

import {
  BaseEdge,
  Controls,
  EdgeLabelRenderer,
  Handle,
  Position,
  ReactFlow,
  type Edge,
  type EdgeProps,
  type Node,
  type NodeProps,
} from "@xyflow/react";
import { useMemo } from "react";

import { ROOM, edgeKey, layOut, type Layout, type Place } from "./PipelineLayout";
import { bytes, count, many, perSecond, percent, seconds } from "./PipelineText";
import type { Flow, FlowEdge, Room } from "./PipelineTypes";

type RoomNode = Node<{ room: Room; intake: FlowEdge | null; slow: string; isOver: boolean }, "room">;
type FlowLine = Edge<{ edge: FlowEdge; path: string; label: Place; isOver: boolean }, "flow">;

const NODES = { room: RoomBox };
const EDGES = { flow: EdgeLine };
const FIT = { padding: { top: "14px", left: "14px", right: "14px", bottom: "44px" }, maxZoom: 1.1 } as const;
/** From where an edge of books leads that no room of the pipeline feeds. */
const INSTRUMENT = "instrument";

interface Shown {
  flow: Flow;
  chosen: string;
  isNarrow: boolean;
  choose: (room: string) => void;
}

export function PipelineGraph({ flow, chosen, isNarrow, choose }: Shown) {
  const isOver = flow.outcome !== "" && flow.outcome !== "running";
  const inner = flow.edges.filter((each) => each.producer !== INSTRUMENT);
  const shape = JSON.stringify([flow.rooms.map((each) => each.name), inner.map((each) => [each.producer, each.consumer])]);
  const layout = useLayout(shape, isNarrow);
  const nodes: RoomNode[] = flow.rooms.map((room) => ({
    id: room.name,
    type: "room",
    position: layout.rooms.get(room.name) ?? { x: 0, y: 0 },
    ...ROOM,
    data: {
      room,
      intake: flow.edges.find((each) => each.producer === INSTRUMENT && each.consumer === room.name) ?? null,
      slow: flow.bottleneck?.room === room.name ? flow.bottleneck.why : "",
      isOver,
    },
    selected: room.name === chosen,
    ariaLabel: said(room, flow),
  }));
  const edges: FlowLine[] = inner.map((edge) => {
    const { path, label } = layout.edges.get(edgeKey(edge)) ?? { path: "", label: { x: 0, y: 0 } };
    const id = edgeKey(edge);
    return { id, source: edge.producer, target: edge.consumer, type: "flow", data: { edge, path, label, isOver }, focusable: false };
  });
  return (
    <div
      className="pipeline-graph"
      role="region"
      aria-label="graph of the pipeline"
      style={{ aspectRatio: `${layout.width} / ${layout.height}` }}
    >
      <ReactFlow
        key={`${shape}${String(isNarrow)}`}
        nodes={nodes}
        edges={edges}
        nodeTypes={NODES}
        edgeTypes={EDGES}
        colorMode="system"
        fitView
        fitViewOptions={FIT}
        minZoom={0.2}
        nodesDraggable={false}
        nodesConnectable={false}
        edgesFocusable={false}
        deleteKeyCode={null}
        multiSelectionKeyCode={null}
        preventScrolling={false}
        zoomOnScroll={false}
        onNodesChange={(changes) => {
          const taken = changes.find((each) => each.type === "select" && each.selected);
          if (taken?.type === "select") choose(taken.id);
        }}
        onPaneClick={() => choose("")}
      >
        <Controls showInteractive={false} orientation="horizontal" />
      </ReactFlow>
    </div>
  );
}

/** Lay out rooms and edges, given as JSON, once as long as they are the same. */
function useLayout(shape: string, isNarrow: boolean): Layout {
  return useMemo(() => {
    const [rooms, edges] = JSON.parse(shape) as [string[], [string, string][]];
    return layOut(rooms, edges.map(([producer, consumer]) => ({ producer, consumer })), isNarrow);
  }, [shape, isNarrow]);
}

function RoomBox({ data: { room, intake, slow, isOver }, selected }: NodeProps<RoomNode>) {
  const { load } = room;
  const lost = intake === null ? 0 : intake.loss;
  return (
    <div className={`room ${selected ? "chosen" : ""} ${slow === "" ? "" : "slow"}`} title={slow || room.why}>
      <Handle type="target" position={Position.Left} />
      <p className="room-name">
        <b>{room.name}</b>
        <span className={`state ${room.state}`}>{room.state || room.kind}</span>
      </p>
      <p className="room-says">{[room.kind, ...room.says.filter((each) => !each.startsWith(room.kind))].join(" · ")}</p>
      <p>{using(room)}</p>
      {load.processes > 0 && (
        <meter min={0} max={1} high={0.85} optimum={0} value={load.busy} aria-label={`${room.name} at work`} />
      )}
      <p className="room-marks">
        {intake !== null && <span>{passed(intake, isOver)} in</span>}
        {lost > 0 && <span className="mark">{count(lost)} lost</span>}
        {room.failures > 0 && <span className="mark">{many(room.failures, "error")}</span>}
        {load.deaths > 0 && <span className="mark">{many(load.deaths, "death")}</span>}
        {slow !== "" && <span className="mark slow-mark">bottleneck</span>}
      </p>
      <Handle type="source" position={Position.Right} />
    </div>
  );
}

function EdgeLine({ id, data }: EdgeProps<FlowLine>) {
  if (data === undefined) return null;
  const { edge, path, label, isOver } = data;
  if (edge.is_condition) return <BaseEdge id={id} path={path} className="flow-condition" />;
  const backlog = edge.capacity > 0 ? `${count(edge.waiting)} of ${count(edge.capacity)} wait` : `${count(edge.in_flight)} wait`;
  return (
    <>
      <BaseEdge id={id} path={path} className={edge.loss > 0 ? "flow-line losing" : "flow-line"} style={{ strokeWidth: thickness(isOver ? 0 : edge.recent_per_s) }} />
      <EdgeLabelRenderer>
        <div className="flow-label" style={{ transform: `translate(-50%, -50%) translate(${label.x}px, ${label.y}px)` }}>
          <span>{passed(edge, isOver)}</span>
          {(edge.in_flight > 0 || edge.waiting > 0) && <span> · {backlog}</span>}
          {edge.latency !== null && <span className="flow-small">{seconds(edge.latency.p50_s)}, at most {seconds(edge.latency.max_s)}</span>}
          {edge.loss > 0 && <span className="flow-small mark">{count(edge.loss)} lost</span>}
        </div>
      </EdgeLabelRenderer>
    </>
  );
}

function using({ workers, coming, load }: Room): string {
  if (load.processes === 0) return workers === null ? "" : many(workers, "worker");
  const there = workers === null ? "" : `${many(workers, "worker")}${coming > 0 ? ` + ${count(coming)}` : ""} · `;
  return `${there}${percent(load.cpu_share)} CPU · ${bytes(load.private_bytes)}`;
}

/** How fast an edge is; after the run, how many came over it. */
function passed(edge: FlowEdge, isOver: boolean): string {
  return isOver ? count(edge.arrived) : perSecond(edge.recent_per_s);
}

function thickness(perS: number): number {
  return 1 + Math.min(4, Math.log10(1 + perS));
}

/** What a screen reader says of a room. */
function said(room: Room, flow: Flow): string {
  const into = flow.edges.filter((each) => each.consumer === room.name && !each.is_condition);
  const parts = [
    `${room.kind} ${room.name}`,
    room.state,
    using(room),
    ...into.map((each) => `from ${each.producer} ${perSecond(each.recent_per_s)}, ${count(each.in_flight)} wait, ${count(each.loss)} lost`),
    flow.bottleneck?.room === room.name ? `bottleneck: ${flow.bottleneck.why}` : "",
  ];
  return parts.filter((each) => each !== "").join("; ");
}
