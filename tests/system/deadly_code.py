"""What the runs are made of in which processes die: instruments that wait for a test, code that kills, two reducers."""

import ctypes
import os
import resource
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from penstock.core import Block, Event, EventBatch, Kind, Message
from penstock.core.decoder import Traits
from penstock.core.result import Result
from penstock.elements.sink import RunFacts, Sink
from penstock.elements.source import Reading, Source
from penstock.views import ArrayView

NS_PER_S = 1_000_000_000
SIZE = 64
"""Numbers a frame has; together they are 64 times its own number."""
LEFT_OUT = 0.1
"""Of the frames that wait for the gate."""


def frames(numbers: Sequence[int]) -> list[Message]:
    return [Message(key=k, array=np.full(SIZE, k, np.int64)) for k in numbers]


class Stored(Source):
    """Frames as of a file, the same each time it is opened.

    Between blocks it waits a moment. The last tenth comes when there is a gate, if one is named, so that a run lasts as
    long as a test needs.
    """

    traits = Traits(number="frame", first=0)
    is_repeatable = True

    def __init__(
        self, n: int, block: int = 20, pace_s: float = 0.0, gate: str = "", missing: Sequence[int] = ()
    ) -> None:
        self._numbers = [k for k in range(n) if k not in set(missing)]
        self._block, self._pace_ns, self._gate = block, round(pace_s * NS_PER_S), gate
        self._blocks: Iterator[Block] = iter(())
        self._due_ns = 0
        self._left = 0

    def open(self) -> None:
        self._blocks = self._all()
        self._left = len(self._numbers) + 1

    def wait_s(self, now_ns: int) -> float:
        if self._left <= LEFT_OUT * len(self._numbers) and self._gate and not Path(self._gate).exists():
            return 0.005
        return max(0.0, (self._due_ns - now_ns) / NS_PER_S)

    def read(self, now_ns: int) -> Reading:
        self._due_ns = now_ns + self._pace_ns
        block = next(self._blocks, None)
        self._left -= 0 if block is None else len(block)
        # Two texts in all, at places that are always the same: with the start and with the end.
        texts = ["bytes that mean nothing"] if block is not None and block.kind is not Kind.DATA else []
        return Reading(blocks=[] if block is None else [block], unparsable=texts, ended=block is None)

    def _all(self) -> Iterator[Block]:
        yield Block.of(self.stream, [Message(kind=Kind.START, metadata={"n": len(self._numbers)})], 1)
        at = 0
        while at < len(self._numbers):
            numbers = self._numbers[at : at + self._block]
            yield Block.of(self.stream, frames(numbers), at + 2)
            at += len(numbers)
        yield Block.of(self.stream, [Message(kind=Kind.END)], len(self._numbers) + 2)


