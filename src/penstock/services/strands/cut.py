"""Cut a pipeline of chains into strands: what is fused, where an edge lies, and what needs an event loop.

It makes sources, steps and sinks of a plan, opens none of them, and starts nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

from penstock.core.ledger import Entry, Ledger
from penstock.elements.item_source import ItemSource
from penstock.elements.numbered import give_number
from penstock.elements.own_folder import give_folder
from penstock.elements.shape import StepShape, is_async_call
from penstock.elements.source import Source
from penstock.elements.step import Step
from penstock.elements.user_code import step_names
from penstock.errors import UserCodeError
from penstock.pipeline.chains import has_lanes, inputs_of, is_fused, readers_of, reads, streams_of
from penstock.pipeline.parallel import is_parallel
from penstock.pipeline.plan import Plan, SinkPlan, StagePlan
from penstock.services.chain import own_parameters
from penstock.services.intake import INSTRUMENT
from penstock.services.made import sink_of
from penstock.services.strands.edge import Edge
from penstock.services.strands.feed import BufferFeed, EdgeFeed, Feed, SourceFeed
from penstock.services.strands.lane_out import LaneOut
from penstock.services.strands.laned_edge import LanedEdge
from penstock.services.strands.nursery import Nursery
from penstock.services.strands.parallel_feed import ParallelFeed
from penstock.services.strands.parts import MarkPart, OutPart, Part, StepPart, Writer
from penstock.services.strands.sink_end import SinkEnd
from penstock.services.strands.stage import Stage
from penstock.services.strands.strand import Strand
from penstock.services.strands.tallies import StepTally
from penstock.services.strands.team import parallel_feed

__all__ = ["Cut", "cut", "cut_stage"]


@dataclass(eq=False)
class Cut:
    """What a plan is made of."""

    strands: list[Strand] = field(default_factory=list)
    edges: dict[str, Edge | LanedEdge] = field(default_factory=dict)
    """Between strands, by name; of a sink that reads several lanes all together."""
    entries: dict[str, Entry] = field(default_factory=dict)
    """The books of what is read from an edge, by its name; edges within a stage have none."""
    stages: dict[str, Stage] = field(default_factory=dict)
    steps: list[StepPart | StepTally] = field(default_factory=list)
    """In the order of the flow; a buffer once, and a step once that several workers have."""
    parallel: list[ParallelFeed] = field(default_factory=list)
    sinks: dict[str, SinkEnd] = field(default_factory=dict)
    sources: dict[str, SourceFeed] = field(default_factory=dict)


def cut(plan: Plan, ledger: Ledger, nursery: Nursery, last: Mapping[str, dict[str, Any]] = MappingProxyType({})) -> Cut:
    """Cut a plan.

    Parameters
    ----------
    nursery
        Where the processes of parallel stages will be started.
    last
        By stage, where its last result is to be kept, under its name.

    Raises
    ------
    UserCodeError
        If a source or a step cannot be made.
    CheckError
        If another process cannot have a step.
    """
    cutter = _Cutter(plan, ledger, nursery, last)
    cutter.cut()
    return cutter.found


def cut_stage(stage: Stage, steps: Sequence[Step], edge: Edge, out: Edge, between: Callable[[str], Edge]) -> Cut:
    """Cut the steps of one stage, which read from an edge and give to another.

    Parameters
    ----------
    steps
        Made, with their names.
    between
        Makes an edge within the stage, by its name.
    """
    cutter = _StageCutter(between)
    opened = cutter.through(_Open(stage.name, EdgeFeed(edge)), stage, steps)
    opened.add(OutPart(stage.name, edges=[out]))
    cutter.found.strands.append(opened.closed())
    return cutter.found


class _StageCutter:
    """Puts steps into strands."""

    def __init__(self, between: Callable[[str], Edge] = Edge) -> None:
        self.found = Cut()
        self._between = between

    def through(self, opened: "_Open", stage: Stage, steps: Iterable[Step]) -> "_Open":
        """Add a stage's steps to a strand; return that in which they end."""
        opened.add(MarkPart(stage, "in"))
        counts = True
        for step in steps:
            part = StepPart(step, stage, step.name, step.shape, counts_for_stage=counts)
            shape = part.shape
            self.found.steps.append(part)
            opened = self._add_step(opened, part)
            counts = counts and not shape.takes_upstream and shape is not StepShape.BUFFER
        if counts:
            opened.add(MarkPart(stage, "done"))
        return opened

    def _add_step(self, opened: "_Open", part: StepPart) -> "_Open":
        place = f"{part.stage.name}.{part.name}"
        if part.shape is StepShape.BUFFER:
            buffer = part.step.thing
            part.shape = StepShape.COROUTINE if is_async_call(buffer.put) else StepShape.FUNCTION
            feed = BufferFeed(place, buffer, on_close=part.step.hooks.close)
            part.call, part.closes = _put(feed), False
            # What coroutines wait for in a buffer must not be touched from another thread.
            is_async = any(map(is_async_call, (buffer.put, buffer.get, getattr(buffer, "end", len))))
            opened = self._fitting(opened, place, is_async=is_async or None)
            opened.add(part)
            if part.counts_for_stage:
                opened.add(MarkPart(part.stage, "done"))
            opened.ends.append(feed)
            self.found.strands.append(opened.closed())
            return _Open(place, feed)
        opened = self._fitting(opened, place, is_async=_needs(part.shape))
        if part.counts_for_stage and part.shape.takes_upstream:
            opened.add(MarkPart(part.stage, "held"))
        opened.add(part)
        return opened

    def _fitting(self, opened: "_Open", place: str, *, is_async: bool | None) -> "_Open":
        """Return a strand in which a step can be, behind an edge if need be.

        Parameters
        ----------
        is_async
            What the step needs; ``None``: either.
        """
        if is_async is None or opened.is_async in (None, is_async):
            opened.is_async = opened.is_async if is_async is None else is_async
            return opened
        edge = self._between(f"→ {place}")
        self.found.edges[place] = edge
        opened.add(OutPart(place, edges=[edge]))
        self.found.strands.append(opened.closed())
        return _Open(place, EdgeFeed(edge), is_async=is_async)


