"""How busy each room of a run is, and which of them holds the others up; from a report, and nothing else."""

from collections.abc import Mapping, Sequence

import msgspec

from penstock.monitor.report import EdgeReport, ProcessReport, RunReport

__all__ = ["Bottleneck", "RoomLoad", "bottleneck", "room_loads"]

FULL = 0.75
"""Of a queue, from which on its consumer is taken to be behind."""
BEHIND_S = 3.0
"""So much work waits for a room that is behind; a reducer publishes once a second, so that as much is usual there."""
LEAST_WAITING = 4
"""Fewer items are no backlog, however slowly they come."""
BUSY = 0.85
"""Of the time: from here on a room cannot do much more."""
BUILDER = "builder"
"""The process that makes the events of all joins."""


class RoomLoad(msgspec.Struct, frozen=True, kw_only=True):
    """How busy one source, join, merge, stage or sink is."""

    processes: int = 0
    """That it has now; 0 where the engine makes none for it."""
    cpu_share: float = 0.0
    """Of one processor, over about the last second; of all its processes together."""
    cpu_s: float = 0.0
    """In all, also of those that have gone."""
    private_bytes: int = 0
    """Memory of its own, of all its processes together."""
    deaths: int = 0
    busy: float = 0.0
    """For which part of the time it is at work, 0 to 1: the largest of what is known. Processor time a process; of
    steps, the calls; of a stage whose workers come and go, what its staffing goes by."""


class Bottleneck(msgspec.Struct, frozen=True, kw_only=True):
    """The room that holds the others up."""

    room: str
    why: str
    """With the figures by which it was found."""


def room_loads(report: RunReport, joins: Sequence[str] = ()) -> dict[str, RoomLoad]:
    """Return by name how busy everything is that has a process, a step or a staff.

    Parameters
    ----------
    joins
        Names of joins and merges, which share the event builder.
    """
    rooms = {each.name: each.of for each in report.states if each.of}
    found: dict[str, list[ProcessReport]] = {}
    for process in report.processes:
        for room in joins if process.name == BUILDER else (rooms.get(process.name, process.name),):
            found.setdefault(room, []).append(process)
    calls = _calls(report)
    staffs = {each.stage: each.busy for each in report.staffs}
    names = dict.fromkeys([*found, *calls, *staffs])
    return {name: _load(found.get(name, ()), max(calls.get(name, 0.0), staffs.get(name, 0.0))) for name in names}


def bottleneck(report: RunReport, loads: Mapping[str, RoomLoad], joins: Sequence[str] = ()) -> Bottleneck | None:
    """Return the room that holds the others up; ``None`` if nothing waits, or the run has ended.

    A room is behind if a queue before it is three quarters full, or work of 3 s waits for it. What is behind makes all
    before it wait, so of several it is the one that is furthest down the flow. A join that is behind has too little of
    one stream: then it is the source or stage of which the least waits. Where nobody is behind, it is the busiest room,
    if that is at work for more than 85 % of the time.
    """
    if report.outcome != "running":
        return None
    depth = _depths(report.edges)
    behind = [(edge, why) for edge in report.edges if (why := _behind(edge, _pace(edge, report.edges)))]
    if behind:
        edge, why = max(behind, key=lambda each: (depth[each[0].consumer], each[0].in_flight))
        if edge.consumer in joins:
            rival = min((each for each in report.edges if each.consumer == edge.consumer), key=lambda e: e.in_flight)
            if rival.producer != edge.producer:
                why = f"{edge.in_flight:,} of {edge.producer} wait at {edge.consumer} for {rival.producer}"
                return Bottleneck(room=rival.producer, why=why)
        return Bottleneck(room=edge.consumer, why=why)
    name = max(loads, key=lambda each: loads[each].busy, default="")
    if name and loads[name].busy >= BUSY:
        return Bottleneck(room=name, why=f"at work for {loads[name].busy:.0%} of the time")
    return None


def _load(processes: Sequence[ProcessReport], busy: float) -> RoomLoad:
    there = [each for each in processes if each.pid]
    cpu_share = sum(each.cpu_share for each in there)
    return RoomLoad(
        processes=len(there),
        cpu_share=cpu_share,
        cpu_s=sum(each.cpu_s for each in processes),
        private_bytes=sum(each.private_bytes for each in there),
        deaths=sum(each.deaths for each in processes),
        busy=min(1.0, max(busy, cpu_share / len(there) if there else 0.0)),
    )


def _calls(report: RunReport) -> dict[str, float]:
    """Return by stage for which part of the time calls of its steps go on, which share its workers."""
    workers: dict[str, int] = {}
    for each in report.states:
        if each.kind == "worker":
            workers[each.of] = workers.get(each.of, 0) + 1
    found: dict[str, float] = {}
    for step in report.steps:
        if step.mean_s is not None:
            spent = step.mean_s * step.recent_per_s / workers.get(step.stage, 1)
            found[step.stage] = found.get(step.stage, 0.0) + spent
    return found


def _pace(edge: EdgeReport, edges: Sequence[EdgeReport]) -> float:
    """Return how many of what came over an edge end in a second now.

    That follows from what its consumer gives now, and what it gave for each so far; where it gives nothing, from what
    comes.
    """
    given = max((each for each in edges if each.producer == edge.consumer), key=lambda e: e.arrived, default=None)
    if given is None or not given.arrived:
        return edge.recent_per_s
    return given.recent_per_s * (edge.arrived - edge.in_flight) / given.arrived


def _behind(edge: EdgeReport, pace: float) -> str:
    """Return why the consumer of an edge is behind; empty if it is not."""
    if edge.capacity and edge.waiting >= FULL * edge.capacity:
        return f"its queue is {edge.waiting:,} of {edge.capacity:,} full"
    if edge.in_flight < LEAST_WAITING or edge.in_flight < BEHIND_S * pace:
        return ""
    if not pace:
        return f"{edge.in_flight:,} wait, and nothing gets through"
    return f"{edge.in_flight:,} wait, which is {edge.in_flight / pace:.3g} s of work at its pace"


def _depths(edges: Sequence[EdgeReport]) -> dict[str, int]:
    depth = dict.fromkeys([name for edge in edges for name in (edge.producer, edge.consumer)], 0)
    for _ in depth:  # a pipeline has no way back, so the longest path has fewer edges than rooms
        for edge in edges:
            depth[edge.consumer] = max(depth[edge.consumer], depth[edge.producer] + 1)
    return depth
