"""What the ways of joining share: the waiting messages of several streams, and how a batch of events is made of them.

A join never decides what arrives in which order; trackers do. It holds whatever is not yet part of an event.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import concatenate, pick
from penstock.core.event import EventBatch, PartColumn
from penstock.core.ledger import Account, Entry
from penstock.core.tracker import Run

__all__ = ["FAR", "NEVER", "Incomplete", "Join", "Waiting"]

FAR = int(np.iinfo(np.int64).max)
"""A number no message has: a stream that has ended is beyond all numbers."""
NEVER = -FAR - 2
"""Below every number, that of key 0 too, which is the lowest of int64: a stream that has given nothing yet."""

Incomplete = Literal["wait", "pass", "drop"]


class Waiting:
    """One stream's messages that are not yet part of an event, in ascending order of their numbers."""

    __slots__ = ("_runs", "_taken", "count")

    def __init__(self) -> None:
        self._runs: deque[Run] = deque()
        self._taken = 0
        self.count = 0

    def add(self, run: Run) -> None:
        """Append messages above all that wait."""
        self._runs.append(run)
        self.count += len(run.numbers)

    @property
    def whole(self) -> Run | None:
        """The first messages, all of one block, if none of them was taken."""
        return self._runs[0] if self._runs and not self._taken else None

    def drop_whole(self) -> None:
        """Take all of these."""
        self.count -= len(self._runs.popleft().numbers)

    @property
    def head(self) -> NDArray[np.int64]:
        """Numbers of the first messages, all of one block; empty if none wait."""
        if not self._runs:
            return np.empty(0, np.int64)
        return self._runs[0].numbers[self._taken :] if self._taken else self._runs[0].numbers

    def oldest_ns(self, since_ns: int) -> int | None:
        """When the first message arrived, of those that arrived after a time."""
        if not self._runs:
            return None
        return next((run.arrived_ns for run in self._runs if run.arrived_ns > since_ns), None)

    def last_before(self, arrived_ns: int) -> int | None:
        """Return the highest number among what arrived up to a time."""
        found = None
        for run in self._runs:
            if run.arrived_ns > arrived_ns:
                break
            found = int(run.numbers[-1])
        return found

    def clear(self) -> None:
        """Forget everything."""
        self._runs.clear()
        self._taken = self.count = 0

    def numbers(self) -> NDArray[np.int64]:
        """Return all numbers that wait."""
        runs = [run.numbers for run in self._runs]
        return np.concatenate(runs)[self._taken :] if runs else np.empty(0, np.int64)

    def take_head(self, n: int) -> Run:
        """Take the first n messages, which must all be of the first block."""
        run = self._runs[0]
        rows = slice(self._taken, self._taken + n)
        self.count -= n
        self._taken += n
        if self._taken == len(run.numbers):
            self._runs.popleft()
            self._taken = 0
        if n == len(run.numbers):
            return run
        return Run(run.block, pick(run.rows, rows), run.numbers[rows], run.arrived_ns)

    def take(self, n: int) -> Run | None:
        """Take the first n messages, copying them together where they lie in several blocks."""
        runs = []
        while n:
            runs.append(self.take_head(min(n, len(self.head))))
            n -= len(runs[-1].numbers)
        if len(runs) < 2:
            return runs[0] if runs else None
        block = concatenate([run.block.take(run.rows) for run in runs])
        numbers = np.concatenate([run.numbers for run in runs])
        return Run(block, slice(0, len(block)), numbers, runs[0].arrived_ns)


class Join(ABC):
    """Form events out of the ascending messages of several streams.

    Parameters
    ----------
    name
        Of the join, written on its batches.
    streams
        Names, in the order of an event's parts.
    entries
        The books of each stream at this join.
    incomplete
        What becomes of events with a part missing: ``pass`` them or ``drop`` them; ``wait`` passes them too, but
        never gives up a stream that may still come.
    """

    def __init__(self, name: str, streams: Sequence[str], entries: Sequence[Entry], incomplete: Incomplete) -> None:
        self.name = name
        self.streams = tuple(streams)
        self.entries = tuple(entries)
        self.incomplete = incomplete
        self.waiting = tuple(Waiting() for _ in streams)
        self.reached = [NEVER for _ in streams]
        """For each stream the highest number below which nothing will come any more."""
        self.formed = 0
        """Events so far."""
        self.next_number = 0
        """Above the numbers of all events so far."""

    @abstractmethod
    def floors(self, followed: Mapping[int, int]) -> dict[int, int]:
        """Return by stream up to which number everything has gone, when a run goes on.

        Parameters
        ----------
        followed
            The highest number that each stream has in the events before.
        """

    @abstractmethod
    def form(self) -> Sequence[EventBatch]:
        """Return the events that can be formed now, in the order of their numbers."""

    @abstractmethod
    def overdue(self, arrived_ns: int) -> int | None:
        """Return up to which number what arrived by then has waited; ``None`` if nothing has."""

    def pending(self, stream: int) -> int:
        """Return how many messages of a stream wait here."""
        return self.waiting[stream].count

    def next_due_ns(self) -> int | None:
        """Return when ``tick`` changes something; ``None`` if it never does."""
        return None

    def tick(self, now: int) -> None:  # noqa: B027, most joins have no time of their own
        """Let time pass."""

    def close(self) -> None:  # noqa: B027, most joins keep nothing
        """Account for what is kept beyond the events, because no more will be formed."""

    def abort(self) -> None:
        """Give up everything that waits."""
        for stream, waiting in enumerate(self.waiting):
            self.post(stream, Account.ABORTED, waiting.count)
            waiting.clear()

    def follow(self, batch: EventBatch) -> None:
        """Take note of events that were formed when the run that goes on was recorded."""
        self.formed += len(batch)
        self.next_number = int(batch.numbers[-1]) + 1

    def batch(self, numbers: NDArray[np.int64], parts: Sequence[PartColumn], arrived_ns: int) -> EventBatch:
        """Make a batch, and count its events."""
        self.formed += len(numbers)
        if len(numbers):
            self.next_number = int(numbers[-1]) + 1
        return EventBatch(
            join=self.name, names=self.streams, numbers=numbers, parts=tuple(parts), arrived_ns=arrived_ns
        )

    def post(self, stream: int, account: Account, count: int, detail: str = "") -> None:
        """Account for messages of a stream that leave the join."""
        if count:
            self.entries[stream].post(account, count, detail)
