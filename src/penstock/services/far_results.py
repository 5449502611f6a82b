"""Results as the event builder has them: which rows of which pieces, in which order; never the values."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Rows, pick
from penstock.core.result_range import FarValues, ResultRange
from penstock.services.custody import HeldPiece
from penstock.wire.descriptors import ResultsDescriptor
from penstock.wire.envelopes import Picked
from penstock.wire.integers import encode_integers
from penstock.wire.rows import encode_rows

__all__ = ["FarResults", "picked"]

MISSING = -1


class FarResults(FarValues):
    """Rows of pieces.

    Parameters
    ----------
    pieces
        Where they are.
    rows
        Which row of its piece each is.
    which
        (n,), the position of its piece; ``None``: all are of the only one.
    present
        (n,), which have a value; ``None``: all.
    numbers
        The very column of the events' numbers, if these are all results of one piece, as they came.
    """

    __slots__ = ("numbers", "pieces", "present", "rows", "which")

    def __init__(
        self,
        pieces: Sequence[HeldPiece],
        rows: Rows,
        which: NDArray[np.int32] | None = None,
        present: NDArray[np.bool_] | None = None,
        numbers: NDArray[np.int64] | None = None,
    ) -> None:
        self.pieces = tuple(pieces)
        self.rows = rows
        self.which = which
        self.present = present
        self.numbers = numbers

    def __len__(self) -> int:
        return self.rows.stop - self.rows.start if isinstance(self.rows, slice) else len(self.rows)

    @property
    def nbytes(self) -> int:
        """Of the pieces."""
        return sum(piece.nbytes for piece in self.pieces)

    @property
    def is_small(self) -> bool:
        """Whether nothing of them lies in a slot."""
        return all(piece.results.slot is None for piece in self.pieces)

    def take(self, rows: Rows) -> Self:
        """Return the values of some rows."""
        which = None if self.which is None else self.which[rows]
        present = None if self.present is None else self.present[rows]
        if present is not None and present.all():
            present = None
        return type(self)(self.pieces, pick(self.rows, rows), which, present)

    @classmethod
    def gathered(cls, columns: Sequence[Self | None], piece: NDArray[np.int32], row: NDArray[np.int32]) -> Self:
        """Return rows of several columns in one order; a column that is ``None`` has no values."""
        pieces: list[HeldPiece] = []
        which, rows = np.zeros(len(piece), np.int32), np.zeros(len(piece), np.intp)
        present = np.zeros(len(piece), np.bool_)
        for number, column in enumerate(columns):
            mine = np.flatnonzero(piece == number)
            if column is None or not len(mine):
                continue
            chosen = column.take(row[mine].astype(np.intp))
            base = len(pieces)
            pieces += chosen.pieces
            which[mine] = base if chosen.which is None else chosen.which + base
            rows[mine] = (
                np.arange(chosen.rows.start, chosen.rows.stop) if isinstance(chosen.rows, slice) else chosen.rows
            )
            present[mine] = True if chosen.present is None else chosen.present
        return cls(pieces, rows, which, None if present.all() else present)


def picked(results: ResultRange) -> tuple[Picked | ResultsDescriptor, tuple[HeldPiece, ...]]:
    """Return the envelope part for results that all have values, and the pieces it speaks of.

    Most results go to one consumer as they came; they need not be sent before, and forgotten afterwards.
    """
    values = results.values
    assert isinstance(values, FarResults), "results in the event builder lie elsewhere"
    assert values.present is None, "rows without a value are left out before"
    if values.numbers is results.numbers:
        return values.pieces[0].results, ()
    numbers = encode_integers(results.numbers, is_ascending=results.copies is None)
    copies = None if results.copies is None else encode_integers(results.copies)
    if values.which is None:
        rows, which, pieces = encode_rows(values.rows), None, values.pieces
    else:
        used, compact = np.unique(values.which, return_inverse=True)
        pieces = tuple(values.pieces[k] for k in used.tolist())
        rows = encode_integers(values.rows)  # type: ignore[arg-type]  # indices, where there are several pieces
        which = None if len(pieces) == 1 else encode_integers(compact)
    return (
        Picked(
            results.stage, results.lane, numbers, results.revision, tuple([piece.number for piece in pieces]), rows,
            which, copies,
        ),
        pieces,
    )  # fmt: skip
