"""Where the rooms of a pipeline stand in a drawing: layers from left to right, rows from top to bottom.

An edge leads from one layer to the next only; longer ones pass through points of their own, so no line crosses a room.
It knows nothing of characters or pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from penstock.pipeline.lanes import split_input
from penstock.pipeline.plan import Plan

__all__ = ["Edge", "Layout", "Point", "lay_out", "links_of"]


@dataclass(frozen=True, slots=True)
class Point:
    """A room, or where a long edge passes a layer."""

    name: str
    """Of the room, or of the room where the edge begins."""
    layer: int
    is_passage: bool = False
    is_condition: bool = False
    """Whether what passes decides about items and carries none."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A line between neighbouring layers."""

    start: Point
    end: Point
    is_condition: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything's place."""

    rows: Mapping[Point, int]
    """No two points of a layer share a row."""
    edges: tuple[Edge, ...]
    layers: tuple[tuple[Point, ...], ...] = field(default=())
    """From left to right, each from top to bottom."""


def lay_out(plan: Plan) -> Layout:
    """Return where everything stands; the same plan always looks the same."""
    links = [*links_of(plan)]
    depth = _depths(plan, links)
    edges = _edges(links, depth)
    points = {Point(name, layer) for name, layer in depth.items()} | {e.start for e in edges} | {e.end for e in edges}
    rank = {name: index for index, name in enumerate(depth)}
    layers = [
        sorted((p for p in points if p.layer == layer), key=lambda p: (rank[p.name], p.is_passage, p.is_condition))
        for layer in range(max(depth.values(), default=-1) + 1)
    ]
    rows: dict[Point, int] = {}
    for layer in layers:
        _place(layer, edges, rows)
    ordered = tuple(tuple(sorted(layer, key=rows.__getitem__)) for layer in layers)
    return Layout(rows=rows, edges=tuple(edges), layers=ordered)


def links_of(plan: Plan) -> list[tuple[str, str, bool]]:
    """Return (producer, consumer, whether it is a condition)."""
    events = [(stream, join.name, False) for join in plan.joins.values() for stream in join.streams]
    events += [(stream, merge.name, False) for merge in plan.merges.values() for stream in merge.streams]
    stages = [
        (split_input(producer)[0], stage.name, False) for stage in plan.stages.values() for _, producer in stage.inputs
    ]
    sinks = [(sink.input, sink.name, False) for sink in plan.sinks.values()]
    conditions = [(sink.where[0], sink.name, True) for sink in plan.sinks.values() if sink.where is not None]
    return [*dict.fromkeys([*events, *stages, *sinks, *conditions])]


def _depths(plan: Plan, links: list[tuple[str, str, bool]]) -> dict[str, int]:
    names = [*plan.sources, *plan.joins, *plan.merges, *plan.stages, *plan.sinks]
    depth = dict.fromkeys(names, 0)
    for _ in names:  # a plan has no cycle, so the longest path has fewer links than names
        for producer, consumer, _ in links:
            depth[consumer] = max(depth[consumer], depth[producer] + 1)
    return depth


def _edges(links: list[tuple[str, str, bool]], depth: Mapping[str, int]) -> list[Edge]:
    found: dict[Edge, None] = {}
    for producer, consumer, is_condition in links:
        start = Point(producer, depth[producer])
        for layer in range(depth[producer] + 1, depth[consumer]):
            passage = Point(producer, layer, is_passage=True, is_condition=is_condition)
            found[Edge(start, passage, is_condition)] = None
            start = passage
        found[Edge(start, Point(consumer, depth[consumer]), is_condition)] = None
    return list(found)


def _place(layer: list[Point], edges: list[Edge], rows: dict[Point, int]) -> None:
    """Give a layer's points rows near those of what feeds them.

    A point shares the row of a point of the layer before only if that alone feeds it: a line into it can then not be
    mistaken for one out of its neighbour.
    """
    feeders = {point: [e.start for e in edges if e.end == point] for point in layer}
    wanted = {p: sum(rows[f] for f in feeders[p]) / len(feeders[p]) if feeders[p] else -1.0 for p in layer}
    before = {rows[p]: p for p in rows if layer and p.layer == layer[0].layer - 1}
    free = 0
    for point in sorted(layer, key=lambda p: wanted[p]):
        own = {rows[feeder] for feeder in feeders[point]}
        row = max(free, int(wanted[point])) if own else free
        while row in before and own != {row}:
            row += 1
        rows[point] = row
        free = row + 1
