"""Who works on which items of a parallel stage, and in which order what came of them goes on.

Pure: it knows no thread, no process and no clock, and looks at no item. Items come by lanes, 0 being the most urgent,
and have numbers in theirs from 0 on, in the order in which they came; several in a row are handled as one *span*, so
that a million small ones cost little.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from penstock.errors import StateError

__all__ = ["Shares", "Suspect"]

Span = tuple[int, int, list[Any]]
"""Its lane, the number of its first item there, and the items."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """An item that a worker died on."""

    number: int
    item: Any
    deaths: int
    """How many workers have died on it by now."""
    lane: int = 0


class Shares:
    """Items that wait, that workers have, and that are done and wait for their turn.

    Each worker works on what it has in the order in which it was given. Every item that was added goes on exactly once,
    whoever dies. What waits in a more urgent lane is given before anything of others; order is kept within a lane.

    Parameters
    ----------
    workers
        How many; they are numbered from 0.
    order
        ``kept``: what came of items goes on in their order; ``free``: as it comes.
    lanes
        How many.

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

    def __init__(self, workers: int, *, order: Literal["kept", "free"], lanes: int = 1) -> None:
        self._is_kept = order == "kept"
        self._given: dict[int, deque[Span]] = {worker: deque() for worker in range(workers)}
        self._waiting: list[Span] = []  # a heap: urgent lanes first, and what comes back before what came later
        self._done: list[dict[int, list[Any]]] = [{} for _ in range(lanes)]
        self._ready: list[list[list[Any]]] = [[] for _ in range(lanes)]
        self._deaths: dict[tuple[int, int], int] = {}
        self._added = [0] * lanes
        self._next = [0] * lanes
        self.in_flight_by = [0] * lanes
        """By lane, items that were added and have not gone on."""
        self.waiting_by = [0] * lanes
        """By lane, those of them that nobody has."""

    @property
    def in_flight(self) -> int:
        """Items that were added and have not gone on."""
        return sum(self.in_flight_by)

    @property
    def waiting(self) -> int:
        """Those of them that nobody has."""
        return sum(self.waiting_by)

    def join(self, worker: int) -> None:
        """Let another worker come, under a number that none has had."""
        self._given[worker] = deque()

    def leave(self, worker: int) -> None:
        """Let a worker go that has nothing.

        Raises
        ------
        StateError
            If it has something.
        """
        if count := self.has(worker):
            raise StateError(f"worker {worker} has {count} items and cannot leave")
        del self._given[worker]

    def add(self, items: list[Any], lane: int = 0) -> None:
        """Take more items in."""
        if items:
            self._wait(lane, self._added[lane], items)
            self._added[lane] += len(items)
            self.in_flight_by[lane] += len(items)

    @property
    def answered(self) -> int:
        """How many items have gone on or are ready to, of all lanes together."""
        held = sum(len(outcomes) for done in self._done for outcomes in done.values())
        return sum(self._added) - self.waiting - sum(map(self.has, self._given)) - held

    def first_open(self) -> int:
        """Return the number of the first item of lane 0 that is neither ready to go on nor has: all before it are."""
        if self._is_kept:
            return self._next[0]
        spans = [*self._waiting, *(span for given in self._given.values() for span in given)]
        return min([first for lane, first, _ in spans if not lane], default=self._added[0])

    def has(self, worker: int) -> int:
        """Return how many items a worker has."""
        return sum(len(items) for _, _, items in self._given[worker])

    def lane_of(self, worker: int, at: int = 0) -> int:
        """Return the lane of a span that a worker has, 0 being the one it is at; 0 if it has none."""
        given = self._given[worker]
        return given[at][0] if given else 0

    def keeps_back(self, worker: int, lane: int) -> bool:
        """Return whether a worker has items of less urgent lanes behind the one it may be at."""
        given = self._given[worker]
        return any(other > lane and (at > 0 or len(items) > 1) for at, (other, _, items) in enumerate(given))

    def first_waiting(self) -> int:
        """Return the number of the item of lane 0 that is given next; there is one."""
        return self._waiting[0][1]

    def give(self, worker: int, most: int) -> list[Any]:
        """Let a worker have at most so many of those that wait, of the most urgent lane the oldest, and return them."""
        found: list[Any] = []
        lane = self._waiting[0][0] if self._waiting else 0
        while self._waiting and len(found) < most and self._waiting[0][0] == lane:
            _, first, items = heapq.heappop(self._waiting)
            room = most - len(found)
            if len(items) > room:
                heapq.heappush(self._waiting, (lane, first + room, items[room:]))
                items = items[:room]
            self._given[worker].append((lane, first, items))
            found += items
        self.waiting_by[lane] -= len(found)
        return found

    def answer(self, worker: int, outcomes: Sequence[Any]) -> None:
        """Note what came of the next items of a worker.

        Raises
        ------
        StateError
            If it has not so many; nothing is noted.
        """
        given, at = self._given[worker], 0
        if given and len(given[0][2]) == len(outcomes):  # nearly always
            lane, first, _ = given.popleft()
            self._settle(lane, first, list(outcomes))
            return
        if len(outcomes) > self.has(worker):
            raise StateError(f"worker {worker} answers for {len(outcomes)} items and has {self.has(worker)}")
        while at < len(outcomes):
            lane, first, items = given.popleft()
            count = min(len(items), len(outcomes) - at)
            if count < len(items):
                given.appendleft((lane, first + count, items[count:]))
            self._settle(lane, first, list(outcomes[at : at + count]))
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
            lane, first, items = given.pop()
            if len(items) > count:
                kept = len(items) - count
                given.append((lane, first, items[:kept]))
                first, items = first + kept, items[kept:]
            self._wait(lane, first, items)
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
        for lane, first, items in spans:
            if suspect is None and at is not None and at < len(items):
                number = first + at
                self._deaths[lane, number] = self._deaths.get((lane, number), 0) + 1
                suspect = Suspect(number, items[at], self._deaths[lane, number], lane)
                self._wait(lane, first, items[:at])
                self._wait(lane, number + 1, items[at + 1 :])
            else:
                self._wait(lane, first, items)
                at = None if at is None else at - len(items)
        return suspect

    def again(self, suspect: Suspect) -> None:
        """Let an item wait again that somebody has died on."""
        self._wait(suspect.lane, suspect.number, [suspect.item])

    def give_up(self, suspect: Suspect, outcome: Any) -> None:
        """Say what is to go on in the place of an item that is given to nobody any more."""
        del self._deaths[suspect.lane, suspect.number]
        self._settle(suspect.lane, suspect.number, [outcome])

    def answer_last(self, worker: int, outcome: Any) -> None:
        """Say what is to go on in the place of the last item a worker was given, of a span of one."""
        lane, first, _ = self._given[worker].pop()
        self._settle(lane, first, [outcome])

    def discard(self, outcome: Any) -> list[int]:
        """Say what is to go on in the place of everything that nobody has; return by lane how many items that is."""
        counts, self.waiting_by = self.waiting_by, [0] * len(self.waiting_by)
        while self._waiting:
            lane, first, items = heapq.heappop(self._waiting)
            self._settle(lane, first, [outcome] * len(items))
        return counts

    def is_ready(self, lane: int) -> bool:
        """Return whether something goes on now of a lane."""
        return bool(self._ready[lane])

    def take_ready(self, lane: int = 0) -> list[list[Any]]:
        """Return what goes on now of a lane, in pieces that are not empty."""
        ready, self._ready[lane] = self._ready[lane], []
        self.in_flight_by[lane] -= sum(map(len, ready))
        return ready

    def _wait(self, lane: int, first: int, items: list[Any]) -> None:
        if items:
            heapq.heappush(self._waiting, (lane, first, items))
            self.waiting_by[lane] += len(items)

    def _settle(self, lane: int, first: int, outcomes: list[Any]) -> None:
        if self._deaths:
            self._forget(lane, range(first, first + len(outcomes)))
        if not self._is_kept:
            self._ready[lane].append(outcomes)
            return
        done = self._done[lane]
        done[first] = outcomes
        while (found := done.pop(self._next[lane], None)) is not None:
            self._ready[lane].append(found)
            self._next[lane] += len(found)

    def _forget(self, lane: int, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._deaths.pop((lane, number), None)
