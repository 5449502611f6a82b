"""Columns of strictly ascending whole numbers: of events, of messages of one stream."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_slice", "is_same"]


def is_same(some: NDArray[np.int64], others: NDArray[np.int64]) -> bool:
    """Tell whether two strictly ascending columns are the same; without gaps, their ends say it for all."""
    n = len(some)
    if n != len(others):
        return False
    if not n:
        return True
    first, last = int(some[0]), int(some[-1])
    if first != int(others[0]) or last != int(others[-1]):
        return False
    return last - first == n - 1 or bool((some == others).all())


def as_slice(rows: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Return rows as a slice, if they follow each other."""
    n = len(rows)
    if n and int(rows[-1]) - int(rows[0]) == n - 1 and (n < 3 or bool((np.diff(rows) == 1).all())):
        return slice(int(rows[0]), int(rows[0]) + n)
    return rows
