"""A range of results: what a worker returns for the rows of a lease, and what a resequencer lets go."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Self

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from penstock.core.block import Rows
from penstock.core.origin import Origins, united

__all__ = ["FarValues", "ResultRange", "Values", "gather", "stacked"]

ELSEWHERE = "these values lie in another process and are not looked at here"


class FarValues:  # no ABC: to ask whether something is one would take six times as long
    """Values that lie in another process: they can be chosen and put in an order, and are not looked at."""

    __slots__ = ()

    present: NDArray[np.bool_] | None
    """(n,), which rows have a value; ``None`` if all have."""

    @abstractmethod
    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, row: Any) -> Any:
        raise TypeError(ELSEWHERE)

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(ELSEWHERE)

    @abstractmethod
    def take(self, rows: Rows) -> Self:
        """Return the values of some rows."""

    @classmethod
    @abstractmethod
    def gathered(cls, columns: Sequence["Self | None"], piece: NDArray[np.int32], row: NDArray[np.int32]) -> Self:
        """Return rows of several columns in one order; a column that is ``None`` has no values."""


Values = Sequence[Any] | NDArray[Any]
"""One value each: an array where user code gave one, whose rows are the values."""


class ResultRange(msgspec.Struct, frozen=True, kw_only=True, eq=False, gc=False):
    """What one stage has to say about some events, in ascending order of their numbers."""

    stage: str
    numbers: NDArray[np.int64]
    """(n,)"""
    values: Values | FarValues | None
    """n values, ``None`` among them where user code gave no result; ``None`` as a whole: these events have none
    (skipped, failed, or a copy that ended with its worker)."""
    revision: int = 0
    """Of the parameters the user code saw; one for the whole range."""
    copies: NDArray[np.int32] | None = None
    """(n,), from the lease: which of the event's deliveries; ``None``: 0."""
    lane: str = ""
    """By which lane of the stage the events came."""
    arrived_ns: int = 0
    """When the first message of any of these events was received, by the clock of whoever formed them; 0 if unknown."""
    origins: Origins = ()
    """Of what these are results."""

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: Rows) -> "ResultRange":
        """Return the range of some rows."""
        values = self.values
        if isinstance(values, FarValues):
            values = values.take(rows)
        elif values is not None:
            if isinstance(rows, slice) or isinstance(values, np.ndarray):
                values = values[rows]  # type: ignore[index]  # indices are for arrays only
            else:
                values = [values[row] for row in rows.tolist()]
        copies = None if self.copies is None else self.copies[rows]
        return replace(self, numbers=self.numbers[rows], values=values, copies=copies)


def stacked(values: Values) -> Values:
    """Return values as one array if all are NumPy numbers of one type, or arrays of one dtype and shape."""
    if isinstance(values, np.ndarray) or not len(values):
        return values
    kinds = set(map(type, values))
    kind = kinds.pop() if len(kinds) == 1 else object
    if issubclass(kind, np.bool_ | np.number):
        return np.array(values, np.dtype(kind))
    if kind is not np.ndarray or len({(value.shape, value.dtype) for value in values}) > 1:
        return values
    if not values[0].ndim or values[0].dtype.hasobject:
        return values
    column = np.empty((len(values), *values[0].shape), values[0].dtype)  # stack would choose a byte order
    return np.stack(values, out=column)


def gather(
    pieces: Sequence[ResultRange], piece: NDArray[np.int32], row: NDArray[np.int32], numbers: NDArray[np.int64]
) -> list[ResultRange]:
    """Put rows of several pieces in one order.

    Parameters
    ----------
    pieces
        Where the rows are.
    piece, row, numbers
        (n,), which piece and which row of it stands at each position, and its event's number.

    Returns
    -------
    list[ResultRange]
        Slices of the pieces where rows follow each other, new ranges where they alternate; one revision each.
    """
    revisions = np.array([p.revision for p in pieces])[piece]
    found = []
    for start, stop in _runs(revisions[1:] != revisions[:-1], len(piece)):
        found += _of_one_revision(pieces, piece[start:stop], row[start:stop], numbers[start:stop])
    return found


def _of_one_revision(
    pieces: Sequence[ResultRange], piece: NDArray[np.int32], row: NDArray[np.int32], numbers: NDArray[np.int64]
) -> list[ResultRange]:
    runs = _runs((piece[1:] != piece[:-1]) | (row[1:] != row[:-1] + 1), len(piece))
    if len(runs) * 16 <= len(piece) or len(runs) == 1:
        return [
            pieces[piece[start]].take(slice(int(row[start]), int(row[start]) + stop - start)) for start, stop in runs
        ]
    columns: list[Any] = [p.values for p in pieces]  # lists, or all far away
    like = pieces[piece[0]]
    origins = united(each.origins for each in pieces)
    far = next((type(column) for column in columns if isinstance(column, FarValues)), None)
    if far is not None:
        far_values = far.gathered(columns, piece, row)
        return [replace(like, numbers=numbers, values=far_values, copies=None, origins=origins)]
    values = [
        None if (column := columns[p]) is None else column[r] for p, r in zip(piece.tolist(), row.tolist(), strict=True)
    ]
    return [replace(like, numbers=numbers, values=values, copies=None, origins=origins)]


def _runs(breaks: NDArray[np.bool_], n: int) -> list[tuple[int, int]]:
    edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), n]
    return list(pairwise(edges))
