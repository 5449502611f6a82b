"""Events that were taken together, and which of their results have come; the resequencer's memory, range by range."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.result_range import ResultRange, gather

__all__ = ["Expected"]


class Expected(msgspec.Struct, kw_only=True, eq=False, gc=False):
    """Numbers that were taken together, and what has come of them."""

    numbers: NDArray[np.int64]
    """(m,)"""
    owed: NDArray[np.int32] | None = None
    """(m,), results still to come; ``None``: one each, unless ``whole`` is here."""
    at: int = 0
    """Everything before has left."""
    whole: ResultRange | None = None
    """All results, where they came at once, which most do."""
    pieces: list[ResultRange] = msgspec.field(default_factory=list)
    piece: dict[int, NDArray[np.int32]] = msgspec.field(default_factory=dict)
    """Per copy, (m,): which piece has its result, -1 where none came."""
    row: dict[int, NDArray[np.int32]] = msgspec.field(default_factory=dict)
    """Per copy, (m,): which row of that piece."""

    def positions(self, numbers: NDArray[np.int64]) -> NDArray[np.intp]:
        """Return where some numbers stand, -1 for those that were never expected."""
        first = int(self.numbers[0])
        if int(self.numbers[-1]) - first == len(self.numbers) - 1:
            return (numbers - first).astype(np.intp)
        at = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        return np.where(self.numbers[at] == numbers, at, -1)

    def has(self, copy: int, positions: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Tell which positions have this copy's result, or have left."""
        if self.whole is not None:
            return np.full(len(positions), copy == 0)
        column = self.piece.get(copy)
        left: NDArray[np.bool_] = positions < self.at
        return left if column is None else left | (column[positions] >= 0)

    def put(self, piece: int, copy: int, positions: NDArray[np.intp], rows: NDArray[np.intp]) -> None:
        """Note which piece, and which rows of it, have one copy of these positions."""
        self._split()
        if copy not in self.piece:
            self.piece[copy] = np.full(len(self.numbers), -1, np.int32)
            self.row[copy] = np.zeros(len(self.numbers), np.int32)
        self.piece[copy][positions] = piece
        self.row[copy][positions] = rows
        self._owed()[positions] -= 1

    def owe(self, positions: NDArray[np.intp], more: NDArray[np.int32]) -> None:
        """Note that some positions will have further results."""
        self._split()
        self._owed()[positions] += more

    def owes_one_each(self, span: slice) -> bool:
        """Whether nothing has come for some positions, and one result of each will."""
        return self.whole is None and (self.owed is None or bool((self.owed[span] == 1).all()))

    def ready(self) -> int:
        """Return up to where everything has come."""
        if self.owed is None:
            return self.at if self.whole is None else len(self.numbers)
        waits = self.owed[self.at :] > 0
        first = int(waits.argmax())
        return self.at + first if waits[first] else len(self.numbers)

    def release(self, stop: int) -> list[ResultRange]:
        """Return what has come for the positions up to ``stop``, in order, the copies of an event side by side."""
        span = slice(self.at, stop)
        self.at = stop
        if self.whole is not None:
            return [self.whole]
        if not self.piece:
            return []
        copies = sorted(self.piece)
        piece = np.stack([self.piece[copy][span] for copy in copies], axis=1).reshape(-1)
        row = np.stack([self.row[copy][span] for copy in copies], axis=1).reshape(-1)
        there = piece >= 0
        if not there.any():
            return []
        return gather(self.pieces, piece[there], row[there], np.repeat(self.numbers[span], len(copies))[there])

    def _owed(self) -> NDArray[np.int32]:
        if self.owed is None:
            self.owed = np.ones(len(self.numbers), np.int32)
        return self.owed

    def _split(self) -> None:
        """Keep by position what came as a whole: more will come for some of it."""
        whole, self.whole = self.whole, None
        if whole is not None:
            self.pieces.append(whole)
            rows = np.arange(len(self.numbers))
            self.put(len(self.pieces) - 1, 0, rows, rows)
