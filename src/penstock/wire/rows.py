"""The rows of a block that are meant, as they travel: a range, or indices in as few bytes as they need."""

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Rows
from penstock.errors import RemoteProtocolError
from penstock.wire.integers import Integers, encode_integers, width

__all__ = ["decode_rows", "encode_rows", "rows_bytes"]


def encode_rows(rows: Rows, first: int = 0) -> Integers:
    """Return rows of a block that begins at row ``first`` of what lies in the slot."""
    if isinstance(rows, slice):
        return Integers(max(0, rows.stop - rows.start), rows.start + first, 1)
    found = encode_integers(rows)
    return Integers(found.size, found.first + first, found.step, found.item, found.data)


def decode_rows(rows: Integers, n: int) -> Rows:
    """Return rows of a block of ``n`` messages: a slice where they follow each other.

    Raises
    ------
    RemoteProtocolError
        If the block does not have them all.
    """
    if not rows.item and (rows.step == 1 or not rows.size):
        if not 0 <= rows.first <= rows.first + rows.size <= n:
            raise RemoteProtocolError(f"rows {rows.first} to {rows.first + rows.size} of a block of {n}")
        return slice(rows.first, rows.first + rows.size)
    found: NDArray[np.intp] = rows.array()
    if not 0 <= int(found.min()) <= int(found.max()) < n:
        raise RemoteProtocolError(f"rows {found.min()} to {found.max()} of a block of {n}")
    return found


def rows_bytes(rows: Rows) -> int:
    """Return how many bytes at most the rows need beside a few dozen."""
    if isinstance(rows, slice) or not len(rows):
        return 0
    return width(int(rows.max()) - int(rows.min())) * len(rows)
