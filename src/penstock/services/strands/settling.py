"""Tells sources and steps when all that came of their items has ended, by following counts from strand to strand.

A wave begins behind an origin: so many of its items are through its strand, so whatever came of them lies on the edges
that leave it, among the items put there by then. When the strands behind have done so many, the same is true one edge
further, until nothing is left but sinks, which are asked whether they still hold something. Nothing is put among the
items, and nobody waits.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from penstock.elements.wants_settled import WantsSettled
from penstock.monitor.report import FilesReport
from penstock.services.strands.edge import Edge
from penstock.services.strands.feed import EdgeFeed, SourceFeed
from penstock.services.strands.laned_edge import LanedEdge
from penstock.services.strands.parallel_feed import ParallelFeed
from penstock.services.strands.parts import OutPart, StepPart
from penstock.services.strands.run import Run
from penstock.services.strands.sink_end import SinkEnd
from penstock.services.strands.strand import Strand

__all__ = ["Settling"]


class Settling:
    """All origins of a run.

    Parameters
    ----------
    strands
        Of the run, not begun.
    sinks
        By name.
    """

    def __init__(self, strands: Sequence[Strand], sinks: Mapping[str, SinkEnd]) -> None:
        self.origins = [
            _Origin(name, thing, strand, run, _Way.behind(strand, run, strands, sinks))
            for strand in strands
            for name, thing, run in _who_want(strand)
        ]

    @property
    def things(self) -> list[tuple[str, WantsSettled]]:
        """Who wants to know, by name: a source, or ``stage.step``."""
        return [(origin.name, origin.thing) for origin in self.origins]

    def look(self) -> None:
        """Find out what has ended, and tell.

        Raises
        ------
        SourceError
            If it cannot be noted.
        """
        for origin in self.origins:
            origin.look()

    def end_well(self) -> None:
        """Tell that all has ended: every strand is over, nothing was given up, and sinks are closed.

        Raises
        ------
        SourceError
            If it cannot be noted.
        """
        for origin in self.origins:
            origin.thing.settled(origin.run.came)

    def leave(self) -> None:
        """Tell that nothing more will be told."""
        for origin in self.origins:
            origin.thing.leave()

    def files(self) -> list[FilesReport]:
        """Return how far all of them are."""
        return [origin.thing.files() for origin in self.origins]

    def failures(self) -> list[str]:
        """Return of whom files have failed in this run."""
        found = [(report, report.failed_in_run) for report in self.files()]
        return [
            f"{report.name}: {count} file{'s' if count > 1 else ''} failed; the last: {report.cause}"
            for report, count in found
            if count
        ]


@dataclass(eq=False)
class _Way:
    """What lies behind an origin."""

    strands: list[Strand] = field(default_factory=list)
    """That read what it gives, or what comes of it."""
    by_edge: dict[int, Strand] = field(default_factory=dict)
    sinks: list[SinkEnd] = field(default_factory=list)
    is_clear: bool = True
    """Whether it can be followed: not through generators and buffers, which keep what nobody sees, nor by lanes, in
    which items overtake each other."""

    @classmethod
    def behind(cls, strand: Strand, run: Run, strands: Sequence[Strand], sinks: Mapping[str, SinkEnd]) -> "_Way":
        way = cls()
        ends = {id(end.writer): end for end in sinks.values()}
        readers = {id(edge): each for each in strands for edge in _edges_to(each)}
        way.is_clear = run is strand.runs[-1] and not strand.ends and not strand.lanes
        left = [strand]
        while left:
            at = left.pop()
            way.sinks += [ends[id(w)] for w in _writers(at) if id(w) in ends and ends[id(w)] not in way.sinks]
            for edge in at.out_edges:
                reader = readers[id(edge)]
                way.by_edge[id(edge)] = reader
                if reader not in way.strands:
                    way.strands.append(reader)
                    way.is_clear = way.is_clear and _is_clear(reader)
                    left.append(reader)
        return way


@dataclass(eq=False)
class _Origin:
    """One source or step that wants to know, and the wave that is under way behind it."""

    name: str
    thing: WantsSettled
    strand: Strand
    run: Run
    way: _Way
    told: int = 0
    count: int = 0
    """Of the wave."""
    waits: dict[int, "_Wait"] = field(default_factory=dict)
    """By edge, what is waited for."""
    is_under_way: bool = False

    def look(self) -> None:
        if not self.way.is_clear:
            return
        if not self.is_under_way:
            count = self.run.came
            if count <= self.told or _is_broken(self.strand):
                return
            self.count, self.is_under_way = count, True
            self._go_on_behind(self.strand)
        while (reached := next((wait for wait in self.waits.values() if wait.is_over()), None)) is not None:
            del self.waits[id(reached.edge)]
            self._go_on_behind(reached.strand)
        if not self.waits and all(end.is_written() for end in self.way.sinks):
            self.is_under_way, self.told = False, self.count
            self.thing.settled(self.count)

    def _go_on_behind(self, strand: Strand) -> None:
        for edge in strand.out_edges:
            # Where it is waited for an edge already, by another way, all that is there by now is waited for.
            self.waits[id(edge)] = _Wait(edge, self.way.by_edge[id(edge)])


class _Wait:
    """Waits until a strand has done all that lies on an edge now, or was taken from it."""

    def __init__(self, edge: Edge, strand: Strand) -> None:
        self.edge = edge
        self.strand = strand
        # In this order, as what is taken is counted before it is taken: so nothing is missed.
        self._until = len(edge.items) + edge.taken

    def is_over(self) -> bool:
        if isinstance(self.strand.feed, ParallelFeed):
            if self.strand.feed.is_net:
                return False  # it keeps what nobody sees, as generators do
            over = self.strand.feed.has_passed_on(self._until)
        else:
            is_empty, taken = not self.edge.items, self.edge.taken
            came = self.strand.runs[0].came
            # What an edge gives up is never done; then it is over when there is nothing left.
            over = came >= self._until or (is_empty and came >= taken)
        return over and not _is_broken(self.strand)


def _who_want(strand: Strand) -> Iterator[tuple[str, WantsSettled, Run]]:
    """Yield who wants to know, by name, with the parts that its items come to."""
    runs = strand.runs
    if isinstance(strand.feed, SourceFeed) and isinstance(strand.feed.source.thing, WantsSettled):
        yield strand.feed.name, strand.feed.source.thing, runs[0]
    for maker, run in zip(strand.makers, runs[1:], strict=True):
        if isinstance(maker.step.thing, WantsSettled):
            yield maker.address, maker.step.thing, run


def _edges_to(strand: Strand) -> Sequence[Edge]:
    if not isinstance(strand.feed, EdgeFeed | ParallelFeed):
        return ()
    edge = strand.feed.edge
    return edge.edges if isinstance(edge, LanedEdge) else [edge]


def _is_clear(strand: Strand) -> bool:
    has_lanes = strand.lanes or isinstance(getattr(strand.feed, "edge", None), LanedEdge)
    return not (strand.makers or strand.ends or has_lanes)


def _writers(strand: Strand) -> Iterator[object]:
    for part in (*strand.parts, *strand.lanes):
        if isinstance(part, OutPart):
            yield from part.writers


def _is_broken(strand: Strand) -> bool:
    """Whether something failed there on which the run fails: what is behind it never comes."""
    return strand.trouble is not None or any(
        failed and not (isinstance(part, StepPart) and part.stage.plan.on_error != "fail")
        for run in strand.runs
        for part, failed in zip(run.parts, run.counted.failed, strict=True)
    )
