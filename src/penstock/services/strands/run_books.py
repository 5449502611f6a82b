"""The books of a run of chains, as its report says them: of its edges and steps, with what is in none of them yet."""

from collections.abc import Iterable

import msgspec

from penstock.core import NS_PER_S, Account, Ledger
from penstock.elements.attendant import Attendant
from penstock.monitor.edge_watch import Watches
from penstock.monitor.recent import Recent
from penstock.monitor.report import EdgeReport, StepReport, edges_of, latency_report
from penstock.services.strands.cut import Cut
from penstock.services.strands.edge import Edge, Seen
from penstock.services.strands.feed import SourceFeed
from penstock.services.strands.laned_edge import LanedEdge, LaneEdge
from penstock.services.strands.parts import StepPart
from penstock.services.strands.tallies import StepTally

__all__ = ["RunBooks"]


class RunBooks:
    """Looked at by one thread, while nobody keeps them.

    Parameters
    ----------
    ledger
        Of the run.
    cut
        What its plan is made of.
    """

    def __init__(self, ledger: Ledger, cut: Cut) -> None:
        self._ledger = ledger
        self._cut = cut
        self._watches = Watches(ledger)
        self._recent = Recent()

    def look(self, now: int) -> None:
        """See how fast everything is; now and then, by the clock of the run."""
        self._watches.look(now)
        self._recent.look((part.arrived for part in self._cut.steps), now)

    def edges(self, duration_s: float, now: int, *, has_ended: bool) -> list[EdgeReport]:
        """Return the books, with what lies on an edge or was taken from it: it has arrived, counted or not."""
        queues = {
            id(self._cut.entries[name]): edge for name, edge in self._cut.edges.items() if name in self._cut.entries
        }
        in_hand = {} if has_ended else self._in_hand()
        found = []
        for entry, report in zip(self._ledger, edges_of(self._ledger, duration_s, self._watches, now), strict=True):
            edge = queues.get(id(entry))
            if count := in_hand.get(id(entry), 0):
                report = msgspec.structs.replace(
                    report, arrived=report.arrived + count, in_flight=report.in_flight + count
                )
            latency = None if edge is None else latency_report([("", edge.latency)]).get("")
            if edge is not None:
                report = msgspec.structs.replace(report, capacity=edge.capacity)
            if edge is not None and not has_ended:
                report = _with_seen(report, edge.seen())
            found.append(msgspec.structs.replace(report, latency=latency))
        return found

    def steps(self, duration_s: float, now: int, *, has_ended: bool) -> list[StepReport]:
        """Return what every step has done, in the order of the flow."""
        return [self._step(k, part, duration_s, now, has_ended=has_ended) for k, part in enumerate(self._cut.steps)]

    def shed_by_lanes(self) -> list[str]:
        """Return what lanes have given up by now, the lowest first, for people."""
        return _shed_by_lanes(self._cut.edges.values())

    # At the end

    def count_left(self, edge: str, count: int) -> None:
        """Account for what lay before a strand on an edge, if that has books, and was never worked on."""
        entry = self._cut.entries.get(edge)
        if entry is not None:
            entry.arrive(count)

    def count_in_hand(self) -> None:
        """Account for what sources had given and was held, and is given up."""
        for strand in self._cut.strands:
            if isinstance(strand.feed, SourceFeed):
                strand.feed.entry.arrive(strand.gate.left)

    def count_dropped(self) -> list[str]:
        """Account for what edges have given up; return what lanes have, for people."""
        found: list[str] = []
        for edge in self._cut.edges.values():
            entry = self._cut.entries.get(edge.name)
            if entry is None:
                continue
            for each in _lanes_of(edge):
                if each.dropped:
                    entry.arrive(each.dropped)
                    entry.post(Account.DROPPED, each.dropped, _shed(each))
            found += _shed_by_lanes([edge])
        return found

    def remark_silent(self) -> None:
        """Remark which sources were read and never gave anything, though that is what they are for."""
        for name, feed in self._cut.sources.items():
            if not (isinstance(feed.source.thing, Attendant) or feed.entry.arrived):
                feed.entry.remark("silent", f"{name} never gave anything")

    # Inside

    def _in_hand(self) -> dict[int, int]:
        """Return by its books what sources have given that waits, and is not there yet."""
        strands = self._cut.strands
        return {id(strand.feed.entry): strand.in_hand for strand in strands if isinstance(strand.feed, SourceFeed)}

    def _step(self, k: int, part: StepPart | StepTally, duration_s: float, now: int, *, has_ended: bool) -> StepReport:
        edge = self._cut.edges.get(part.address)
        return StepReport(
            stage=part.stage.name,
            step=part.name,
            arrived=part.arrived,
            filtered=part.filtered,
            failed=part.failed,
            rate_per_s=part.arrived / duration_s if duration_s > 0 else 0.0,
            mean_s=part.sampled_ns / part.samples / NS_PER_S if part.samples else None,
            max_s=part.longest_ns / NS_PER_S if part.samples else None,
            recent_per_s=self._recent.per_s(k, part.arrived, now),
            waiting=0 if edge is None or has_ended else len(edge),
            capacity=0 if edge is None else edge.capacity,
        )


def _with_seen(report: EdgeReport, seen: Seen) -> EdgeReport:
    """Return books that know of all that an edge has seen; what has no room is in none before the end."""
    accounts = {**report.accounts, **({Account.DROPPED.label: seen.dropped} if seen.dropped else {})}
    uncounted = seen.came - seen.dropped - report.arrived
    return msgspec.structs.replace(
        report, arrived=seen.came, in_flight=report.in_flight + uncounted, waiting=seen.waiting, accounts=accounts,
        loss=report.loss + seen.dropped,
    )  # fmt: skip


def _lanes_of(edge: Edge | LanedEdge) -> list[Edge]:
    return [*edge.edges] if isinstance(edge, LanedEdge) else [edge]


def _shed(edge: Edge) -> str:
    return f"of lane {edge.lane}: there was no room" if isinstance(edge, LaneEdge) else "there was no room"


def _shed_by_lanes(edges: Iterable[Edge | LanedEdge]) -> list[str]:
    """Return what lanes have given up, the lowest first."""
    lanes = [lane for edge in edges for lane in reversed(_lanes_of(edge))]
    found = [lane for lane in lanes if isinstance(lane, LaneEdge) and lane.dropped]
    return [f"{lane.name}: {lane.dropped} of lane {lane.lane} dropped: there was no room" for lane in found]
