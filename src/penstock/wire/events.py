"""Batches of events as they travel: which rows of which blocks in which slots, never a payload."""

from collections.abc import Callable
from typing import Annotated, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.core.event import EventBatch, PartColumn
from penstock.core.message import Kind
from penstock.errors import RemoteProtocolError
from penstock.wire.integers import MAX_INTEGERS, Integers, encode_integers
from penstock.wire.layout import BlockLayout
from penstock.wire.rows import decode_rows, encode_rows, rows_bytes
from penstock.wire.slots import MAX_MESSAGE, PlacedBlock, ReadSlot, Shift, Slot

__all__ = ["EventsDescriptor", "PartDescriptor", "describe_events", "events_bytes", "split_events"]

_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_TEXTS: Final = 16 << 10
"""Bytes of names in a batch, unless they are counted."""
_FIXED: Final = 512
"""Bytes that a part or a batch needs at most beside its columns and names."""


class PartDescriptor(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """What one stream contributes to a batch."""

    slot: Slot
    layout: BlockLayout
    rows: Integers
    present: memoryview | None = None
    """One bit an event, the lowest first; ``None`` if all have a part."""
    counts: Integers | None = None
    """For ranges, the rows of each event."""
    shift: Shift = 0
    """What the ids are above those in the slot; below 0 if they are lower."""

    def column(self, stream: str, events: int, read_slot: ReadSlot) -> PartColumn:
        """Return the column, in which the block is a view of its slot."""
        block = self.slot.block(self.layout, stream, read_slot, self.shift)
        rows = decode_rows(self.rows, len(block))
        present = None if self.present is None else _bits(self.present, events)
        counts = None if self.counts is None else self.counts.array()
        expected = events if present is None else int(present.sum())
        if counts is not None:
            if len(counts) != events or (events and counts.min() < 0) or present is not None:
                raise RemoteProtocolError(f"stream {stream}: {len(counts)} counts for {events} events")
            expected = int(np.minimum(counts, self.rows.size + 1).sum())
        if self.rows.size != expected:
            raise RemoteProtocolError(f"stream {stream}: {self.rows.size} rows for {expected} parts of events")
        return PartColumn(block=block, rows=rows, present=present, counts=counts)


class EventsDescriptor(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True, tag=2):
    """A batch of events as it travels."""

    join: str
    names: tuple[str, ...]
    numbers: Integers
    parts: tuple[PartDescriptor | None, ...]
    """``None`` where a stream contributes to no event."""
    kind: Kind = Kind.DATA
    arrived_ns: _Int64 = 0

    def read(self, read_slot: ReadSlot) -> EventBatch:
        """Return the batch; arrays are views of the slots.

        Raises
        ------
        RemoteProtocolError
            If the descriptor contradicts itself or what lies in the slots.
        """
        numbers = self.numbers.array()
        if len(self.parts) != len(self.names):
            raise RemoteProtocolError(f"join {self.join}: {len(self.parts)} parts of {len(self.names)} streams")
        if not _is_ascending(self.numbers, numbers):
            raise RemoteProtocolError(f"join {self.join}: numbers of events do not ascend")
        parts = [
            PartColumn(block=None) if part is None else part.column(name, len(numbers), read_slot)
            for name, part in zip(self.names, self.parts, strict=True)
        ]
        return EventBatch(
            join=self.join,
            names=self.names,
            numbers=numbers,
            parts=tuple(parts),
            kind=self.kind,
            arrived_ns=self.arrived_ns,
        )


def describe_events(batch: EventBatch, place: Callable[[Block], PlacedBlock]) -> EventsDescriptor:
    """Return the descriptor of a batch.

    Parameters
    ----------
    batch
        Of at most what ``split_events`` leaves together.
    place
        Says where the block of a part lies. A block that lies in no slot must be written into one by then.
    """
    return EventsDescriptor(
        batch.join,
        batch.names,
        encode_integers(batch.numbers, is_ascending=True),
        tuple([None if part.block is None else _described(part, place(part.block)) for part in batch.parts]),
        batch.kind,
        batch.arrived_ns,
    )


def events_bytes(batch: EventBatch) -> int:
    """Return how many bytes the descriptor of a batch has at most."""
    texts = sum(len(text.encode()) for text in (batch.join, *batch.names))
    total = _FIXED + texts + 8 * len(batch)
    for part in batch.parts:
        total += _FIXED + rows_bytes(part.rows)
        total += 0 if part.present is None else len(batch) // 8
        total += 0 if part.counts is None else 8 * len(batch)
    return total


def split_events(batch: EventBatch, limit: int = MAX_MESSAGE) -> list[EventBatch]:
    """Cut a batch into as few pieces as need be for the descriptor of each to fit a message.

    Raises
    ------
    ValueError
        If a single event does not fit: it has a range of very many rows that do not follow each other.
    """
    if limit == MAX_MESSAGE and _surely_fits(batch):
        return [batch]
    pieces = max(-(-events_bytes(batch) // limit), -(-len(batch) // MAX_INTEGERS))
    if pieces <= 1:
        return [batch]
    if len(batch) == 1:
        raise ValueError(f"join {batch.join}: event {batch.numbers[0]} alone needs {events_bytes(batch)} bytes")
    size = max(1, len(batch) // pieces)
    starts = range(0, len(batch), size)
    return [piece for start in starts for piece in split_events(batch.take(slice(start, start + size)), limit)]


def _surely_fits(batch: EventBatch) -> bool:
    """Whether a batch fits a message without a look at its columns, as most do."""
    n = len(batch.numbers)
    nbytes = _TEXTS + 8 * n
    for part in batch.parts:
        if part.counts is not None:
            return False
        nbytes += _FIXED + n // 8 + (0 if type(part.rows) is slice else 8 * len(part.rows))
    return nbytes <= MAX_MESSAGE


def _described(part: PartColumn, placed: PlacedBlock) -> PartDescriptor:
    present = None if part.present is None else memoryview(np.packbits(part.present, bitorder="little").tobytes())
    counts = None if part.counts is None else encode_integers(part.counts)
    return PartDescriptor(
        placed.slot, placed.layout, encode_rows(part.rows, placed.first), present, counts, placed.shift
    )


def _bits(data: memoryview, n: int) -> NDArray[np.bool_]:
    if len(data) != (n + 7) // 8:
        raise RemoteProtocolError(f"{len(data)} bytes are not {n} bits")
    return np.unpackbits(np.frombuffer(data, np.uint8), count=n, bitorder="little").view(np.bool_)


def _is_ascending(column: Integers, numbers: NDArray[np.int64]) -> bool:
    if not column.item:
        return column.step > 0 or column.size < 2
    return bool((numbers[1:] > numbers[:-1]).all())
