"""Who reads from whom in one run, as its order says: what stands behind a stage, and what numbers its items."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from penstock.pipeline.lanes import origins, split_input
from penstock.services.flow import Outlet, Room
from penstock.services.one_lane import OneLane
from penstock.services.orders import BuilderOrder, JoinOrder, MergeOrder

__all__ = ["Wiring"]


class Wiring:
    """The edges of one run.

    Parameters
    ----------
    order
        The run's.
    """

    def __init__(self, order: BuilderOrder) -> None:
        self._order = order
        self._groups: list[JoinOrder | MergeOrder] = [*order.joins, *order.merges]

    def connect(self, rooms: Mapping[str, Any]) -> None:
        """Let every room read from what was written; any of sources, joins, merges, stages."""
        order = self._order
        outlets: dict[str, Outlet] = {name: room.outlet for name, room in rooms.items()}
        recorders = {sink.name for sink in order.sinks if sink.is_recorder}
        for sink in order.sinks:
            if sink.is_recorder:  # first: what user code fails on is recorded
                self._read(sink.input, rooms[sink.name], outlets)
        for group in self._groups:
            for stream in group.streams:
                outlets[stream].rooms.append(rooms[group.name])
        for reader, written in self._inputs():
            if reader not in recorders:
                self._read(written, rooms[reader], outlets)

    def readers(self) -> dict[str, set[str]]:
        """Return, for every stage and sink, the sources and stages in whose pools lies what it is given."""
        order = self._order
        behind: dict[str, set[str]] = {name: {name} for name in order.sources}
        behind |= {stage.name: {stage.name} for stage in order.stages}
        behind |= {sink.name: {sink.name} for sink in order.sinks}
        groups: list[JoinOrder | MergeOrder] = [*order.merges, *order.joins]
        for group in groups:
            behind[group.name] = set().union(*(behind[stream] for stream in group.streams))
        found: dict[str, set[str]] = {}
        for reader, written in self._inputs():
            found.setdefault(reader, set()).update(behind[split_input(written)[0]])
        return found

    def roots(self, name: str, renumbering: Collection[str]) -> set[str]:
        """Return what numbers the items of a stage or sink: joins, merges, sources, or steps that number anew."""
        stages = {stage.name: [producer for _, producer in stage.inputs] for stage in self._order.stages}
        stages |= {sink.name: [sink.input] for sink in self._order.sinks}
        if name not in stages:
            return {name}
        producers = {split_input(written)[0] for written in stages[name]}
        return set().union(*({p} if p in renumbering else self.roots(p, renumbering) for p in producers))

    def sources_of(self, streams: Sequence[str]) -> set[str]:
        """Return the sources that streams, or merges of them, come from."""
        merges = {merge.name: merge.streams for merge in self._order.merges}
        found: set[str] = set()
        for stream in streams:
            found |= {stream} if stream in self._order.sources else self.sources_of(merges[stream])
        return found

    def _inputs(self) -> list[tuple[str, str]]:
        """Return every stage and sink with each of its inputs, as written."""
        stages = [(stage.name, producer) for stage in self._order.stages for _, producer in stage.inputs]
        chosen = [(s.name, s.chooses_by) for s in self._order.sinks if s.chooses_by not in ("", s.input)]
        return stages + [(sink.name, sink.input) for sink in self._order.sinks] + chosen

    def _read(self, written: str, room: Room, outlets: Mapping[str, Outlet]) -> None:
        """Let a stage or a sink read from what was written: everything of it, or one lane."""
        name, lane = split_input(written)
        if lane:
            inputs = {stage.name: stage.inputs for stage in self._order.stages}
            groups = {group.name: group.streams for group in self._groups}
            room = OneLane(room, written, origins(inputs, groups, written))
        outlets[name].rooms.append(room)
