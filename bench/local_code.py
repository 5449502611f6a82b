"""What users write, for the benches of ``local``: workers that really read, reducers that note when they fold.

A reducer leaves ``folded.json`` in the folder it is given. From the times in it a rate follows that owes nothing to how
long the run took to start.
"""

import json
import time
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from penstock.core import Event, EventBatch, Message
from penstock.core.event import PartColumn
from penstock.core.result import ResultBatch

__all__ = [
    "AddArrays",
    "AddDelays",
    "AddDicts",
    "AddNumbers",
    "AddRanges",
    "MakeArrays",
    "SumRows",
    "number",
    "pixel",
    "read_frame",
    "read_frames",
    "sent",
    "slow",
    "small_dict",
    "touch",
]

_WORD = 2**64 - 1


def read_frames(event: Event) -> int:
    """Return the sum over every byte of all parts."""
    left, right = event["left"].array, event["right"].array
    return (int(left.view(np.uint64).sum()) + int(right.view(np.uint64).sum())) & _WORD


def number(event: Event) -> int:
    """Return the event's number, and read nothing."""
    return event.number


def touch(event: Event) -> int:
    """Return the sum of one element of each part."""
    return int(event["left"].array[8]) + int(event["right"].array[8])


def small_dict(event: Event) -> dict[str, int]:
    """Return a little more."""
    return {"number": event.number, "sum": int(event["left"].array[8]) + int(event["right"].array[8])}


def pixel(event: Event) -> dict[str, int]:
    """Return the frame's number and one pixel."""
    message = event["detector"]
    return {"frame": message.key, "pixel": int(message.array[0, 0])}


def slow(message: Message) -> int:
    """Wait, as for another computer."""
    time.sleep(0.1)
    return message.id


def sent(message: Message) -> int:
    """Return when it was sent."""
    return message.timestamp_ns


def read_frame(message: Message) -> dict[str, int]:
    """Read every byte; return what the frame says of itself: when it was due, taken and full, and whether it is whole.

    The sum without the frame's own words is that of the template, whatever process it has gone through.
    """
    words = message.array.view(np.uint64).reshape(-1)
    number, taken_ns, full_ns = words[:3].tolist()
    rest = (int(words.sum()) - number - taken_ns - full_ns) & _WORD
    return {"number": number, "due": message.timestamp_ns, "taken": taken_ns, "full": full_ns, "rest": rest}


class SumRows:
    """Row sums of both streams, a whole range at once."""

    def process(self, event: Event) -> np.uint32:
        """Do the same for one event."""
        sums: np.uint32 = event["left"].array.sum(dtype=np.uint32) + event["right"].array.sum(dtype=np.uint32)
        return sums

    def process_batch(self, events: EventBatch) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
        """Return a sum for each event."""
        left, right = map(_row_sums, events.parts)
        return left + right


class MakeArrays:
    """Returns an array of 1 MB for each message."""

    def __init__(self) -> None:
        self._array = np.ones(1 << 17, np.uint64)

    def process(self, message: Message) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
        """Return it."""
        del message
        return self._array


class _Folded:
    """Counts results, and notes the time at every so many.

    Parameters
    ----------
    notes
        Folder for what it has noted.
    every
        Results between two times.
    """

    def __init__(self, notes: str, every: int = 1) -> None:
        self._notes, self._every = Path(notes), every
        self._due = every
        self._times, self._counts = array("q"), array("q")
        self._delays = array("q")
        self._first_ns = 0
        self.count = self.sum = 0

    @property
    def views(self) -> Mapping[str, Any]:
        """How many there were."""
        return {"count": self.count}

    def close(self) -> None:
        """Write down what was noted."""
        noted = {
            "count": self.count,
            "sum": self.sum & _WORD,
            "times": self._times.tolist(),
            "counts": self._counts.tolist(),
            "delays": self._delays.tolist(),
            "first_ns": self._first_ns,
        }
        (self._notes / "folded.json").write_text(json.dumps(noted))

    def _note(self) -> None:
        if not self._first_ns:
            self._first_ns = time.time_ns()
        self._due = self.count + self._every
        self._times.append(time.monotonic_ns())
        self._counts.append(self.count)


class AddNumbers(_Folded):
    """Adds numbers one by one."""

    def reduce(self, value: int) -> None:
        """Add one."""
        self.sum += value
        self.count += 1
        if self.count >= self._due:
            self._note()


class AddRanges(_Folded):
    """Adds numbers range by range."""

    def reduce(self, value: int) -> None:
        """Add one."""
        self.sum += int(value)
        self.count += 1

    def reduce_batch(self, results: ResultBatch) -> None:
        """Add all of a range."""
        values = results.values
        self.sum += int(values.sum(dtype=np.uint64)) if isinstance(values, np.ndarray) else sum(values)
        self.count += len(values)
        if self.count >= self._due:
            self._note()


class AddDicts(_Folded):
    """Adds the entries ``sum``, or ``pixel``, of small dictionaries."""

    def __init__(self, notes: str, every: int = 1, entry: str = "sum") -> None:
        super().__init__(notes, every)
        self._entry = entry

    def reduce(self, value: dict[str, int]) -> None:
        """Add one."""
        self.sum += value[self._entry]
        self.count += 1
        if self.count >= self._due:
            self._note()


class AddArrays(_Folded):
    """Reads every byte of arrays."""

    def reduce(self, value: np.ndarray[tuple[int, ...], np.dtype[np.uint64]]) -> None:
        """Read one."""
        self.sum += int(value.sum())
        self.count += 1
        self._note()


class AddDelays(_Folded):
    """Notes how long results were under way: since a time, in nanoseconds UTC, or since each time in a dictionary.

    Of a dictionary's, ``delays`` holds three a result: until it was taken, until it was full, until it was folded.
    """

    def reduce(self, value: int | dict[str, int]) -> None:
        """Note one."""
        now_ns = time.time_ns()
        if isinstance(value, int):
            self._delays.append(now_ns - value)
        else:
            due_ns = value["due"]
            self._delays.extend((value["taken"] - due_ns, value["full"] - due_ns, now_ns - due_ns))
            self.sum += value["rest"]
        self.count += 1
        self._note()


def _row_sums(part: PartColumn) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
    assert part.block is not None
    column: Any = part.block.columns[0]
    rows = part.rows
    if isinstance(rows, slice):
        sums: np.ndarray[tuple[int, ...], np.dtype[np.uint32]] = column[rows].sum(axis=1, dtype=np.uint32)
        return sums
    # Some rows are missing: to sum all and choose is cheaper than to copy those that are wanted.
    first = int(rows[0])
    chosen: np.ndarray[tuple[int, ...], np.dtype[np.uint32]] = column[first : int(rows[-1]) + 1].sum(
        axis=1, dtype=np.uint32
    )[rows - first]
    return chosen
