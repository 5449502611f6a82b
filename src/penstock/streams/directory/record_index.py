"""Where the blocks of a stream are, by position, id and time: the records of all its segments in columns.

It holds no file. Blocks come in the order of arrival; their ids may come in any order.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.streams.segment import RECORD, BlockHeader

__all__ = ["RecordIndex"]

_TAIL: Final = 1024
"""Blocks that came after the last sorting, of a stream whose ids do not ascend, that are searched one by one."""


class RecordIndex:
    """The blocks of one stream; those of a stream with ascending ids are found in logarithmic time."""

    def __init__(self) -> None:
        self._n = 0
        self._records: NDArray[Any] = np.empty(64, RECORD)
        # Once more, one after the other: NumPy copies what it searches unless it is contiguous.
        self._position = np.empty(64, np.uint64)
        self._first_id = np.empty(64, np.uint64)
        self._last_id = np.empty(64, np.uint64)
        self._segment = np.empty(64, np.int64)
        self._first = 0
        self.last_id = 0
        """The largest id so far."""
        self._is_ascending = True
        self._sorted = 0
        self._order = np.empty(0, np.int64)
        self._sorted_first = np.empty(0, np.uint64)
        self._sorted_last = np.empty(0, np.uint64)
        self._reach = np.empty(0, np.uint64)
        """The largest id of all blocks up to here."""

    def __len__(self) -> int:
        """Return how many blocks can be read: numbers ``first`` to ``stop``."""
        return self._n - self._first

    @property
    def first(self) -> int:
        """The number of the first block that can be read."""
        return self._first

    @property
    def stop(self) -> int:
        """Behind the number of the last block."""
        return self._n

    @property
    def begin(self) -> int:
        """The position of the first message that can be read."""
        return int(self._position[self._first]) if len(self) else self.end

    @property
    def end(self) -> int:
        """How many messages there are, with those that were removed."""
        if not self._n:
            return 0
        return int(self._position[self._n - 1]) + int(self._records["rows"][self._n - 1])

    @property
    def count(self) -> int:
        """Messages that can be read; damaged ones are counted among them, so that none is without a position."""
        return self.end - self.begin

    @property
    def nbytes(self) -> int:
        """What is stored, with headers."""
        rows = self._records[self._first : self._n]
        return int(rows["body"].sum() + rows["head"].sum()) + len(self) * RECORD.itemsize

    @property
    def first_id(self) -> int:
        """The smallest id that can be read; 0 for none."""
        return int(self._first_id[self._first : self._n].min()) if len(self) else 0

    def add(self, records: NDArray[Any], segment: int) -> None:
        """Take further blocks of a segment, in the order of arrival."""
        n, more = self._n, len(records)
        if not more:
            return
        if n + more > len(self._records):
            self._grow(max(2 * n, n + more))
        stop = n + more
        self._records[n:stop] = records
        self._position[n:stop] = records["position"]
        first = self._first_id[n:stop] = records["first_id"]
        last = self._last_id[n:stop] = records["last_id"]
        self._segment[n:stop] = segment
        if self._is_ascending:
            self._is_ascending = int(first[0]) > self.last_id and bool((first[1:] > last[:-1]).all())
        self.last_id = max(self.last_id, int(last.max()))
        self._n = stop

    def _grow(self, size: int) -> None:
        for name in ("_records", "_position", "_first_id", "_last_id", "_segment"):
            old = getattr(self, name)
            new = np.empty(size, old.dtype)
            new[: self._n] = old[: self._n]
            setattr(self, name, new)

    def drop(self, segment: int) -> None:
        """Forget the blocks of all segments before this one, which were removed."""
        self._first = int(np.searchsorted(self._segment[: self._n], segment))

    def header(self, number: int) -> BlockHeader:
        """Return what is known of a block."""
        return BlockHeader.of(self._records[number])

    def segment(self, number: int) -> int:
        """Return in which segment a block is."""
        return int(self._segment[number])

    def of_segment(self, segment: int) -> range:
        """Return the numbers of a segment's blocks."""
        lo, hi = np.searchsorted(self._segment[: self._n], [segment, segment + 1]).tolist()
        return range(lo, hi)

    def records(self, segment: int) -> NDArray[Any]:
        """Return (n,), the records of a segment's blocks."""
        numbers = self.of_segment(segment)
        return self._records[numbers.start : numbers.stop]

    def at(self, position: int) -> int:
        """Return the number of the block that has a message's position, or of the first behind it."""
        n = int(np.searchsorted(self._position[: self._n], np.uint64(max(position, 0)), "right")) - 1
        if n >= 0 and position >= int(self._position[n]) + int(self._records["rows"][n]):
            n += 1
        return max(n, self._first)

    def within(self, first_ns: int, last_ns: int) -> list[int]:
        """Return the numbers of the blocks that may have timestamps in ``[first_ns, last_ns]``."""
        rows = self._records[self._first : self._n]
        hits = np.flatnonzero((rows["last_ns"] >= first_ns) & (rows["first_ns"] <= last_ns))
        return (hits + self._first).tolist()

    def overlapping(self, first_id: int, last_id: int) -> list[int]:
        """Return the numbers of the blocks that may have ids in ``[first_id, last_id]``, by their first id."""
        if not 0 <= first_id <= last_id:
            return []
        first, last = np.uint64(first_id), np.uint64(min(last_id, 2**64 - 1))
        if first_id > self.last_id:
            return []
        if self._is_ascending:
            lo = int(np.searchsorted(self._last_id[: self._n], first))
            hi = int(np.searchsorted(self._first_id[: self._n], last, "right"))
            return list(range(max(lo, self._first), hi))
        self._sort()
        hi = int(np.searchsorted(self._sorted_first, last, "right"))
        lo = int(np.searchsorted(self._reach[:hi], first))  # behind it nobody before reaches this far
        found = self._order[lo:hi][self._sorted_last[lo:hi] >= first]
        tail = slice(self._sorted, self._n)
        late = np.flatnonzero((self._last_id[tail] >= first) & (self._first_id[tail] <= last)) + self._sorted
        if len(late):
            found = np.concatenate((found, late))
            found = found[np.argsort(self._first_id[found], kind="stable")]
        numbers: list[int] = found[found >= self._first].tolist()
        return numbers

    def _sort(self) -> None:
        """Sort by the first id, unless few blocks have come since the last time."""
        if self._n - self._sorted <= max(_TAIL, self._sorted // 8) and self._sorted:
            return
        self._sorted = n = self._n
        self._order = np.argsort(self._first_id[:n], kind="stable")
        self._sorted_first = self._first_id[:n][self._order]
        self._sorted_last = self._last_id[:n][self._order]
        self._reach = np.maximum.accumulate(self._sorted_last)
