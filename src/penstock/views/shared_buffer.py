"""One buffer as its writer knows it: where each view's rows lie, and which of them are older than the view.

Arrays stand first, each with room to grow; behind them the tail: the views' descriptions, the plain values, the state.
"""

from array import array
from collections.abc import Sequence
from math import prod
from operator import is_
from typing import Any, Final

from numpy.typing import NDArray

from penstock.views.array_view import ArrayView
from penstock.views.plain_tree import PlainTree, description_of
from penstock.views.shared_layout import MemoryFile, Record, aligned
from penstock.wire.values import encode_value

__all__ = ["SharedBuffer"]

_WORTH_PACKING: Final = 2
"""How many times larger than its arrays the memory for them may become, by views that moved or went."""


class _Place:
    """Where a view's rows lie in one buffer."""

    __slots__ = ("at", "held", "room", "said", "start", "stop", "view")

    def __init__(self, view: ArrayView, rows: NDArray[Any], at: int, file: MemoryFile) -> None:
        self.view = view
        self.at = at
        self.room = file.array(at, (view.room, *rows.shape[1:]), rows.dtype)
        self.start = self.stop = self.held = 0
        self.said: tuple[Any, ...] = ()

    def note(self, touched: range) -> None:
        """Remember rows that are older here than in the view."""
        if self.start == self.stop:
            self.start, self.stop = touched.start, touched.stop
        else:
            self.start, self.stop = min(self.start, touched.start), max(self.stop, touched.stop)

    def follow(self, rows: NDArray[Any]) -> None:
        """Copy what is older here."""
        length = len(rows)
        if length > self.held:  # rows may also come without a touch, filled
            self.note(range(self.held, length))
        start, stop = self.start, min(self.stop, length)
        if start < stop:
            self.room[start:stop] = rows[start:stop]
        self.start = self.stop = 0
        self.held = length

    @property
    def facts(self) -> tuple[Any, ...]:
        """What is said of the view, to be compared by identity: a fill may be NaN, or an array."""
        view = self.view
        return (view.grows, view.unit, view.title, view.axes, view.fill)


class SharedBuffer:
    """One buffer, for the writer. It trusts nothing that lies in the file already."""

    def __init__(self, fd: int) -> None:
        self._file = MemoryFile(fd, is_writable=True)
        self._places: list[_Place] = []
        self._place_of: dict[int, _Place] = {}
        self._tail = 0
        self._table = b""
        self._is_table_written = False

    def forget(self) -> None:
        """Trust nothing that was written; the next time all is copied."""
        self._places, self._place_of, self._tail, self._table = [], {}, 0, b""
        self._is_table_written = False

    def note(self, view: ArrayView, touched: range) -> None:
        """Remember rows that this buffer has to copy when its turn comes."""
        place = self._place_of.get(id(view))
        if place is not None:
            place.note(touched)

    def write(self, tree: PlainTree, position: int, version: int, state: bytes) -> "array[int]":
        """Bring the buffer up to date, copying only what changed since it was last written.

        Returns
        -------
        The fields of its ``Record``.

        Raises
        ------
        PenstockError
            If there is no memory left.
        """
        rows = [each if each.ndim else each.reshape(1) for each in tree.arrays]
        if not self._fits(tree.views, rows):
            self._lay(tree.views, rows)
        for place, each in zip(self._places, rows, strict=True):
            place.follow(each)
        self._describe()
        record = Record(position, version, self._tail, len(self._table), len(tree.data), len(state))
        if record.end > len(self._file):
            self._file.grow(2 * record.end - self._tail)
        if not self._is_table_written:
            self._file.write(self._tail, self._table)
            self._is_table_written = True
        self._file.write(self._tail + record.table, tree.data + state if state else tree.data)
        return array("q", record)

    def _fits(self, views: Sequence[ArrayView], rows: Sequence[NDArray[Any]]) -> bool:
        places = self._places
        return len(views) == len(places) and all(
            place.view is view and len(each) <= len(place.room)
            for place, view, each in zip(places, views, rows, strict=True)
        )

    def _lay(self, views: Sequence[ArrayView], rows: Sequence[NDArray[Any]]) -> None:
        """Give each view a place: those that still fit stay, others go to the end."""
        sizes = [aligned(view.room * _row_bytes(each)) for view, each in zip(views, rows, strict=True)]
        kept = [self._kept(view, each) for view, each in zip(views, rows, strict=True)]
        end = max((place.at + aligned(place.room.nbytes) for place in kept if place is not None), default=0)
        missing = sum(size for size, place in zip(sizes, kept, strict=True) if place is None)
        if end + missing > _WORTH_PACKING * sum(sizes):
            kept, end, missing = [None] * len(views), 0, sum(sizes)
        if end + missing > len(self._file):
            self._file.grow(end + missing)
        self._places = []
        for view, each, size, place in zip(views, rows, sizes, kept, strict=True):
            self._places.append(place or _Place(view, each, end, self._file))
            end += 0 if place else size
        self._place_of = {id(place.view): place for place in self._places}
        self._tail = end
        self._table = b""

    def _kept(self, view: ArrayView, rows: NDArray[Any]) -> _Place | None:
        place = self._place_of.get(id(view))
        return place if place is not None and len(rows) <= len(place.room) else None

    def _describe(self) -> None:
        """Write the table anew if what is said of a view, or a place, changed."""
        places = self._places
        if self._table and all(all(map(is_, place.facts, place.said)) for place in places):
            return
        for place in places:
            place.said = place.facts
        self._table = encode_value([[place.at, *description_of(place.view)] for place in places])
        self._is_table_written = False


def _row_bytes(rows: NDArray[Any]) -> int:
    return prod(rows.shape[1:]) * rows.dtype.itemsize
