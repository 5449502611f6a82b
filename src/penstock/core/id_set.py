"""A set of message ids, kept as intervals: a stream without holes takes as much room as its first two messages."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGEST_ID", "IdSet"]

LARGEST_ID: Final = 2**64 - 1
_LITTLE: Final = np.dtype("<u8")

Ids = NDArray[np.uint64]


class IdSet:
    """Ids from 0 to 2⁶⁴ - 1 that are in and out.

    What is added at the end costs the same however much there is; elsewhere, the intervals behind it are moved. It may
    be read and changed by one thread at a time.

    Examples
    --------
    >>> ids = IdSet(np.array([1, 2, 3, 7], np.uint64))
    >>> ids.add_range(4, 5), ids.count, 6 in ids, ids.first_absent(1)
    (2, 6, False, 6)
    """

    # Two arrays of the standard library, because they grow at the end, are searched without a call of NumPy, and are
    # seen by NumPy as they are. Every interval is [first, last], and between two of them an id is missing.
    __slots__ = ("_count", "_firsts", "_lasts")

    def __init__(self, ids: Ids | None = None) -> None:
        self._firsts = array("Q")
        self._lasts = array("Q")
        self._count = 0
        if ids is not None:
            self.add_all(ids)

    @property
    def count(self) -> int:
        """How many ids are in; not ``len``, which ends at 2⁶³ - 1."""
        return self._count

    @property
    def first(self) -> int:
        """The smallest id; 0 if there is none, as no message has it."""
        return self._firsts[0] if self._firsts else 0

    @property
    def last(self) -> int:
        """The largest id; 0 if there is none."""
        return self._lasts[-1] if self._lasts else 0

    def add(self, number: int) -> bool:
        """Put one id in; return whether it was out."""
        lasts = self._lasts
        if lasts and number == lasts[-1] + 1 <= LARGEST_ID:
            lasts[-1] = number
            self._count += 1
            return True
        return bool(self.add_range(number, number))

    def add_range(self, first: int, last: int) -> int:
        """Put in all ids from first to last, both included; return how many of them were out.

        Raises
        ------
        ValueError
            If they are no ids, or last is smaller.
        """
        _check(first, last)
        lasts = self._lasts
        if lasts and first > lasts[-1]:  # most are added at the end
            if first == lasts[-1] + 1:
                lasts[-1] = last
            else:
                self._firsts.append(first)
                lasts.append(last)
            self._count += last - first + 1
            return last - first + 1
        low, high = bisect_left(lasts, first - 1), bisect_right(self._firsts, last + 1)
        if low < high:
            first, last = min(first, self._firsts[low]), max(last, lasts[high - 1])
        return self._splice(low, high, array("Q", (first,)), array("Q", (last,)))

    def add_all(self, ids: Ids) -> int:
        """Put in some ids; return how many of them were out.

        Parameters
        ----------
        ids
            (n,), strictly ascending.

        Raises
        ------
        ValueError
            If they are not.
        """
        if not len(ids):
            return 0
        if len(ids) > 1 and not bool((ids[1:] > ids[:-1]).all()):
            raise ValueError("the ids do not ascend")
        first, last = int(ids[0]), int(ids[-1])
        if last - first == len(ids) - 1:
            return self.add_range(first, last)
        breaks = np.flatnonzero(ids[1:] - ids[:-1] != 1)
        firsts, lasts = ids[np.concatenate(([0], breaks + 1))], ids[np.concatenate((breaks, [len(ids) - 1]))]
        low, high = bisect_left(self._lasts, first - 1), bisect_right(self._firsts, last + 1)
        if low < high:
            firsts, lasts = _merged(
                np.concatenate((np.asarray(self._firsts[low:high]), firsts)),
                np.concatenate((np.asarray(self._lasts[low:high]), lasts)),
            )
        return self._splice(low, high, _array(firsts), _array(lasts))

    def discard_range(self, first: int, last: int) -> int:
        """Take out all ids from first to last, both included; return how many of them were in.

        Raises
        ------
        ValueError
            If they are no ids, or last is smaller.
        """
        _check(first, last)
        low, high = bisect_left(self._lasts, first), bisect_right(self._firsts, last)
        if low == high:
            return 0
        firsts, lasts = array("Q"), array("Q")
        if self._firsts[low] < first:
            firsts.append(self._firsts[low])
            lasts.append(first - 1)
        if self._lasts[high - 1] > last:
            firsts.append(last + 1)
            lasts.append(self._lasts[high - 1])
        return -self._splice(low, high, firsts, lasts)

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int | np.integer):
            return False
        at = bisect_right(self._firsts, number)
        return at > 0 and bool(number <= self._lasts[at - 1])

    def contains(self, ids: Ids) -> NDArray[np.bool_]:
        """Tell of each of (n,) ids, in any order, whether it is in."""
        if not self._firsts:
            return np.zeros(len(ids), np.bool_)
        at = np.asarray(self._firsts).searchsorted(ids, "right")
        is_in: NDArray[np.bool_] = (at > 0) & (ids <= np.asarray(self._lasts)[at - 1])
        return is_in

    def present(self, ids: Ids) -> Ids:
        """Return those of (n,) ids that are in, in their order."""
        return ids[self.contains(ids)]

    def missing(self, first: int, last: int) -> tuple[Ids, Ids]:
        """Return the intervals of ids from first to last that are out.

        Returns
        -------
        firsts, lasts
            (gaps,) each, ascending; both ends are out.

        Raises
        ------
        ValueError
            If they are no ids, or last is smaller.
        """
        _check(first, last)
        low, high = bisect_left(self._lasts, first), bisect_right(self._firsts, last)
        if low == high:
            return np.array([first], np.uint64), np.array([last], np.uint64)
        firsts, lasts = np.asarray(self._firsts[low:high]), np.asarray(self._lasts[low:high])
        one = np.uint64(1)
        gaps = [(lasts[:-1] + one, firsts[1:] - one)]
        if int(firsts[0]) > first:
            gaps.insert(0, (np.array([first], np.uint64), firsts[:1] - one))
        if int(lasts[-1]) < last:
            gaps.append((lasts[-1:] + one, np.array([last], np.uint64)))
        return np.concatenate([gap[0] for gap in gaps]), np.concatenate([gap[1] for gap in gaps])

    def first_absent(self, at_least: int = 0) -> int:
        """Return the smallest id at or after another that is out; 2⁶⁴ if there is none."""
        at = bisect_right(self._firsts, at_least)
        return self._lasts[at - 1] + 1 if at and at_least <= self._lasts[at - 1] else at_least

    def first_present(self, at_least: int = 0) -> int | None:
        """Return the smallest id at or after another that is in; ``None`` if there is none."""
        at = bisect_left(self._lasts, at_least)
        return max(self._firsts[at], at_least) if at < len(self._firsts) else None

    def ids(self, at_least: int = 0, limit: int = 1 << 20) -> Ids:
        """Return (n,) ids that are in, ascending, from one on, at most so many; at the cost of those returned."""
        low = bisect_left(self._lasts, at_least)
        firsts = np.array(self._firsts[low : low + limit], np.uint64)
        if not len(firsts) or limit < 1:
            return np.empty(0, np.uint64)
        firsts[0] = max(int(firsts[0]), at_least)
        spans = np.asarray(self._lasts[low : low + limit]) - firsts
        lengths = np.minimum(spans, np.uint64(limit - 1)).astype(np.int64) + 1
        ends = np.cumsum(lengths)
        stop = int(ends.searchsorted(limit)) + 1
        starts = firsts[:stop] - (ends - lengths)[:stop].astype(np.uint64)  # below 0 it wraps around, and back again
        found: Ids = np.repeat(starts, lengths[:stop])[:limit]
        found += np.arange(len(found), dtype=np.uint64)
        return found

    def ranges(self, first: int = 0, last: int = LARGEST_ID) -> Iterator[tuple[int, int]]:
        """Yield the intervals of ids from first to last that are in, both ends included, ascending.

        The set must not be changed meanwhile.
        """
        for at in range(bisect_left(self._lasts, first), bisect_right(self._firsts, last)):
            yield max(self._firsts[at], first), min(self._lasts[at], last)

    def difference(self, other: "IdSet") -> "IdSet":
        """Return a new set of the ids that are in here and not there."""
        if not other._firsts:
            return self.copy()
        return self.intersection(IdSet._of(*other.missing(0, LARGEST_ID)))

    def intersection(self, other: "IdSet") -> "IdSet":
        """Return a new set of the ids that are in both."""
        firsts, lasts = np.asarray(self._firsts), np.asarray(self._lasts)
        other_firsts, other_lasts = np.asarray(other._firsts), np.asarray(other._lasts)
        low, high = other_lasts.searchsorted(firsts), other_firsts.searchsorted(lasts, "right")
        many = high - low  # how many of the other's intervals each of ours meets
        mine = np.repeat(np.arange(len(firsts)), many)
        theirs = np.arange(len(mine)) - np.repeat(np.cumsum(many) - many - low, many)
        return IdSet._of(np.maximum(firsts[mine], other_firsts[theirs]), np.minimum(lasts[mine], other_lasts[theirs]))

    def copy(self) -> "IdSet":
        """Return a set of its own with the same ids."""
        made = IdSet()
        made._firsts, made._lasts, made._count = self._firsts[:], self._lasts[:], self._count
        return made

    def tables(self) -> tuple[bytes, bytes]:
        """Return the first and the last id of every interval, ascending, as u64 little endian, to be stored or sent."""
        return np.asarray(self._firsts).astype(_LITTLE).tobytes(), np.asarray(self._lasts).astype(_LITTLE).tobytes()

    @classmethod
    def from_tables(cls, firsts: bytes, lasts: bytes) -> "IdSet":
        """Return the set that ``tables`` described.

        Raises
        ------
        ValueError
            If they describe none.
        """
        first_ids = np.frombuffer(firsts, _LITTLE).astype(np.uint64)
        last_ids = np.frombuffer(lasts, _LITTLE).astype(np.uint64)
        if len(first_ids) != len(last_ids) or bool((first_ids > last_ids).any()):
            raise ValueError(f"{len(first_ids)} firsts and {len(last_ids)} lasts are not the intervals of a set of ids")
        if bool((first_ids[1:] <= last_ids[:-1]).any()) or bool((first_ids[1:] - last_ids[:-1] == 1).any()):
            raise ValueError("intervals of a set of ids do not ascend, or touch each other")
        return cls._of(first_ids, last_ids)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IdSet):
            return NotImplemented
        return self._firsts == other._firsts and self._lasts == other._lasts

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        shown = [
            f"{first}" if first == last else f"{first}-{last}"
            for first, last in zip(self._firsts[:8], self._lasts[:8], strict=True)
        ]
        return f"IdSet({', '.join(shown)}{', …' if len(self._firsts) > 8 else ''})"

    @classmethod
    def _of(cls, firsts: Ids, lasts: Ids) -> "IdSet":
        made = cls()
        made._splice(0, 0, _array(firsts), _array(lasts))
        return made

    def _splice(self, low: int, high: int, firsts: "array[int]", lasts: "array[int]") -> int:
        """Put intervals in the place of some; return how many ids are in that were not."""
        more = _size(firsts, lasts)
        if low < high:
            more -= _size(self._firsts[low:high], self._lasts[low:high])
        self._firsts[low:high] = firsts
        self._lasts[low:high] = lasts
        self._count += more
        return more


def _check(first: int, last: int) -> None:
    if not 0 <= first <= last <= LARGEST_ID:
        raise ValueError(f"{first} to {last} is no range of ids; they go from 0 to 2**64 - 1")


def _array(values: Ids) -> "array[int]":
    made = array("Q")
    made.frombytes(np.ascontiguousarray(values).view(np.uint8).data)
    return made


def _size(firsts: "array[int]", lasts: "array[int]") -> int:
    if len(firsts) < 32:
        return sum(lasts) - sum(firsts) + len(firsts)
    # The distances of intervals that do not meet add up to less than 2⁶⁴.
    return int((np.asarray(lasts) - np.asarray(firsts)).sum()) + len(firsts)


def _merged(firsts: Ids, lasts: Ids) -> tuple[Ids, Ids]:
    """Return intervals of which none meet, of some that may."""
    order = np.argsort(firsts, kind="stable")
    firsts, reach = firsts[order], np.maximum.accumulate(lasts[order])
    is_new = np.ones(len(firsts), np.bool_)
    # Subtracted only where it cannot wrap around; adding 1 to the largest id would.
    is_new[1:] = (firsts[1:] > reach[:-1]) & (firsts[1:] - reach[:-1] > 1)
    at = np.flatnonzero(is_new)
    return firsts[at], reach[np.concatenate((at[1:] - 1, [len(firsts) - 1]))]
