"""What one stream of a memory store has: blocks, ids, how it ended, and who is to be told when that changes.

It has no lock: every call is made under the store's.
"""

import weakref
from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from penstock.core.id_set import IdSet
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError
from penstock.streams.block_index import BlockIndex, BlockRange
from penstock.streams.store import StoredBlock, StreamInfo, StreamState

__all__ = ["Listener", "MemoryLog", "StoredBytes"]


class Listener(Protocol):
    """Who is told that a stream has changed."""

    def notify(self) -> None:
        """Take note of it, without waiting."""


class StoredBytes:
    """A block in memory."""

    __slots__ = ("appended_ns", "nbytes", "stored")

    def __init__(self, stored: StoredBlock, nbytes: int) -> None:
        self.stored = stored
        self.nbytes = nbytes
        """All it takes: columns, ids, metadata."""
        self.appended_ns = 0
        """When it was, UTC."""


class MemoryLog:
    """One stream; readers may hold it before it is there, and after it was deleted."""

    def __init__(self, address: StreamAddress) -> None:
        self.address = address
        self.listeners: weakref.WeakSet[Listener] = weakref.WeakSet()
        self.clear()

    def clear(self) -> None:
        """Be as if there had never been anything."""
        self.index: BlockIndex[StoredBytes] = BlockIndex()
        self.is_there = False
        self.order = 0
        """Counts up as streams are created."""
        self._ever = IdSet()
        self._removed = IdSet()
        self._nbytes = 0
        self._first_id = 0
        self._created_ns = 0
        self._last_ns = 0
        self._end: tuple[StreamState, str] | None = None
        self._writer: weakref.ref[object] | None = None
        self._who = ""
        self._was_written = False

    @property
    def last_id(self) -> int:
        """The largest id there ever was; 0 for none."""
        return self._ever.last

    @property
    def end(self) -> StreamState | None:
        """How it ended; ``None`` if it has not."""
        return self._end[0] if self._end else None

    @property
    def writer(self) -> str:
        """Who writes it; empty for nobody. A writer that was forgotten without being closed is nobody."""
        return self._who if self._writer is not None and self._writer() is not None else ""

    def create(self, order: int, now_ns: int) -> None:
        """Begin to be there; once more when the first message comes, from which time and order count."""
        self.is_there = True
        self.order, self._created_ns = order, now_ns

    def open(self, writer: object, who: str) -> None:
        """Give it to a writer."""
        self._writer, self._who, self._was_written = weakref.ref(writer), who, True

    def let_go(self) -> None:
        """Take it from its writer."""
        self._writer = None
        self.notify()

    def info(self) -> StreamInfo:
        """Return how it is."""
        state, text = self._end or (self._unended(), "")
        return StreamInfo(
            address=self.address,
            state=state,
            next_stream=text if state is StreamState.FINISHED else "",
            reason=text if state is StreamState.ABORTED else "",
            count=self._ever.count - self._removed.count,
            removed=self._removed.count,
            first_id=self._first_id,
            last_id=self._ever.last,
            missing=self._ever.last - self._ever.count,
            nbytes=self._nbytes,
            created_ns=self._created_ns,
            last_ns=self._last_ns,
        )

    def _unended(self) -> StreamState:
        return StreamState.STALLED if self._was_written and not self.writer else StreamState.OPEN

    def contains(self, ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """(n,), which of some ids there ever were."""
        return self._ever.contains(ids)

    def add(self, entry: StoredBytes, now_ns: int) -> None:
        """Add a block whose ids are new."""
        block = entry.stored.block
        first_id, last_id = int(block.ids[0]), int(block.ids[-1])
        times = block.timestamps
        first_ns, last_ns = (int(times.min()), int(times.max())) if len(times) > 1 else (int(times[0]), int(times[0]))
        span = BlockRange(n=len(block), first_id=first_id, last_id=last_id, first_ns=first_ns, last_ns=last_ns)
        entry.appended_ns = now_ns
        self.index.add(span, entry)
        self._ever.add_all(block.ids)
        self._nbytes += entry.nbytes
        self._first_id = min(self._first_id or first_id, first_id)
        self._last_ns = now_ns
        self.notify()

    def remove_oldest(self) -> int:
        """Remove the block that arrived first; return the bytes that gives back."""
        entry = self.index.drop_oldest()
        self._removed.add_all(entry.stored.block.ids)
        self._nbytes -= entry.nbytes
        self._first_id = self._next_there(self._first_id)
        return entry.nbytes

    def end_as(self, state: StreamState, text: str) -> None:
        """End; once more in the same way, nothing.

        Raises
        ------
        ConflictError
            If it has ended otherwise.
        """
        if self._end is not None and self._end != (state, text):
            old, said = self._end
            raise ConflictError(
                f"{self.address} was {old.value} with {said!r}; it cannot be {state.value} with {text!r}"
            )
        self._end = state, text
        self.notify()

    def notify(self) -> None:
        """Tell everybody who listens."""
        if self.listeners:
            for listener in self.listeners:
                listener.notify()

    def ids(self, first_id: int, limit: int) -> NDArray[np.uint64]:
        """(n,), at most so many ids that are there, ascending, from one on."""
        found: list[NDArray[np.uint64]] = []
        at = max(first_id, self._first_id)
        while limit > 0 and len(some := self._ever.ids(at, limit)):
            at = int(some[-1]) + 1
            found.append(some[~self._removed.contains(some)])
            limit -= len(found[-1])
        return np.concatenate(found) if found else np.empty(0, np.uint64)

    def with_ids(self, first_id: int, last_id: int) -> list[StoredBlock]:
        """Return the blocks that may have some of these ids, by their first id."""
        return [entry.stored for _, entry in self.index.with_ids(first_id, last_id)]

    def between(self, first_ns: int, last_ns: int) -> Iterator[StoredBlock]:
        """Yield the blocks that may have messages of this time, in their order of arrival."""
        return (entry.stored for _, entry in self.index.between(first_ns, last_ns))

    def _next_there(self, at: int) -> int:
        """Return the smallest id at or after another that is there; 0 if there is none."""
        while (found := self._ever.first_present(at)) is not None:
            at = self._removed.first_absent(found)
            if at == found:
                return found
        return 0
