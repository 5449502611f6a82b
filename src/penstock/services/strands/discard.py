"""One wish to give up all that waits before stages and sinks of a run, until everybody has done so."""

from collections.abc import Callable
from functools import partial
from typing import Final

from penstock.core import Account
from penstock.core.ledger import Entry
from penstock.services.strands.cut import Cut
from penstock.services.strands.laned_edge import LanedEdge
from penstock.services.strands.parallel_feed import ParallelFeed
from penstock.services.strands.stage import Stage
from penstock.services.strands.strand import Strand

__all__ = ["Discard"]

WHY: Final = "discarded on request"


class Discard:
    """What was asked for, and how much of it is done; for one thread, that of the run.

    What lies on edges is given up here. A held strand that is at an item first puts back what it has taken; a parallel
    stage asks its workers what they have not begun.

    Parameters
    ----------
    cut
        What the run's plan is made of.
    then
        Told once how many items were given up.
    tell
        Called, in whatever thread, when ``is_done`` is to be asked again.
    """

    def __init__(self, cut: Cut, then: Callable[[int], None], tell: Callable[[], None]) -> None:
        self._cut = cut
        self._then = then
        self._tell = tell
        self._count = 0
        self._open = {name: strand for strand in cut.strands for name in _edges_of(strand) if name in cut.entries}
        self._answers: dict[str, int | None] = {}
        for feed in cut.parallel:
            self._answers[feed.name] = None
            feed.discard(partial(self._answered, feed))

    def is_done(self) -> bool:
        """Give up what can be given up by now, and tell if that is all.

        Returns
        -------
        bool
            Whether it is.
        """
        self._open = {edge: strand for edge, strand in self._open.items() if not self._is_given_up(edge, strand)}
        over = {strand.feed.name for strand in self._cut.strands if strand.is_over}
        if self._open or any(count is None and name not in over for name, count in self._answers.items()):
            return False
        self.end()
        return True

    def end(self) -> None:
        """Tell what was given up, whatever is still open."""
        self._then(self._count + sum(filter(None, self._answers.values())))

    def _is_given_up(self, edge: str, strand: Strand) -> bool:
        # Before it is asked for: who has parked since then has put everything back.
        is_all = (
            isinstance(strand.feed, ParallelFeed)
            or not strand.gate.is_shut
            or strand.standstill.is_parked
            or strand.is_over
        )
        entry = self._cut.entries[edge]
        with strand.books.lock:
            count = self._cut.edges[edge].discard()
            if entry.consumer in self._cut.stages:
                self._books_of(strand, entry).give_up(count, WHY)
            else:
                entry.arrive(count)
                entry.post(Account.ABORTED, count, WHY)
        self._count += count
        return is_all

    def _books_of(self, strand: Strand, entry: Entry) -> Stage:
        """Return the books of a stage by an edge before it; those of its lanes are apart."""
        of_lanes = strand.feed.books if isinstance(strand.feed, ParallelFeed) else ()
        return next((each for each in of_lanes if each.entry is entry), self._cut.stages[entry.consumer])

    def _answered(self, feed: ParallelFeed, count: int) -> None:
        if count:  # by which lane is not asked
            feed.stage.entry.remark(Account.ABORTED.label, WHY)
        self._answers[feed.name] = count
        self._tell()


def _edges_of(strand: Strand) -> list[str]:
    """Return the names of the edges from which a strand reads."""
    edge = getattr(strand.feed, "edge", None)
    if isinstance(edge, LanedEdge):
        return [each.name for each in edge.edges] + [edge.name]
    return [strand.feed.name]