class _Cutter(_StageCutter):
    def __init__(self, plan: Plan, ledger: Ledger, nursery: Nursery, last: Mapping[str, dict[str, Any]]) -> None:
        super().__init__()
        self._plan = plan
        self._last = last
        self._nursery = nursery
        self._ledger = ledger
        self._readers = readers_of(plan)
        self._inlets: dict[str, Edge | LanedEdge] = {}
        """By consumer, what it takes its items from."""
        self._ways: dict[tuple[str, str], Edge] = {}
        """By consumer and lane of it, the edge into which producers put."""

    def cut(self) -> None:
        for name, source in self._plan.sources.items():
            made = ItemSource.made(source.element.target, source.element.arguments, name, self._plan.folder)
            if isinstance(made.thing, Source):
                text = (
                    f"source {name}: {source.element.name} makes {type(made.thing).__name__}, which is an instrument; "
                    "write --engine local, or name the class itself"
                )
                raise UserCodeError(text, stage=name)
            self.found.sources[name] = SourceFeed(name, made, self._ledger.entry(INSTRUMENT, name))
        for name, stage in self._plan.stages.items():
            entries = [self._ledger.entry(written, name) for _, written in inputs_of(self._plan, stage)]
            self.found.stages[name] = Stage(stage, entries[0])
        for name, sink in self._plan.sinks.items():
            entry = self._ledger.entry(sink.input, name)
            producers = len(streams_of(self._plan, sink.input))
            self.found.sinks[name] = SinkEnd(sink, sink_of(sink.element, name), entry, producers)
        for name, feed in self.found.sources.items():
            self._strand(_Open(name, feed), name)
        for name, stage in self._plan.stages.items():
            if is_fused(self._plan, stage):
                continue
            if is_parallel(stage):
                opened = _Open(name, self._parallel(stage))
            else:
                opened = self._through(_Open(name, EdgeFeed(self._inlet(stage))), stage)
            if has_lanes(stage):
                self._by_lanes(opened, stage)
            else:
                self._strand(opened, name)
        for name, end in self.found.sinks.items():
            if end.needs_strand:
                opened = _Open(name, EdgeFeed(self._inlet(end.plan)))
                opened.add(OutPart(name, writers=[end.writer]))
                self.found.strands.append(opened.closed())

    def _strand(self, opened: "_Open", producer: str) -> None:
        """Fuse whatever can be, from a producer on, and end the strand."""
        while True:
            consumers = self._readers[producer]
            fused = next((s for s in consumers if isinstance(s, StagePlan) and is_fused(self._plan, s)), None)
            opened.add(self._out(producer, consumers, goes_on=fused is not None))
            if fused is None:
                break
            opened = self._through(opened, fused)
            producer = fused.name
        self.found.strands.append(opened.closed())

    def _by_lanes(self, opened: "_Open", stage: StagePlan) -> None:
        """End the strand of a stage with lanes, each of which has a way out of its own."""
        feed = opened.feed
        assert isinstance(feed, ParallelFeed), "a stage with lanes has workers"
        opened.lanes = [self._out(stage.name, self._readers[stage.name], lane=lane) for lane in stage.producers]
        feed.outs += [LaneOut(books, out.edges) for books, out in zip(feed.books, opened.lanes, strict=True)]
        opened.add(OutPart(stage.name))
        self.found.strands.append(opened.closed())

    def _out(
        self, producer: str, consumers: Sequence[StagePlan | SinkPlan], *, goes_on: bool = False, lane: str = ""
    ) -> OutPart:
        edges, writers = [], []
        for consumer in consumers:
            for own_lane, written in inputs_of(self._plan, consumer):
                if not reads(self._plan, written, producer, lane):
                    continue
                end = self.found.sinks[consumer.name] if isinstance(consumer, SinkPlan) else None
                if end is not None and not end.needs_strand:
                    writers.append(end.writer)
                elif end is not None or not is_fused(self._plan, consumer):  # type: ignore[arg-type]  # then a stage
                    self._inlet(consumer)
                    edges.append(self._ways[consumer.name, own_lane])
        if producer in self._last:  # looked at, not consumed: nobody's books
            keep = partial(self._last[producer].__setitem__, producer)
            writers.append(Writer(producer, keep, Ledger().entry(producer, "alarms")))
        merges = [m.name for m in self._plan.merges.values() if producer in streams_of(self._plan, m.name)]
        merged = [self._ledger.entry(producer, name) for name in merges]
        return OutPart(producer, edges, writers, merged, goes_on=goes_on)

    def _inlet(self, consumer: StagePlan | SinkPlan) -> Edge | LanedEdge:
        """Return what a consumer takes items from, and open its books."""
        if consumer.name in self._inlets:
            return self._inlets[consumer.name]
        inputs = inputs_of(self._plan, consumer)
        names = {lane: f"{written} → {consumer.name}" for lane, written in inputs}
        if inputs[0][0]:
            return self._inlet_by_lanes(consumer, inputs, names)
        edge = Edge(names[""], when_full=consumer.when_full)
        self._inlets[consumer.name] = self._ways[consumer.name, ""] = edge
        # A sink's books do not say by which lane.
        self._note(edge, consumer.input if isinstance(consumer, SinkPlan) else inputs[0][1], consumer.name)
        return edge

    def _inlet_by_lanes(
        self, consumer: StagePlan | SinkPlan, inputs: Sequence[tuple[str, str]], names: Mapping[str, str]
    ) -> LanedEdge:
        producer = consumer.input if isinstance(consumer, SinkPlan) else consumer.inputs[0][1]
        laned = LanedEdge(f"{producer} → {consumer.name}", names, when_full=consumer.when_full)
        self._inlets[consumer.name] = laned
        for edge, (lane, written) in zip(laned.edges, inputs, strict=True):
            self._ways[consumer.name, lane] = edge
            if isinstance(consumer, StagePlan):
                self._note(edge, written, consumer.name)
            else:  # of which it is not kept by which lane items have come
                edge.latency = laned.latency
        if isinstance(consumer, SinkPlan):
            self._note(laned, producer, consumer.name)
        return laned

    def _note(self, edge: Edge | LanedEdge, producer: str, consumer: str) -> None:
        self.found.edges[edge.name] = edge
        self.found.entries[edge.name] = self._ledger.entry(producer, consumer)

    def _parallel(self, stage: StagePlan) -> ParallelFeed:
        made = self.found.stages[stage.name]
        inlet = self._inlet(stage)
        books = [made]
        if isinstance(inlet, LanedEdge):
            # What its workers fail on is kept in one place; what came is counted by lane.
            books = [made.of_lane(self.found.entries[edge.name]) for edge in inlet.edges]
        feed = parallel_feed(self._plan, made, inlet, self._nursery, books)
        self.found.steps += feed.tallies
        self.found.parallel.append(feed)
        return feed

    def _through(self, opened: "_Open", stage: StagePlan) -> "_Open":
        return self.through(opened, self.found.stages[stage.name], self._steps(stage))

    def _steps(self, stage: StagePlan) -> Iterator[Step]:
        names = step_names([element.name for element in stage.elements])
        for element, name in zip(stage.elements, names, strict=True):
            step = Step(
                element.target, element.arguments, parameters=own_parameters(stage.parameters, name),
                stage=stage.name, step=name,
            )  # fmt: skip
            give_folder(step.thing, self._plan.folder)
            give_number(step.thing, 0)
            yield step


