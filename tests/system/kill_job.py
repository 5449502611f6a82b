"""What the runs are made of in which processes are killed: instruments at a pace, quick and slow code, two reducers."""

import os
import signal
import time
from typing import Any

import numpy as np

from penstock.core import Block, Event, Kind, Message
from penstock.core.decoder import Traits
from penstock.core.result import Result
from penstock.elements.source import Reading, Source
from penstock.views import ArrayView

NS_PER_S = 1_000_000_000
SIZE = 16
"""Numbers a frame has."""


def frames(numbers: range) -> list[Message]:
    return [Message(key=k, array=np.full(SIZE, k, np.int64)) for k in numbers]


class Written(Source):
    """Frames as from a file, a block at a time, at a pace that makes the run last."""

    traits = Traits(number="frame", first=0)
    is_repeatable = True

    def __init__(self, n: int, block: int = 20, pace_s: float = 0.004) -> None:
        self._n, self._block, self._pace_ns = n, block, round(pace_s * NS_PER_S)
        self._next = -1
        self._due_ns = 0

    def wait_s(self, now_ns: int) -> float:
        return max(0, self._due_ns - now_ns) / NS_PER_S

    def read(self, now_ns: int) -> Reading:
        self._due_ns = now_ns + self._pace_ns
        first, self._next = self._next, min(self._n, max(self._next, 0) + (self._block if self._next >= 0 else 0))
        if first < 0:
            return Reading(blocks=[Block.of(self.stream, [Message(kind=Kind.START)], 1)])
        if first == self._n:
            return Reading(blocks=[Block.of(self.stream, [Message(kind=Kind.END)], self._n + 2)], ended=True)
        return Reading(blocks=[Block.of(self.stream, frames(range(first, self._next)), first + 2)])


class Live(Source):
    """Frames as time passes: which one it is, the clock says, and whoever does not look misses it."""

    traits = Traits(number="frame", first=0, has_start=False)

    def __init__(self, n: int, began_ns: int, rate: float = 5000.0) -> None:
        self._n, self._began_ns, self._rate = n, began_ns, rate
        self._next: int | None = None
        self._id = 1

    def wait_s(self, now_ns: int) -> float:
        return 0.0 if self._next is None or self._at(now_ns) >= self._next + 10 else 0.001

    def read(self, now_ns: int) -> Reading:
        at = min(self._n, max(0, self._at(now_ns)))
        first = at if self._next is None and at > 100 else self._next or 0
        self._next = at
        blocks = []
        for start in range(first, at, 50):
            numbers = range(start, min(start + 50, at))
            blocks.append(Block.of(self.stream, frames(numbers), self._id))
            self._id += len(numbers)
        ended = at == self._n
        if ended:
            blocks.append(Block.of(self.stream, [Message(kind=Kind.END)], self._id))
        return Reading(blocks=blocks, ended=ended)

    def _at(self, now_ns: int) -> int:
        return int((now_ns - self._began_ns) / NS_PER_S * self._rate)


def weigh(event: Event) -> int:
    """Return what is checked: both frames must be those of the event; it takes some time."""
    total = 0
    for part in event.parts:
        if isinstance(part, Message):
            total += int(part.array.sum())
    for _ in range(300):
        total += 0
    return total


def weigh_or_die(event: Event, numbers: list[int], how: str) -> int:
    """Kill this process at some events."""
    if event.number in numbers:
        if how == "hang":
            time.sleep(3600)
        if how == "exit":
            os._exit(3)
        os.kill(os.getpid(), signal.SIGKILL)
    return event.number


class BatchOrDie:
    """The same, a range at a time."""

    def __init__(self, numbers: list[int], how: str) -> None:
        self._numbers, self._how = numbers, how

    def process(self, event: Event) -> int:
        return weigh_or_die(event, self._numbers, self._how)

    def process_batch(self, events: Any) -> list[int]:
        return [self.process(event) for event in events.events()]


class Sums:
    """The sum of all results, and every event's number and result, in the order in which they came."""

    def __init__(self) -> None:
        self.total = ArrayView((), "i8")
        self.numbers = ArrayView((None,), "i8")
        self.results = ArrayView((None,), "i8")
        self.views = {"total": self.total, "each": {"numbers": self.numbers, "results": self.results}}

    def reduce(self, result: Result) -> None:
        self.total.add((), result.value)
        self.numbers.append(result.number)
        self.results.append(result.value)


class Lists:
    """The same in plain lists, beside a count that no view shows."""

    def __init__(self) -> None:
        self.count = 0
        self.rows: list[int] = []
        self.views: dict[str, Any] = {"rows": self.rows, "count": 0}

    def reduce(self, result: Result) -> None:
        self.count += 1
        self.rows.append(result.number)
        self.views["count"] = self.count


class DieAt(Sums):
    """Kills itself at one result, every time."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def reduce(self, result: Result) -> None:
        if result.number == self._number:
            os.kill(os.getpid(), signal.SIGKILL)
        super().reduce(result)
