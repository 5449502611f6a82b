"""The records of an event log: what was formed, how it ended, and what user code saw of chance.

Each record speaks of a range, in columns. Together they are all that replay needs beside the streams.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from penstock.core.event import EventBatch, PartColumn
from penstock.core.message import Kind

__all__ = [
    "ClockRead",
    "EventsEnded",
    "EventsFormed",
    "LogRecord",
    "MapSet",
    "Merged",
    "ParametersSet",
    "RangeWorked",
    "RunEnded",
    "RunResumed",
    "Ticked",
]

Columns = Mapping[str, tuple[str, int]]


def _no_ids() -> NDArray[np.uint64]:
    return np.empty(0, np.uint64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LogRecord:
    """The root of all records."""

    columns: ClassVar[Columns] = {}
    """Per array: dtype, and number of axes; all other fields are plain."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EventsFormed(LogRecord):
    """Which messages became which events."""

    columns: ClassVar[Columns] = {
        "numbers": ("<i8", 1),
        "first_ids": ("<u8", 2),
        "counts": ("<i4", 2),
        "ids": ("<u8", 1),
    }

    join: str
    streams: tuple[str, ...]
    kind: int = int(Kind.DATA)
    """``Kind``: start and end events have a record of their own."""
    numbers: NDArray[np.int64]
    """(n,)"""
    first_ids: NDArray[np.uint64]
    """(streams, n), id of the first message of each part; 0 where it is absent."""
    counts: NDArray[np.int32]
    """(streams, n), messages of each part, of consecutive ids; 0 where it is absent. Negative: that many messages whose
    ids are not consecutive; they are in ``ids``, from the position that ``first_ids`` tells."""
    ids: NDArray[np.uint64] = field(default_factory=_no_ids)
    """(m,), mostly empty."""

    @classmethod
    def of(cls, batch: EventBatch) -> "EventsFormed":
        """Note a batch; its blocks are not kept."""
        n = len(batch)
        first_ids, counts = np.zeros((len(batch.names), n), np.uint64), np.zeros((len(batch.names), n), np.int32)
        loose: list[NDArray[np.uint64]] = []
        for part, first, count in zip(batch.parts, first_ids, counts, strict=True):
            if part.block is not None:
                loose += _note(part, part.block.ids[part.rows], first, count, sum(map(len, loose)))
        return cls(
            join=batch.join, streams=batch.names, kind=int(batch.kind), numbers=batch.numbers, first_ids=first_ids,
            counts=counts, ids=np.concatenate(loose) if loose else _no_ids(),
        )  # fmt: skip

    def take(self, rows: slice) -> "EventsFormed":
        """Return what is said of some of the events."""
        return replace(self, numbers=self.numbers[rows], first_ids=self.first_ids[:, rows], counts=self.counts[:, rows])

    def ids_in(self, k: int) -> NDArray[np.uint64]:
        """(m,), the ids of the messages of the k-th stream's parts, one event's after the other's."""
        first, counts = self.first_ids[k], self.counts[k]
        sizes = np.abs(counts).astype(np.intp)
        begins = np.cumsum(sizes) - sizes
        found = np.repeat(first - begins.astype(np.uint64), sizes) + np.arange(sizes.sum(), dtype=np.uint64)
        for row in np.flatnonzero(counts < 0).tolist():
            at, n = int(first[row]), int(sizes[row])
            found[begins[row] : begins[row] + n] = self.ids[at : at + n]
        return found

    def ids_of(self, stream: str, row: int) -> NDArray[np.uint64]:
        """Return the ids of the messages of one event's part."""
        k = self.streams.index(stream)
        first, count = int(self.first_ids[k, row]), int(self.counts[k, row])
        if count < 0:
            return self.ids[first : first - count]
        return np.arange(count, dtype=np.uint64) + np.uint64(first)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EventsEnded(LogRecord):
    """How events ended at one consumer."""

    columns: ClassVar[Columns] = {"numbers": ("<i8", 1), "accounts": ("u1", 1), "revisions": ("<u4", 1)}

    consumer: str
    numbers: NDArray[np.int64]
    """(n,)"""
    accounts: NDArray[np.uint8]
    """(n,), values of ``Account``."""
    revisions: NDArray[np.uint32]
    """(n,), of the parameters each event saw."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RangeWorked(LogRecord):
    """Which worker was given which range: how ranges were cut, and in what order each worker saw them."""

    columns: ClassVar[Columns] = {"numbers": ("<i8", 1), "masks": ("<u8", 1)}

    stage: str
    worker: str
    lane: str = ""
    attempts: int = 1
    began_ns: int
    took_ns: int
    numbers: NDArray[np.int64]
    """(n,)"""
    masks: NDArray[np.uint64] = field(default_factory=_no_ids)
    """(n,), bit s: the worker was given the part of stream s; empty: whole events."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ticked(LogRecord):
    """A tick that user code was given."""

    stage: str
    worker: str
    now_ns: int
    """What it was told, UTC."""
    after: int
    """Number of the last event it had worked on; -1 if none."""
    flags: int = 0
    """How many starts and ends it had been told of."""
    step: int = 0
    """Which of a chain of steps."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClockRead(LogRecord):
    """What the clock said when user code asked, in the order in which it asked."""

    columns: ClassVar[Columns] = {"numbers": ("<i8", 1), "readings_ns": ("<i8", 1)}

    stage: str
    worker: str
    numbers: NDArray[np.int64]
    """(n,), the event it was working on."""
    readings_ns: NDArray[np.int64]
    """(n,)"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ParametersSet(LogRecord):
    """A revision of the parameters, and the first event that sees it."""

    revision: int
    first: int
    values: Mapping[str, Any]  # numbers, text, booleans and lists of these
    """By address; only those that changed."""
    stages: Mapping[str, int] = field(default_factory=dict)
    """The first event, or message, that sees it at each stage: what comes from different joins or instruments has
    different numbers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapSet(LogRecord):
    """The trigger map of a join, or what was appended to it; before the first event that it decides on."""

    join: str
    table: bytes
    """As ``encode_value`` writes what describes the map, or the addition."""
    is_addition: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Merged(LogRecord):
    """Whose turn it was in a merge."""

    merge: str
    stream: str
    count: int
    """How many messages, events or results of this input came next; 0: it has ended."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunResumed(LogRecord):
    """The run had been cut off, and goes on behind this.

    What earlier records say of events whose messages were not kept does not hold: numbers and ids are given anew.
    """

    resumed_ns: int
    joins: Mapping[str, int]
    """The first event of each that does not hold."""
    stages: Mapping[str, int]
    """The same of what ended or was worked on: the first event, or message."""
    last_ids: Mapping[str, int]
    """By source, the last message that was kept; 0 for none."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunEnded(LogRecord):
    """The last record of a run that ended; a log without it was cut off."""

    outcome: str
    reasons: tuple[str, ...] = ()
    ended_ns: int = 0


def _note(
    part: PartColumn, ids: NDArray[np.uint64], first: NDArray[np.uint64], count: NDArray[np.int32], position: int
) -> list[NDArray[np.uint64]]:
    """Write one stream's row of ids and counts; return ids that are not consecutive."""
    there = part.presence(len(first))
    if part.counts is None:
        first[there] = ids
        count[there] = 1
        return []
    sizes = part.counts[there]
    begins = (np.cumsum(part.counts) - part.counts)[there]
    first[there] = ids[begins]
    count[there] = sizes
    loose = []
    with_holes = ids[begins + sizes - 1] - ids[begins] != (sizes - 1).astype(np.uint64)
    for at in np.flatnonzero(with_holes).tolist():
        event = int(np.flatnonzero(there)[at])
        loose.append(ids[begins[at] : begins[at] + sizes[at]])
        first[event], count[event] = position, -sizes[at]
        position += int(sizes[at])
    return loose
