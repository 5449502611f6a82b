"""Who works on which items of a parallel stage, and in which order what came of them goes on.

Pure: it knows no thread, no process and no clock, and looks at no item. Items have numbers from 0 on, in the order in
which they came; several in a row are handled as one *span*, so that a million small ones cost little.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from penstock.errors import StateError

__all__ = ["Shares", "Suspect"]

Span = tuple[int, list[Any]]
"""The number of its first item, and the items."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """An item that a worker died on."""

    number: int
    item: Any
    deaths: int
    """How many workers have died on it by now."""


class Shares:
    """Items that wait, that workers have, and that are done and wait for their turn.

    Each worker works on what it has in the order in which it was given. Every item that was added goes on exactly once,
    whoever dies.

    Parameters
    ----------
    workers
        How many; they are numbered from 0.
    order
        ``kept``: what came of items goes on in their order; ``free``: as it comes.

    Examples
    --------
    >>> shares = Shares(2, order="kept")
    >>> shares.add(["a", "b", "c"])
    >>> shares.give(0, 1), shares.give(1, 2)
    (['a'], ['b', 'c'])
    >>> shares.answer(1, ["B", "C"]); shares.take_ready()
    []
    >>> shares.answer(0, ["A"]); shares.take_ready()
    [['A'], ['B', 'C']]
    """

    def __init__(self, workers: int, *, order: Literal["kept", "free"]) -> None:
        self._is_kept = order == "kept"
        self._given: list[deque[Span]] = [deque() for _ in range(workers)]
        self._waiting: list[Span] = []  # a heap: what comes back goes before what came later
        self._done: dict[int, list[Any]] = {}
        self._ready: list[list[Any]] = []
        self._deaths: dict[int, int] = {}
        self._added = 0
        self._next = 0
        self.in_flight = 0
        """Items that were added and have not gone on."""
        self.waiting = 0
        """Those of them that nobody has."""

    def add(self, items: list[Any]) -> None:
        """Take more items in."""
        if items:
            heapq.heappush(self._waiting, (self._added, items))
            self._added += len(items)
            self.in_flight += len(items)
            self.waiting += len(items)

    def has(self, worker: int) -> int:
        """Return how many items a worker has."""
        return sum(len(items) for _, items in self._given[worker])

    def give(self, worker: int, most: int) -> list[Any]:
        """Let a worker have at most so many of those that wait, the oldest first, and return them."""
        found: list[Any] = []
        while self._waiting and len(found) < most:
            first, items = heapq.heappop(self._waiting)
            room = most - len(found)
            if len(items) > room:
                heapq.heappush(self._waiting, (first + room, items[room:]))
                items = items[:room]
            self._given[worker].append((first, items))
            found += items
        self.waiting -= len(found)
        return found

    def answer(self, worker: int, outcomes: Sequence[Any]) -> None:
        """Note what came of the next items of a worker.

        Raises
        ------
        StateError
            If it has not so many; nothing is noted.
        """
        if len(outcomes) > self.has(worker):
            raise StateError(f"worker {worker} answers for {len(outcomes)} items and has {self.has(worker)}")
        given, at = self._given[worker], 0
        while at < len(outcomes):
            first, items = given.popleft()
            count = min(len(items), len(outcomes) - at)
            if count < len(items):
                given.appendleft((first + count, items[count:]))
            self._settle(first, list(outcomes[at : at + count]))
            at += count

    def take_back(self, worker: int, count: int) -> None:
        """Let the last items of a worker, which it has not begun, wait again.

        Raises
        ------
        StateError
            If it has not so many; nothing is noted.
        """
        if count > self.has(worker):
            raise StateError(f"worker {worker} gives {count} items back and has {self.has(worker)}")
        given = self._given[worker]
        while count:
            first, items = given.pop()
            if len(items) > count:
                kept = len(items) - count
                given.append((first, items[:kept]))
                first, items = first + kept, items[kept:]
            self._wait(first, items)
            count -= len(items)

    def lose(self, worker: int, at: int | None = None) -> Suspect | None:
        """Let everything wait again that a worker had which has died.

        Parameters
        ----------
        at
            Which of the items that it had it was at, from 0; ``None`` if it was at none of them.

        Returns
        -------
        Suspect
            The item it was at, which does not wait: let it be given ``again``, or ``give_up``.
        """
        spans, self._given[worker] = self._given[worker], deque()
        suspect = None
        for first, items in spans:
            if suspect is None and at is not None and at < len(items):
                number = first + at
                self._deaths[number] = self._deaths.get(number, 0) + 1
                suspect = Suspect(number, items[at], self._deaths[number])
                self._wait(first, items[:at])
                self._wait(number + 1, items[at + 1 :])
            else:
                self._wait(first, items)
                at = None if at is None else at - len(items)
        return suspect

    def again(self, suspect: Suspect) -> None:
        """Let an item wait again that somebody has died on."""
        self._wait(suspect.number, [suspect.item])

    def give_up(self, suspect: Suspect, outcome: Any) -> None:
        """Say what is to go on in the place of an item that is given to nobody any more."""
        del self._deaths[suspect.number]
        self._settle(suspect.number, [outcome])

    def answer_last(self, worker: int, outcome: Any) -> None:
        """Say what is to go on in the place of the last item a worker was given, of a span of one."""
        first, _ = self._given[worker].pop()
        self._settle(first, [outcome])

    def take_ready(self) -> list[list[Any]]:
        """Return what goes on now, in pieces that are not empty."""
        ready, self._ready = self._ready, []
        self.in_flight -= sum(map(len, ready))
        return ready

    def _wait(self, first: int, items: list[Any]) -> None:
        if items:
            heapq.heappush(self._waiting, (first, items))
            self.waiting += len(items)

    def _settle(self, first: int, outcomes: list[Any]) -> None:
        if self._deaths:
            self._forget(range(first, first + len(outcomes)))
        if not self._is_kept:
            self._ready.append(outcomes)
            return
        self._done[first] = outcomes
        while (found := self._done.pop(self._next, None)) is not None:
            self._ready.append(found)
            self._next += len(found)

    def _forget(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._deaths.pop(number, None)
