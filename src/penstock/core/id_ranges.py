"""Lists of ranges of ids, for the few messages that are in motion; ``IdSet`` is for the many.

A list of (first, last), both included, ascends, and its ranges do not overlap. What counts is the number of ranges, not
of ids.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from penstock.core.id_set import LARGEST_ID, IdSet

__all__ = ["Range", "count", "cut", "joined", "of_ids", "put", "ranges_within", "split", "to_ids"]

Range = tuple[int, int]
"""First and last."""


def ranges_within(ids: IdSet, first: int, last: int = LARGEST_ID) -> Iterator[Range]:
    """Yield the ids of a set from first to last as ranges, each at the cost of a search.

    Examples
    --------
    >>> list(ranges_within(IdSet(np.array([1, 2, 5, 6, 9], np.uint64)), 2, 5))
    [(2, 2), (5, 5)]
    """
    at = ids.first_present(first)
    while at is not None and at <= last:
        end = ids.first_absent(at) - 1
        yield at, min(end, last)
        at = ids.first_present(end + 1) if end < LARGEST_ID else None


def put(ids: IdSet, ranges: Sequence[Range]) -> None:
    """Add ranges to a set; many short ones together, because each would be a search."""
    if len(ranges) > 8 and count(ranges) < 16 * len(ranges):
        ids.add_all(np.array(to_ids(ranges), np.uint64))
        return
    for first, last in ranges:
        ids.add_range(first, last)


def of_ids(ids: Iterable[int] | NDArray[np.uint64]) -> list[Range]:
    """Return single ids, in any order, as ranges.

    Examples
    --------
    >>> of_ids([3, 1, 2, 9, 2])
    [(1, 3), (9, 9)]
    """
    column = np.unique(np.fromiter(ids, np.uint64) if not isinstance(ids, np.ndarray) else ids)
    if not len(column):
        return []
    cuts = np.flatnonzero(np.diff(column) > 1)
    firsts = column[np.concatenate(([0], cuts + 1))].tolist()
    lasts = column[np.concatenate((cuts, [len(column) - 1]))].tolist()
    return list(zip(firsts, lasts, strict=True))


def to_ids(ranges: Sequence[Range]) -> list[int]:
    """Return the single ids of some ranges."""
    return [message_id for first, last in ranges for message_id in range(first, last + 1)]


def count(ranges: Iterable[Range]) -> int:
    """Return how many ids some ranges have."""
    return sum(last - first + 1 for first, last in ranges)


def joined(*many: Sequence[Range]) -> list[Range]:
    """Return everything that is in one of several, which may overlap.

    Examples
    --------
    >>> joined([(1, 2), (8, 9)], [(3, 4), (9, 10)])
    [(1, 4), (8, 10)]
    """
    filled = [ranges for ranges in many if ranges]
    if len(filled) < 2:
        return list(filled[0]) if filled else []
    result: list[Range] = []
    for first, last in sorted(found for ranges in filled for found in ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = result[-1][0], max(last, result[-1][1])
        else:
            result.append((first, last))
    return result


def split(ranges: Sequence[Range], others: Sequence[Range]) -> tuple[list[Range], list[Range]]:
    """Return what of ``ranges`` is not in ``others``, and what is.

    Examples
    --------
    >>> split([(1, 9)], [(3, 4), (9, 12)])
    ([(1, 2), (5, 8)], [(3, 4), (9, 9)])
    """
    if not ranges or not others or others[-1][1] < ranges[0][0] or ranges[-1][1] < others[0][0]:
        return list(ranges), []
    outside: list[Range] = []
    inside: list[Range] = []
    at = 0
    for first, last in ranges:
        while at < len(others) and others[at][1] < first:
            at += 1
        look = at
        while look < len(others) and others[look][0] <= last:
            start, stop = max(first, others[look][0]), min(last, others[look][1])
            if first < start:
                outside.append((first, start - 1))
            inside.append((start, stop))
            first = stop + 1
            look += 1
        if first <= last:
            outside.append((first, last))
    return outside, inside


def cut(ranges: Iterable[Range], size: int) -> tuple[list[Range], list[Range]]:
    """Return the first ``size`` ids, and the rest.

    Examples
    --------
    >>> cut([(1, 3), (7, 9)], 4)
    ([(1, 3), (7, 7)], [(8, 9)])
    """
    head: list[Range] = []
    rest: list[Range] = []
    for first, last in ranges:
        n = min(size, last - first + 1)
        if n:
            head.append((first, first + n - 1))
            size -= n
        if first + n <= last:
            rest.append((first + n, last))
    return head, rest
