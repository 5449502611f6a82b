"""The event: the messages of several streams that belong to one trigger.

Users read events one by one; the engines move them as batches of columns. Nothing here decides what belongs together.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice, repeat
from typing import Any, ClassVar

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from penstock.core.block import Block, Rows, pick
from penstock.core.message import Kind, Message

__all__ = ["Event", "EventBatch", "Part", "PartColumn", "event_type"]

Part = Message | tuple[Message, ...] | None
"""One message; a range of messages (pulses of a train, samples of a frame); or absent."""


class Event(msgspec.Struct, frozen=True, gc=False, eq=False):
    """Messages of several streams that belong to the same trigger.

    ``event["detector"]`` is that stream's part. A name the join does not have is a ``KeyError`` that lists those
    it has.
    """

    number: int
    """From 0 in a run, in the order of the triggers."""
    parts: tuple[Part, ...]
    """In the order of the join's streams."""
    kind: Kind = Kind.DATA

    names: ClassVar[tuple[str, ...]] = ()
    """The join's streams."""
    positions: ClassVar[Mapping[str, int]] = {}

    def __getitem__(self, name: str) -> Any:  # Part, but users would have to narrow it at every use
        try:
            return self.parts[self.positions[name]]
        except KeyError:
            raise KeyError(f"{name!r} is not a part of this event; it has {', '.join(self.names)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self.positions

    @property
    def is_complete(self) -> bool:
        """Whether every stream contributed."""
        return all(part is not None for part in self.parts)


@cache
def event_type(names: tuple[str, ...]) -> type[Event]:
    """Return the class of events with these parts: a name is resolved by one dictionary of the class."""
    positions = {name: k for k, name in enumerate(names)}

    def part(event: Event, name: str) -> Any:
        # As in the base class; what is closed over is found sooner than what the class holds.
        try:
            return event.parts[positions[name]]
        except KeyError:
            raise KeyError(f"{name!r} is not a part of this event; it has {', '.join(names)}") from None

    return type(
        "Event", (Event,), {"names": names, "positions": positions, "__getitem__": part, "__module__": __name__},
        frozen=True, gc=False, eq=False,
    )  # fmt: skip


class PartColumn(msgspec.Struct, frozen=True, kw_only=True, eq=False, gc=False):
    """What one stream contributes to a batch of events."""

    block: Block | None
    """Where the rows are; ``None`` if the stream contributes to no event of the batch."""
    rows: Rows = slice(0, 0)
    """The row of each event that has a part, in event order; for ranges, all rows, one event's after the other's."""
    present: NDArray[np.bool_] | None = None
    """(events,), which events have a part; ``None`` if all have, or none has."""
    counts: NDArray[np.intp] | None = None
    """(events,), rows of each event, if the part is a range; ``None`` if it is one message."""
    _arrays: list[NDArray[Any]] = msgspec.field(default_factory=list)
    """What ``array`` found, once it was asked for."""

    @property
    def array(self) -> NDArray[Any]:
        """(messages, …), the first buffers of all messages, in the order of the events: for ``process_batch``.

        A view of the block where they lie in it one after the other as they are; decoded, once, where they came
        compressed.

        Raises
        ------
        ValueError
            If there are none, or they differ in dtype or shape: go through ``messages`` then.
        DecodingError
            If one cannot be decoded; the text names stream, frame and codec.
        """
        if not self._arrays:
            self._arrays.append(self._stacked())
        return self._arrays[0]

    def _stacked(self) -> NDArray[Any]:
        if self.block is None or not self.block.columns:
            raise ValueError("none of these events has an array of this stream")
        column = self.block.columns[0]
        if isinstance(column, np.ndarray):
            found: NDArray[Any] = column[self.rows]
            return found
        arrays = [message.array for message in self.block.messages(self.rows)]
        if any(array is None for array in arrays) or len({(array.dtype, array.shape) for array in arrays}) != 1:
            raise ValueError(f"arrays of stream {self.block.stream} differ in dtype or shape; go through messages")
        if len(arrays) == 1:
            one: NDArray[Any] = arrays[0][np.newaxis]
            return one
        return np.stack(arrays)

    def messages(self, n: int) -> Iterator[Part]:
        """Yield the part of each of the ``n`` events."""
        if self.block is None:
            return repeat(None, n)
        found = self.block.messages(self.rows)
        if self.counts is not None:
            return (tuple(islice(found, count)) or None for count in self.counts.tolist())
        if self.present is None:
            return found
        return (next(found) if there else None for there in self.present.tolist())

    @property
    def size(self) -> int:
        """How many messages."""
        return self.rows.stop - self.rows.start if isinstance(self.rows, slice) else len(self.rows)

    def presence(self, n: int) -> NDArray[np.bool_]:
        """(n,), which of the ``n`` events have a part; an empty range counts as absent."""
        if self.block is None:
            return np.zeros(n, np.bool_)
        if self.counts is not None:
            return self.counts > 0
        return np.ones(n, np.bool_) if self.present is None else self.present

    def take(self, chosen: Rows) -> "PartColumn":
        """Return the column of some of the events, by slice or ascending indices."""
        if self.block is None:
            return self
        if self.counts is not None:
            ends = np.cumsum(self.counts)
            first = np.arange(len(ends))[chosen] if isinstance(chosen, slice) else chosen
            counts = self.counts[chosen]
            rows = [np.arange(ends[k] - self.counts[k], ends[k]) for k in first.tolist()]
            return PartColumn(block=self.block, rows=pick(self.rows, np.concatenate(rows or [first])), counts=counts)
        if self.present is None:
            return PartColumn(block=self.block, rows=pick(self.rows, chosen))
        place = np.cumsum(self.present) - 1
        present = self.present[chosen]
        rows_of = place[chosen][present]
        return PartColumn(block=self.block, rows=pick(self.rows, rows_of), present=None if present.all() else present)

    def without(self, hidden: NDArray[np.bool_]) -> "PartColumn":
        """Return the column in which the part of some events, (n,), is absent."""
        n = len(hidden)
        if self.block is None or not hidden.any():
            return self
        if self.counts is not None:
            shown = self.take(np.flatnonzero(~hidden))
            return PartColumn(block=self.block, rows=shown.rows, counts=np.where(hidden, 0, self.counts))
        present = self.presence(n) & ~hidden
        kept = ~hidden[self.presence(n)]
        return PartColumn(block=self.block, rows=pick(self.rows, np.flatnonzero(kept)), present=present)


class EventBatch(msgspec.Struct, frozen=True, kw_only=True, eq=False, gc=False):
    """Events of one join, in the order of their numbers."""

    join: str
    names: tuple[str, ...]
    """The join's streams."""
    numbers: NDArray[np.int64]
    """(n,), strictly ascending."""
    parts: tuple[PartColumn, ...]
    """One a stream, in the order of ``names``."""
    kind: Kind = Kind.DATA
    arrived_ns: int = 0
    """When the first message of any of these events was received, by the clock of whoever formed them."""

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: Rows) -> "EventBatch":
        """Return the batch of some events, by slice or ascending indices."""
        if isinstance(rows, slice) and rows == slice(0, len(self)):
            return self
        return EventBatch(
            join=self.join, names=self.names, numbers=self.numbers[rows],
            parts=tuple([part.take(rows) for part in self.parts]), kind=self.kind, arrived_ns=self.arrived_ns,
        )  # fmt: skip

    def masked(self, streams: NDArray[np.uint64]) -> "EventBatch":
        """Return the batch in which each event has only the parts whose bit is set in its mask, (n,)."""
        parts = tuple(part.without((streams >> np.uint64(s)) & np.uint64(1) == 0) for s, part in enumerate(self.parts))
        return replace(self, parts=parts)

    def events(self) -> Iterator[Event]:
        """Yield every event; arrays are views of the blocks."""
        n = len(self.numbers)
        parts: Sequence[Iterator[Part]] = [part.messages(n) for part in self.parts]
        kinds = [] if self.kind is Kind.DATA else [repeat(self.kind)]
        return map(event_type(self.names), self.numbers.tolist(), zip(*parts, strict=True), *kinds)