class Live(Source):
    """Frames as time passes: which one is sent says a clock that several instruments share; who looks away misses it.

    The clock begins when the first of them is opened.
    """

    traits = Traits(number="frame", first=0)

    def __init__(self, n: int, clock: str, rate: float = 3000.0, is_announced: bool = True) -> None:
        self._n, self._rate, self._clock, self._is_announced = n, rate, Path(clock), is_announced
        self._began_ns = 0
        self._next, self._id = 0, 1
        self._ends: tuple[int, ...] = ()

    def open(self) -> None:
        self._ends = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)  # it is no file: nothing ever comes through here, though
        own = self._clock.with_name(f"{self._clock.name}-{os.getpid()}")
        own.write_text(str(time.time_ns() + NS_PER_S // 50))
        try:
            os.link(own, self._clock)
        except FileExistsError:
            pass
        finally:
            own.unlink()
        self._began_ns = int(self._clock.read_text())
        self._next = max(-1, self._at(time.time_ns()))  # -1: its start has not been sent

    def close(self) -> None:
        for fd in self._ends:
            os.close(fd)
        self._ends = ()

    @property
    def pollable(self) -> int | None:
        return self._ends[0] if self._ends else None

    def wait_s(self, now_ns: int) -> float:
        return max(0.0, (self._began_ns - now_ns) / NS_PER_S, 0.002 if self._at(now_ns) <= self._next else 0.0)

    def read(self, now_ns: int) -> Reading:
        messages: list[Message] = []
        if self._next < 0:
            messages.append(Message(kind=Kind.START))
            self._next = 0
        blocks = [self._block([message]) for message in messages]
        until = min(self._at(now_ns), self._n)
        if until > self._next:
            blocks.append(self._block(frames(range(self._next, until))))
            self._next = until
        ended = until == self._n
        if ended:
            blocks.append(self._block([Message(kind=Kind.END)]))
        return Reading(blocks=blocks, ended=ended)

    def _at(self, now_ns: int) -> int:
        return int((now_ns - self._began_ns) / NS_PER_S * self._rate) if now_ns >= self._began_ns else -1

    def _block(self, messages: list[Message]) -> Block:
        block = Block.of(self.stream, messages, self._id)
        self._id += len(messages)
        return block


# Code of workers


def spend(seconds: float) -> None:
    """Keep a processor busy."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def weigh(event: Event, spend_s: float = 0.0, large_every: int = 50) -> dict[str, Any]:
    """Return what can be checked: the sum of every part, and now and then a large array; with 0, never."""
    spend(spend_s)
    sums = [int(part.array.sum()) if isinstance(part, Message) else -1 for part in event.parts]
    found: dict[str, Any] = {"number": event.number, "sums": sums}
    if large_every and event.number % large_every == 0:  # large enough to travel in a slot
        found["image"] = np.full(8192, event.number, np.int64)
    return found


def number_of(event: Event) -> int:
    return event.number


def die(how: str) -> None:
    """End this process, or never come back."""
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "exit":
        os._exit(0)
    elif how == "segfault":
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        ctypes.string_at(0)
    else:
        while True:
            pass


def number_or_die(event: Event, numbers: Sequence[int], how: str) -> int:
    """Return the number of an event, but die at some of them."""
    if event.number in numbers:
        die(how)
    return event.number


class BatchOrDie:
    """The same, a range at once."""

    def __init__(self, numbers: Sequence[int], how: str) -> None:
        self._numbers, self._how = np.array(numbers), how

    def process(self, event: Event) -> np.int64:
        return np.int64(number_or_die(event, self._numbers.tolist(), self._how))

    def process_batch(self, events: EventBatch) -> Any:
        if np.isin(self._numbers, events.numbers).any():
            die(self._how)
        return events.numbers.copy()


class SlowHooks:
    """Takes its time when a scan begins and when it ends."""

    def __init__(self, wait_s: float = 0.15) -> None:
        self._wait_s = wait_s

    def start(self, event: Event) -> None:
        time.sleep(self._wait_s)

    def process(self, event: Event) -> dict[str, Any]:
        return weigh(event)

    def end(self, event: Event) -> None:
        time.sleep(self._wait_s)


class DiesInHook:
    """Dies when a scan begins."""

    def start(self, event: Event) -> None:
        die("kill")

    def process(self, event: Event) -> int:
        return event.number


class DiesAtBirth:
    """Cannot be made, and its process neither."""

    def __init__(self) -> None:
        die("segfault")

    def process(self, event: Event) -> int:
        return event.number


class Differences:
    """The difference of every frame and the one before it that this worker saw, which it keeps as it was lent."""

    def __init__(self) -> None:
        self._before: Any = None

    def process(self, event: Event) -> dict[str, Any]:
        part = event.parts[0]
        assert isinstance(part, Message)
        now = part.array
        before, self._before = self._before, now
        if before is None:
            return {"is_right": True, "number": event.number}
        other = int(before[0])
        return {"is_right": bool((now - before == event.number - other).all()), "number": event.number}


class Hoards:
    """Keeps every frame as it was lent."""

    def __init__(self) -> None:
        self.hoard: list[Any] = []

    def process(self, event: Event) -> int:
        part = event.parts[0]
        assert isinstance(part, Message)
        self.hoard.append(part.array)
        return int(part.array[0])


# Steps


def key_of(message: Message) -> int | None:
    return message.key


def double(value: int) -> int:
    return 2 * value


class Counts:
    """A step that keeps something."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, value: int) -> int:
        self.count += 1
        return value


# Reducers


class Arrays:
    """Everything in views of declared arrays: sums, and a table of what came."""

    def __init__(self) -> None:
        self.total = ArrayView((3,), "i8", unit="counts")
        self.table = ArrayView((None, 3), "i8")
        self.images = ArrayView((None,), "f8")
        self.views = {"total": self.total, "each": {"table": self.table, "images": self.images}}

    def reduce(self, value: dict[str, Any]) -> None:
        row = np.array([value["number"], *value["sums"]])
        self.total.add((), row)
        self.table.append(row)
        if "image" in value:
            self.images.append(float(value["image"].sum()))


class Lists:
    """The same in plain lists, beside a count that no view shows."""

    def __init__(self) -> None:
        self.count = 0
        self.rows: list[list[int]] = []
        self.views: dict[str, Any] = {"rows": self.rows, "last": 0}

    def reduce(self, value: dict[str, Any]) -> None:
        self.count += 1
        self.rows.append([self.count, value["number"], *value["sums"]])
        self.views["last"] = self.count * value["number"]


class Opaque:
    """The same, with something beside that cannot be given to a successor, which folds everything again."""

    def __init__(self) -> None:
        self._made_of = (row for row in range(10**9))
        self.rows: list[list[int]] = []
        self.views: dict[str, Any] = {"rows": self.rows, "last": 0}

    def reduce(self, value: dict[str, Any]) -> None:
        self.rows.append([next(self._made_of) + 1, value["number"], *value["sums"]])
        self.views["last"] = len(self.rows) * value["number"]


class Numbers:
    """The numbers of the events, and plain results, in the order in which they came."""

    def __init__(self) -> None:
        self.numbers = ArrayView((None,), "i8")
        self.values = ArrayView((None,), "i8")
        self.views = {"numbers": self.numbers, "values": self.values}

    def reduce(self, result: Result) -> None:
        self.numbers.append(result.number)
        self.values.append(result.value if isinstance(result.value, int | np.integer) else 0)


class Right:
    """How many results said that they are right, and how many that they are not."""

    def __init__(self) -> None:
        self.right = ArrayView((), "i8")
        self.wrong = ArrayView((), "i8")
        self.views = {"right": self.right, "wrong": self.wrong}

    def reduce(self, value: dict[str, Any]) -> None:
        (self.right if value["is_right"] else self.wrong).add((), 1)


class DiesAt(Numbers):
    """Dies at one result, every time."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def reduce(self, result: Result) -> None:
        if result.number == self._number:
            die("kill")
        super().reduce(result)


class Ends(Sink):
    """Writes down how the run ended, whatever it is given."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def open(self, run: RunFacts) -> None:
        self._path.write_text("open")

    def write(self, item: Any) -> None:
        pass

    def close(self, ended_well: bool, outcome: str = "") -> None:
        self._path.write_text(f"{ended_well} {outcome}")
