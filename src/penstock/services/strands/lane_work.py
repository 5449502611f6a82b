"""Working on what comes of a stage with lanes: piece by piece, each by the way out of its lane."""

import threading
from collections.abc import Sequence

from penstock.services.strands.parallel_feed import ParallelFeed
from penstock.services.strands.pauses import Pauses
from penstock.services.strands.run import Run

__all__ = ["LaneWork"]


class LaneWork:
    """Takes the pieces of a parallel stage out by its lanes, until it has ended.

    Parameters
    ----------
    feed
        Gives pieces; it sees to it that there is room for them, as a full lane stops no other.
    runs
        By lane.
    """

    def __init__(self, feed: ParallelFeed, runs: Sequence[Run], pauses: Pauses) -> None:
        self._feed = feed
        self._runs = runs
        self._pauses = pauses

    def work(self, _event: threading.Event) -> None:
        """Work in this thread; the feed has a way of its own to wake it."""
        for lane, items in self._feed.pieces():
            self._runs[lane].work(items, self._pauses.asked)
            self._pauses.end()

    async def work_awaiting(self) -> None:
        """Do as ``work`` on an event loop."""
        async for lane, items in self._feed.pieces_awaiting():
            await self._runs[lane].work_awaiting(items, self._pauses.asked)
            self._pauses.end()
