"""Instruments and user code for the conformance suite of engines; each can be had by name, as engines need it."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from penstock.core import Block, Event, EventBatch, Kind, Message
from penstock.core.decoder import Traits
from penstock.core.parameter import Unit
from penstock.core.result import Result, ResultBatch
from penstock.elements.sink import RunFacts, Sink
from penstock.elements.source import Reading, Source
from penstock.errors import SourceError
from penstock.views import ArrayView

__all__ = [
    "Breaks",
    "Broken",
    "Frames",
    "Hooks",
    "Lines",
    "Opaque",
    "Remembers",
    "Squares",
    "Sum",
    "Table",
    "Whole",
    "fail_at",
    "frame",
    "message_id",
    "named",
    "not_tenth",
    "number",
    "odd",
    "powers",
    "same",
    "scaled",
    "square",
    "twice",
    "whole",
    "worker_of",
]


class Frames(Source):
    """Small frames, each full of its own number, with a header before and an end behind.

    Parameters
    ----------
    n
        Frames there should be.
    missing
        Numbers that never come.
    block
        Frames a block.
    unparsable
        How many packets are lost on the way, at the very beginning.
    """

    traits = Traits(number="frame", first=0)
    is_repeatable = True

    def __init__(self, n: int, missing: Sequence[int] = (), block: int = 7, unparsable: int = 0) -> None:
        self.numbers = [number for number in range(n) if number not in set(missing)]
        self.block = block
        self.unparsable = unparsable
        self._blocks: Iterator[Block] = iter(())

    def open(self) -> None:
        """Begin anew."""
        self._blocks = self._all()

    def read(self, now_ns: int) -> Reading:  # noqa: ARG002 - its frames bring no time
        """Return the next block."""
        lost, self.unparsable = self.unparsable, 0
        block = next(self._blocks, None)
        texts = ["bytes that mean nothing"] * lost
        return Reading(blocks=[] if block is None else [block], unparsable=texts, ended=block is None)

    def _all(self) -> Iterator[Block]:
        yield Block.of(self.stream, [Message(kind=Kind.START, metadata={"n": len(self.numbers)})], 1)
        for at in range(0, len(self.numbers), self.block):
            numbers = self.numbers[at : at + self.block]
            messages = [Message(key=number, array=np.full((2, 3), number, np.uint16)) for number in numbers]
            yield Block.of(self.stream, messages, at + 2)
        yield Block.of(self.stream, [Message(kind=Kind.END)], len(self.numbers) + 2)


class Breaks(Frames):
    """An instrument whose connection breaks after its first block of frames."""

    _readings = 0

    def read(self, now_ns: int) -> Reading:
        """Return two blocks, then break."""
        self._readings += 1
        if self._readings > 2:
            raise SourceError(f"{self.stream}: the connection broke")
        return super().read(now_ns)


def frame(message: Message) -> int | None:
    """Return the number of a message that an instrument gave."""
    return message.key


def number(event: Event) -> int:
    """Return the event's number."""
    return event.number


def message_id(message: Message) -> int:
    """Return the message's id."""
    return message.id


def named(event: Event) -> str:
    """Return the stream of the event's first part, and the event's number."""
    return f"{event.names[0]} {event.number}"


def whole(event: Event) -> dict[str, Any]:
    """Return all there is of an event."""
    parts: dict[str, Any] = dict(zip(event.names, event.parts, strict=True))
    return {
        "number": event.number,
        "ids": [None if part is None else part.id for part in parts.values()],
        "sums": [None if part is None else int(part.array.sum()) for part in parts.values()],
    }


def odd(event: Event) -> int | None:
    """Return odd numbers, and nothing for even ones."""
    return event.number if event.number % 2 else None


def not_tenth(event: Event) -> Event | None:
    """Let all events pass but every tenth."""
    return event if event.number % 10 else None


class Squares:
    """The squares of the events' numbers, and a row of the first three powers beside if wished, a range at once."""

    def __init__(self, rows: bool = False) -> None:
        self.rows = rows

    def process(self, event: Event) -> Any:
        """Return those of one event."""
        return np.array([event.number**k for k in (1, 2, 3)]) if self.rows else np.int64(event.number**2)

    def process_batch(self, events: EventBatch) -> Any:
        """Return those of a range as one array."""
        powers = events.numbers[:, None] ** np.arange(1, 4)
        return powers if self.rows else powers[:, 1]


