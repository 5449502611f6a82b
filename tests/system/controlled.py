"""What the runs that tests control are made of: instruments that go on until stopped, code that tells who it is."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from penstock.core import Block, Event, Kind, Message
from penstock.core.decoder import Traits
from penstock.core.parameter import Unit
from penstock.core.result import Result
from penstock.elements.source import Reading, Source
from penstock.views import ArrayView

NS_PER_S = 1_000_000_000
SIZE = 8


class Paced(Source):
    """A frame at a time, so many a second, with a header before; it ends after ``n``, or never.

    With ``gate``, it ends only when that file exists.
    """

    traits = Traits(number="frame", first=0)

    def __init__(self, rate: float = 2000, n: int = 0, block: int = 10, gate: str = "") -> None:
        self._period_ns = round(block / rate * NS_PER_S)
        self._n, self._block, self._gate = n, block, gate
        self._next, self._id, self._due_ns = 0, 1, 0

    def wait_s(self, now_ns: int) -> float:
        return max(0.0, (self._due_ns - now_ns) / NS_PER_S)

    def read(self, now_ns: int) -> Reading:
        self._due_ns = max(self._due_ns, now_ns - NS_PER_S // 10) + self._period_ns
        if self._id == 1:
            return self._blocks([Message(kind=Kind.START, metadata={"n": self._n})])
        left = self._n - self._next if self._n else self._block
        if left <= 0 or (self._gate and Path(self._gate).exists()):
            return self._blocks([Message(kind=Kind.END)], ended=True)
        numbers = range(self._next, self._next + min(left, self._block))
        self._next = numbers.stop
        return self._blocks([Message(key=k, array=np.full(SIZE, k, np.int64)) for k in numbers])

    def _blocks(self, messages: list[Message], *, ended: bool = False) -> Reading:
        block = Block.of(self.stream, messages, self._id)
        self._id += len(messages)
        return Reading(blocks=[block], ended=ended)


class Waits(Source):
    """Says that a scan begins, and then waits on a pipe through which nothing ever comes."""

    traits = Traits(number="frame", first=0)

    def __init__(self) -> None:
        self._ends: tuple[int, ...] = ()
        self._is_told = False

    def open(self) -> None:
        self._ends = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def close(self) -> None:
        for fd in self._ends:
            os.close(fd)
        self._ends = ()

    @property
    def pollable(self) -> int | None:
        return self._ends[0] if self._ends else None

    def read(self, now_ns: int) -> Reading:
        if self._is_told:
            return Reading()
        self._is_told = True
        return Reading(blocks=[Block.of(self.stream, [Message(kind=Kind.START)], 1)])


Gain = Annotated[float, Ge(0)]


def scaled(event: Event, *, gain: Gain = 1.0) -> dict[str, Any]:
    """A function with a parameter, that says what it saw and who it is."""
    return {"number": event.number, "gain": gain, "worker": os.getpid()}


def every_500th(upstream: Iterator[Any]) -> Iterator[Any]:
    """Let one in 500 through."""
    yield from (item for count, item in enumerate(upstream) if count % 500 == 0)


class Scaled:
    """A class with a parameter."""

    def __init__(self, wait_s: float = 0.0, *, gain: Gain = 1.0) -> None:
        self.wait_s = wait_s
        self.gain = gain

    def process(self, event: Event) -> dict[str, Any]:
        time.sleep(self.wait_s)
        return {"number": event.number, "gain": self.gain, "worker": os.getpid()}


class Rows:
    """What came, in the order in which it came: number, gain, worker, revision, and the reducer's own parameter."""

    def __init__(self, *, label: float = 0.0) -> None:
        self.label = label
        self.rows = ArrayView((None, 5), "f8")
        self.views = {"rows": self.rows}

    def reduce(self, result: Result) -> None:
        seen = result.value
        self.rows.append((result.number, seen["gain"], seen["worker"], result.revision, self.label))


class Noted:
    """Writes down, in a file of its own, which hooks are called and which events it sees."""

    def __init__(self, folder: str, wait_s: float = 0.0) -> None:
        self._path = Path(folder) / str(os.getpid())
        self._wait_s = wait_s

    def start(self, event: Event) -> None:
        self._note("start")

    def process(self, event: Event) -> dict[str, Any]:
        self._note(f"event {event.number}")
        time.sleep(self._wait_s)
        return {"number": event.number, "gain": 1.0, "worker": os.getpid()}

    def end(self, event: Event) -> None:
        self._note("end")

    def close(self) -> None:
        self._note("close")

    def _note(self, text: str) -> None:
        with self._path.open("a") as file:
            file.write(f"{text}\n")


def place(event: Event) -> dict[str, Any]:
    """Where a worker may run, and how many threads its libraries may have."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    threads = [os.environ.get(name, "") for name in names]
    return {"cpus": sorted(os.sched_getaffinity(0)), "threads": threads, "worker": os.getpid()}


class Places:
    """Where all of them were."""

    def __init__(self) -> None:
        self.seen: set[tuple[tuple[int, ...], tuple[str, ...]]] = set()
        self.views: dict[str, Any] = {}

    def reduce(self, value: dict[str, Any]) -> None:
        self.seen.add((tuple(value["cpus"]), tuple(value["threads"])))
        self.views = {
            "cpus": [list(cpus) for cpus, _ in sorted(self.seen)],
            "threads": [list(threads) for _, threads in sorted(self.seen)],
        }


def times(message: Message, wait_s: float = 0.0, *, factor: float = 1.0) -> dict[str, float]:
    """A step with a parameter; of a message of an instrument, whose ids count otherwise than events."""
    time.sleep(wait_s)
    return {"id": message.id, "factor": factor}


def plus(value: dict[str, float], *, offset: float = 0.0) -> dict[str, float]:
    """A step behind it."""
    return {**value, "offset": offset}


class Steps:
    """What came of the steps: id, factor, offset, revision, and the reducer's own parameter."""

    def __init__(self, *, label: float = 0.0) -> None:
        self.label = label
        self.rows = ArrayView((None, 5), "f8")
        self.views = {"rows": self.rows}

    def reduce(self, result: Result) -> None:
        seen = result.value
        self.rows.append((seen["id"], seen["factor"], seen["offset"], result.revision, self.label))


def weighed(message: Message, *, factor: Annotated[float, Unit("V"), Ge(0), "of every frame"] = 1.0) -> float:
    """The frame's number, times a factor."""
    return float(message.array[0]) * factor


class Weights:
    """All weights in the order of the events, and how many there are."""

    def __init__(self) -> None:
        self._rows = ArrayView((None,), "f8", unit="V", axes=("frame",), title="weights")
        self.count = 0

    @property
    def views(self) -> dict[str, Any]:
        return {"rows": self._rows, "count": self.count}

    def reduce(self, value: float) -> None:
        self._rows.append(value)
        self.count += 1


def both(event: Event, *, factor: Annotated[float, Unit("V"), Ge(0), "of every frame"] = 1.0) -> float:
    """The sum of both frames' numbers, times a factor."""
    return float(sum(event[name].array[0] for name in ("a", "b") if event[name] is not None)) * factor


class Large:
    """A view of 80 MB, of which a row changes with every result, and how many there were."""

    def __init__(self) -> None:
        self._big, self._count = ArrayView((1000, 10_000), "f8", unit="counts"), 0

    @property
    def views(self) -> dict[str, Any]:
        return {"big": self._big, "count": self._count}

    def reduce(self, value: Any) -> None:
        self._big.set(self._count % 1000, self._count)
        self._count += 1
