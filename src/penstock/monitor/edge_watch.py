"""What can be seen of an edge while a run goes on: how fast it is now, and how long things stay on it.

It is found from the books alone, by looking at them now and then; nothing is noted for a message or a block, and
nobody who counts has to know of it.
"""

from collections import deque

from penstock.core.ledger import Entry, Ledger
from penstock.monitor.latency import Latency
from penstock.monitor.recent import Recent

__all__ = ["EdgeWatch", "Watches"]

MOST_WAITING = 4096
"""Arrivals that are told apart; what comes when so many wait counts as arrived with the last of them."""


class EdgeWatch:
    """How long things stay on one edge, from their arrival until they are in an account.

    They are taken to end in the order in which they came. Where they do not, as of several workers with ``order:
    free``, the mean is right all the same, and only the percentiles lie nearer to each other than they are.

    >>> from penstock.core.ledger import Account
    >>> entry = Entry("scan", "fit")
    >>> watch = EdgeWatch(entry)
    >>> entry.arrive(10); watch.look(now=0)
    >>> entry.post(Account.DONE, 10); watch.look(now=2_000_000)
    >>> watch.latency.total, watch.latency.max_s
    (10, 0.002)
    """

    __slots__ = ("_arrived", "_ended", "_waiting", "entry", "latency")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.latency = Latency()
        self._arrived = self._ended = 0
        self._waiting: deque[tuple[int, int]] = deque()
        """(how many had come by then, when)"""

    def look(self, now: int) -> None:
        """See what has come and what has ended since the last look."""
        # In this order, because others may count meanwhile: what has ended has arrived.
        ended, arrived = self.entry.ended, self.entry.arrived
        if arrived != self._arrived:
            self._arrived = arrived
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append((arrived, now))
            else:
                self._waiting[-1] = arrived, self._waiting[-1][1]
        if ended != self._ended:
            self._end(ended, now)

    def _end(self, ended: int, now: int) -> None:
        waiting = self._waiting
        before, self._ended = self._ended, ended
        while before < ended:
            come, since = waiting[0]
            until = min(come, ended)
            self.latency.add(now - since, until - before)
            before = until
            if come == until:
                waiting.popleft()


class Watches:
    """All edges of a run.

    Parameters
    ----------
    ledger
        May open further edges later.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._watches: list[EdgeWatch] = []
        self._recent = Recent()

    def look(self, now: int) -> None:
        """See what has changed; to be called whenever something may have, and once a second when nothing does."""
        if len(self._watches) != len(self._ledger):
            known = {id(watch.entry) for watch in self._watches}
            self._watches += [EdgeWatch(entry) for entry in self._ledger if id(entry) not in known]
        for watch in self._watches:
            watch.look(now)
        self._recent.look((watch.entry.arrived for watch in self._watches), now)

    def latency(self, entry: Entry) -> Latency:
        """Return how long things stay on an edge."""
        return next((watch.latency for watch in self._watches if watch.entry is entry), Latency())

    def recent_per_s(self, entry: Entry, now: int) -> float:
        """Return how many came in over the last second or so, a second; of the whole time if that was shorter."""
        at = next((k for k, watch in enumerate(self._watches) if watch.entry is entry), None)
        return 0.0 if at is None else self._recent.per_s(at, entry.arrived, now)
