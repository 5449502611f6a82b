"""Where the blocks of one stream are: by position, by id, by time. It knows numbers only, not what a block is.

Finding costs a search, also with millions of blocks, as long as their ids overlap little; dropping the oldest costs the
same however many there are.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec
import numpy as np

__all__ = ["BlockIndex", "BlockRange"]

Item = TypeVar("Item")
DEAD_ROWS = 1024
"""Fewer dropped rows are not worth being tidied away."""


class BlockRange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the messages of one block span."""

    n: int
    """Messages; at least one."""
    first_id: int
    last_id: int
    first_ns: int
    """The earliest timestamp, UTC; need not be the first message's."""
    last_ns: int
    """The latest timestamp."""


class BlockIndex(Generic[Item]):
    """The blocks of a stream in their order of arrival, each with an item of the caller's.

    Positions count messages since the stream began, also those that were dropped.
    """

    __slots__ = (
        "_base",
        "_dead",
        "_first_ids",
        "_first_ns",
        "_id_firsts",
        "_id_reach",
        "_id_rows",
        "_items",
        "_last_ids",
        "_last_ns",
        "_positions",
        "arrived",
    )

    def __init__(self) -> None:
        self.arrived = 0
        """Messages since the stream began: the position of the next block."""
        self._items: list[Item | None] = []
        self._positions = array("Q")
        self._first_ids = array("Q")
        self._last_ids = array("Q")
        self._first_ns = array("q")
        self._last_ns = array("q")
        self._dead = 0  # rows at the beginning that were dropped
        self._base = 0  # rows that were dropped and tidied away
        # Ordered by first id; reach is the largest id up to there, so that both can be searched though blocks overlap.
        self._id_firsts = array("Q")
        self._id_reach = array("Q")
        self._id_rows = array("Q")  # counted since the stream began, which stays true when rows are tidied away

    def __len__(self) -> int:
        return len(self._items) - self._dead

    def add(self, span: BlockRange, item: Item) -> None:
        """Add the block that arrived last."""
        row = self._base + len(self._items)
        self._items.append(item)
        self._positions.append(self.arrived)
        self._first_ids.append(span.first_id)
        self._last_ids.append(span.last_id)
        self._first_ns.append(span.first_ns)
        self._last_ns.append(span.last_ns)
        self.arrived += span.n
        reach = self._id_reach
        at = bisect_right(self._id_firsts, span.first_id)
        self._id_firsts.insert(at, span.first_id)
        self._id_rows.insert(at, row)
        reach.insert(at, max(span.last_id, reach[at - 1] if at else 0))
        for later in range(at + 1, len(reach)):
            if reach[later] >= reach[at]:
                break
            reach[later] = reach[at]

    def at(self, position: int) -> tuple[int, Item] | None:
        """Return the block that has a position, or else the next one, with the position it begins at."""
        row = max(bisect_right(self._positions, position) - 1, self._dead)
        if position >= self.arrived or row >= len(self._items):
            return None
        return self._positions[row], self._item(row)

    def with_ids(self, first_id: int, last_id: int) -> Iterator[tuple[int, Item]]:
        """Yield the blocks that may have some of these ids, by their first id, as ``at`` returns them.

        The index must not be changed meanwhile.
        """
        low, high = bisect_left(self._id_reach, first_id), bisect_right(self._id_firsts, last_id)
        for row in self._id_rows[low:high]:
            row -= self._base
            if row >= self._dead and self._last_ids[row] >= first_id:
                yield self._positions[row], self._item(row)

    def between(self, first_ns: int, last_ns: int) -> Iterator[tuple[int, Item]]:
        """Yield the blocks that may have messages of this time, in their order of arrival, as ``at`` returns them.

        The index must not be changed meanwhile.
        """
        firsts, lasts = np.asarray(self._first_ns[self._dead :]), np.asarray(self._last_ns[self._dead :])
        for row in np.flatnonzero((firsts <= last_ns) & (lasts >= first_ns)).tolist():
            yield self._positions[self._dead + row], self._item(self._dead + row)

    def drop_oldest(self) -> Item:
        """Forget the block that arrived first, and return its item.

        Raises
        ------
        IndexError
            If there is none.
        """
        if not len(self):
            raise IndexError("there is no block")
        item = self._item(self._dead)
        self._items[self._dead] = None
        self._dead += 1
        if self._dead >= DEAD_ROWS and 2 * self._dead >= len(self._items):
            self._tidy()
        return item

    def _item(self, row: int) -> Item:
        item = self._items[row]
        assert item is not None, "a dropped block was looked up"
        return item

    def _tidy(self) -> None:
        """Give back the room of dropped rows; done when they are half of all, it costs each block little."""
        for column in (self._items, self._positions, self._first_ids, self._last_ids, self._first_ns, self._last_ns):
            del column[: self._dead]
        self._base += self._dead
        self._dead = 0
        rows = np.asarray(self._id_rows)
        rows = rows[rows >= self._base]
        lasts = np.asarray(self._last_ids)[rows - np.uint64(self._base)]
        self._id_firsts = array("Q", np.asarray(self._first_ids)[rows - np.uint64(self._base)].tobytes())
        self._id_reach = array("Q", np.maximum.accumulate(lasts).tobytes())
        self._id_rows = array("Q", rows.tobytes())
