"""Which elements of a dataset somebody wants over HDF5-REST: ``[0:10:2,5,[1,7]]``, or single points.

Unlike NumPy's, numbers count from the start, and none may be outside: who asks for ten rows gets ten or is refused. The
number of elements is known before anything is copied.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import SelectionError

__all__ = ["Wanted", "flat_points", "points_of", "selected"]

_COMMA: Final = re.compile(r",(?![^\[]*\])")
"""One that stands in no list."""
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_SLICE: Final = re.compile(r"([0-9]{1,18})?\s*:\s*([0-9]{1,18})?\s*(?::\s*([0-9]{1,18})?)?")
_LIST: Final = re.compile(r"\[\s*[0-9]{1,18}\s*(?:,\s*[0-9]{1,18}\s*)*\]")
_WRITTEN: Final = 'write one entry a dimension, such as "[10:20,0:8:2]", "[5,0:8]" or "[[1,4,7],0:8]"'
_MOST: Final = 64


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Some elements of an array."""

    index: Any
    """As NumPy takes it."""
    shape: tuple[int, ...]
    """Of what is selected."""

    def of(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the elements; none but these are copied."""
        return np.asarray(array[self.index])


def selected(text: str, shape: Sequence[int]) -> Wanted:
    """Return what a text selects of an array of some shape; empty: all.

    A whole number is a slice of one, and takes no dimension away: HSDS does so, and clients count on it.

    >>> selected("[10:20,::2]", (100, 5)).shape
    (10, 3)
    >>> selected("[7,[0,4]]", (100, 5)).shape
    (1, 2)

    Raises
    ------
    SelectionError
        If it is written in another way, has another number of entries than there are dimensions, or is outside.
    """
    text = text.strip()
    if not text:
        return Wanted(index=..., shape=tuple(shape))
    if not (text.startswith("[") and text.endswith("]")):
        raise SelectionError(f'"{text[:_MOST]}" selects nothing: {_WRITTEN}')
    entries = [entry.strip() for entry in _COMMA.split(text[1:-1])]
    if len(entries) != len(shape):
        raise SelectionError(f'"{text[:_MOST]}" has {len(entries)} entries for {len(shape)} dimensions: {_WRITTEN}')
    found = [_entry(entry, k, length) for k, (entry, length) in enumerate(zip(entries, shape, strict=True))]
    if sum(isinstance(index, list) for index, _ in found) > 1:
        raise SelectionError(f'"{text[:_MOST]}" has more than one list; ask for single points')
    return Wanted(index=tuple(index for index, _ in found), shape=tuple(count for _, count in found))


def points_of(points: Any, shape: Sequence[int]) -> Wanted:
    """Return what single points select, in their order.

    Parameters
    ----------
    points
        Whole numbers: a list of all its coordinates each; of one dimension they may be lists or not.
    shape
        Of the array.

    Raises
    ------
    SelectionError
        If they are something else, or one is outside.
    """
    rank = len(shape)
    if rank == 0:
        raise SelectionError("a single value has no points; ask for it without any")
    found = _coordinates(points)
    if not found.size:
        found = found.reshape(0, rank)
    if found.size % rank or (found.ndim > 1 and found.shape[1:] != (rank,)) or (found.ndim == 1 and rank > 1):
        raise SelectionError(f"points of shape {found.shape} for {rank} dimensions; give {rank} numbers a point")
    table = found.reshape(-1, rank)
    outside = np.flatnonzero((table >= np.array(shape, np.uint64)).any(axis=1))
    if outside.size:
        where = table[outside[0]].tolist()
        raise SelectionError(f"point {outside[0]}, {where}, is outside {tuple(shape)}")
    return Wanted(index=tuple(table.T.astype(np.intp)), shape=(len(table),))


def flat_points(data: bytes, rank: int) -> Any:  # a table of whole numbers
    """Return the coordinates that bytes hold, one row a point.

    Raises
    ------
    SelectionError
        If they are no whole number of points.
    """
    if len(data) % (8 * max(1, rank)):
        raise SelectionError(f"{len(data):,} bytes of points; each is {rank} numbers of 8 bytes")
    return np.frombuffer(data, "<u8").reshape(-1, max(1, rank))


def _coordinates(points: Any) -> NDArray[Any]:
    try:
        found = np.asarray(points)
    except (ValueError, OverflowError) as error:
        raise SelectionError("points are lists of whole numbers, all of the same length") from error
    if found.size == 0:
        return np.zeros((0,), np.uint64)
    if found.dtype.kind not in "iu" or found.ndim not in (1, 2) or (found.dtype.kind == "i" and found.min() < 0):
        raise SelectionError("points are lists of whole numbers that count from 0")
    return found.astype(np.uint64, copy=False)


def _entry(text: str, dimension: int, length: int) -> tuple[slice | list[int], int]:
    """Return an index, and how many it selects."""
    if _NUMBER.fullmatch(text):
        _check([int(text)], dimension, length)
        return slice(int(text), int(text) + 1), 1
    if _LIST.fullmatch(text):
        numbers = [int(number) for number in _NUMBER.findall(text)]
        _check(numbers, dimension, length)
        return numbers, len(numbers)
    match = _SLICE.fullmatch(text)
    if match is None:
        raise SelectionError(f'"{text[:_MOST]}" selects nothing: {_WRITTEN}')
    start, stop, step = (
        int(part) if part else default for part, default in zip(match.groups(), (0, length, 1), strict=True)
    )
    if not start <= stop <= length or step == 0:
        raise SelectionError(
            f'"{text}" is no part of dimension {dimension}, which has {length} elements; write start:stop:step, '
            "none of them beyond the end, and a step of 1 or more"
        )
    return slice(start, stop, step), len(range(start, stop, step))


def _check(numbers: Sequence[int], dimension: int, length: int) -> None:
    if max(numbers) >= length:
        raise SelectionError(f"{max(numbers)} is outside dimension {dimension}, which has {length} elements")