class Whole:
    """The sum of all results, and how many there were, added range by range."""

    def __init__(self) -> None:
        self.sum = ArrayView((3,), "i8")
        self.count = ArrayView((), "i8")
        self.views = {"sum": self.sum, "count": self.count}

    def reduce(self, value: Any) -> None:
        """Refuse: it must not come here."""
        raise AssertionError(f"{value!r} came alone")

    def reduce_batch(self, results: ResultBatch) -> None:
        """Add a range."""
        assert isinstance(results.values, np.ndarray)
        assert results.values.dtype == np.int64
        self.sum.add((), results.values.sum(axis=0))
        self.count.add((), len(results))


def square(event: Event) -> np.int64:
    """Return the square of the event's number."""
    return np.int64(event.number**2)


def powers(event: Event) -> Any:
    """Return a row of the first three powers of the event's number."""
    return np.array([event.number**k for k in (1, 2, 3)])


def twice(value: int) -> int:
    """Return the double of a value."""
    return 2 * value


def same(value: str) -> str:
    """Return a value as it is."""
    return value


def fail_at(event: Event, numbers: Sequence[int]) -> int:
    """Raise at some events."""
    if event.number in numbers:
        raise ValueError(f"cannot bear {event.number}")
    return event.number


def scaled(event: Event, *, gain: Annotated[float, Unit("counts")] = 1.0) -> float:
    """Return the event's number times a parameter."""
    return event.number * gain


class worker_of:  # noqa: N801 - used as a function
    """Tell which of the stage's workers saw an event: each gives itself a name when it is made, in whatever process."""

    made = 0

    def __init__(self, name: str = "worker") -> None:
        worker_of.made += 1
        self.name = f"{name}-{os.getpid()}-{worker_of.made}"

    def process(self, event: Event) -> dict[str, Any]:
        """Return number and worker, and which parts there are."""
        present = [name for name, part in zip(event.names, event.parts, strict=True) if part is not None]
        return {"number": event.number, "worker": self.name, "parts": present}


class Remembers:
    """Counts, in what survives runs, how often it was made."""

    def __init__(self, context: dict[str, Any]) -> None:
        self._made: int = context.get("made", 0) + 1
        context["made"] = self._made

    def process(self, event: Event) -> int:
        """Return how often a worker like this was made."""
        del event
        return self._made


class Opaque:
    """Returns what cannot travel between processes."""

    def process(self, event: Event) -> object:
        """Return an object of a class nobody knows."""
        del event
        return self


class Broken:
    """Cannot be made."""

    def __init__(self) -> None:
        raise RuntimeError("no calibration found")

    def process(self, event: Event) -> None:
        """Never get here."""


class Hooks:
    """Writes down, in a file, when it is called."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._note("made")

    def start(self, event: Event) -> None:
        """Note the start."""
        header = event.parts[0]
        self._note(f"start {header.metadata['n'] if isinstance(header, Message) else None}")

    def process(self, event: Event) -> int:
        """Note the event."""
        self._note(f"event {event.number}")
        return event.number

    def end(self, event: Event) -> None:
        """Note the end."""
        self._note(f"end {event.is_complete}")

    def close(self) -> None:
        """Note the close."""
        self._note("close")

    def _note(self, text: str) -> None:
        with self._path.open("a") as file:
            file.write(f"{text}\n")


class Lines(Sink):
    """Writes each item as a line of a file."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def open(self, run: RunFacts) -> None:  # noqa: ARG002 - the file is the same in every run
        """Begin an empty file."""
        self._path.write_text("")

    def write(self, item: Any) -> None:
        """Append a line."""
        with self._path.open("a") as file:
            file.write(f"{item}\n")

    def close(self, ended_well: bool, outcome: str = "") -> None:
        """Leave the file as it is."""


class Sum:
    """The sum of all results, and the numbers of their events in the order in which they came."""

    def __init__(self) -> None:
        self.sum = ArrayView((), "f8", unit="counts")
        self.numbers = ArrayView((None,), "i8")
        self.views = {"sum": self.sum, "order": {"numbers": self.numbers}}

    def reduce(self, result: Result) -> None:
        """Add one."""
        self.sum.add((), result.value)
        self.numbers.append(result.number)


class Table:
    """All results as text, in the order in which they came."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.views: dict[str, Any] = {"rows": self.rows}

    def reduce(self, value: object) -> None:
        """Append one."""
        self.rows.append(repr(value))