@dataclass(eq=False)
class _Open:
    """A strand that is still being made."""

    name: str
    feed: Feed | ParallelFeed
    parts: list[Part] = field(default_factory=list)
    ends: list[BufferFeed] = field(default_factory=list)
    lanes: list[OutPart] = field(default_factory=list)
    is_async: bool | None = None
    """``None`` while it may still be either."""

    def __post_init__(self) -> None:
        if isinstance(self.feed, SourceFeed | BufferFeed | ParallelFeed):
            self.is_async = self.feed.is_async

    def add(self, part: Part) -> None:
        self.parts.append(part)

    def closed(self) -> Strand:
        return Strand(self.name, self.feed, self.parts, is_async=bool(self.is_async), ends=self.ends, lanes=self.lanes)


def _needs(shape: StepShape) -> bool | None:
    """Return whether a step needs an event loop, must not be on one, or neither."""
    if shape.is_async:
        return True
    return False if shape is StepShape.GENERATOR else None


def _put(feed: BufferFeed) -> Callable[[Any], Any]:
    """Return ``put``, whose result is not looked at."""
    if is_async_call(feed.buffer.put):

        async def put_awaiting(item: Any) -> bool:
            await feed.buffer.put(item)
            feed.wake()
            return True

        return put_awaiting

    def put_here(item: Any) -> bool:
        feed.put(item)
        return True

    return put_here
