"""What runs are made of whose workers come and go with the load: an instrument that is fast or slow, and workers."""

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from penstock.core import Block, Event, Kind, Message
from penstock.core.decoder import Traits
from penstock.elements.source import Reading, Source
from penstock.views import ArrayView

NS_PER_S = 1_000_000_000
TICK_S = 0.05


class Fickle(Source):
    """A frame at a time, ``fast`` a second, or ``slow`` while a file of that name lies in ``folder``.

    It ends after ``n``, or when there is a file called ``end``.
    """

    traits = Traits(number="frame", first=0)

    def __init__(self, folder: str, fast: float = 1000, slow: float = 20, n: int = 0) -> None:
        self._folder, self._rates, self._n = Path(folder), (fast, slow), n
        self._next, self._id, self._due_ns = 0, 1, 0

    def wait_s(self, now_ns: int) -> float:
        return max(0.0, (self._due_ns - now_ns) / NS_PER_S)

    def read(self, now_ns: int) -> Reading:
        rate = self._rates[(self._folder / "slow").exists()]
        block = max(1, round(rate / 200))
        self._due_ns = max(self._due_ns, now_ns - NS_PER_S // 10) + round(block / rate * NS_PER_S)
        if self._id == 1:
            return self._blocks([Message(kind=Kind.START)])
        if (self._n and self._next >= self._n) or (self._folder / "end").exists():
            return self._blocks([Message(kind=Kind.END)], ended=True)
        stop = self._next + block
        numbers = range(self._next, min(stop, self._n) if self._n else stop)
        self._next = numbers.stop
        return self._blocks([Message(key=k, array=np.full(8, k, np.int64)) for k in numbers])

    def _blocks(self, messages: list[Message], *, ended: bool = False) -> Reading:
        block = Block.of(self.stream, messages, self._id)
        self._id += len(messages)
        return Reading(blocks=[block], ended=ended)


class Works:
    """Takes its time, and writes down, in a file of its own, which hooks are called and which events it sees."""

    tick_s = TICK_S

    def __init__(self, folder: str, takes_s: float = 0.004, group: int = 0) -> None:
        self._path = Path(folder) / f"pid-{os.getpid()}"
        self._takes_s, self._group = takes_s, group
        self._seen: Counter[int] = Counter()

    def start(self, event: Event) -> None:
        self._note("start")

    def tick(self, now: object) -> None:
        self._note("tick")

    def process(self, event: Event) -> tuple[int, int, int]:
        self._note(f"event {event.number}")
        time.sleep(self._takes_s)
        # Three groups at a time, in turns, as ``groups_of`` has them.
        group = 3 * (event.number // self._group) + event.number % 3 if self._group else 0
        self._seen[group] += 1
        return event.number, os.getpid(), self._seen[group]

    def end(self, event: Event) -> None:
        self._note("end")

    def close(self) -> None:
        self._note("close")

    def _note(self, text: str) -> None:
        with self._path.open("a") as file:
            file.write(f"{text}\n")


class Seen:
    """What came, in the order in which it came: number, worker, and how many of its group that worker had seen."""

    def __init__(self) -> None:
        self._rows = ArrayView((None, 3), "i8")
        self.views: dict[str, Any] = {"rows": self._rows}

    def reduce(self, value: tuple[int, int, int]) -> None:
        self._rows.append(value)
