"""Fewer elements of an array, each made of a block of them: their mean, or the largest or smallest of them.

Elements that are not a number do not count; where a block has no others, it is not a number either.
"""

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from penstock.errors import SelectionError

__all__ = ["FEWER", "Fewer", "blocks_of", "chosen", "dtype_of_blocks"]

Fewer = Literal["mean", "max", "min", "every"]
"""What becomes of a block; ``every``: its first element, whatever the others are."""
FEWER: tuple[Fewer, ...] = get_args(Fewer)

LONG = 32
"""From this size on blocks are folded one by one; of smaller ones all first elements are, then all second ones, …"""


def chosen(wanted: Fewer | None, dtype: np.dtype[Any]) -> Fewer:
    """Return what becomes of blocks of a dtype if that is wanted: by default the mean, or of no numbers ``every``.

    Raises
    ------
    SelectionError
        If it cannot be had of this dtype.
    """
    if wanted is None:
        return "mean" if dtype.kind in "biufc" else "every"
    if wanted == "mean" and dtype.kind not in "biufc":
        raise SelectionError(f"there is no mean of {dtype}; ask for every")
    if wanted in ("max", "min") and dtype.kind not in "biuf":
        raise SelectionError(f"there is no {wanted} of {dtype}; ask for mean of complex numbers, or for every")
    return wanted


def dtype_of_blocks(fewer: Fewer, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype that blocks have: of the mean of whole numbers float64, else that of the elements."""
    return np.dtype(np.float64) if fewer == "mean" and dtype.kind in "biu" else dtype


def blocks_of(array: NDArray[Any], size: int, fewer: Fewer) -> NDArray[Any]:
    """Return an array of one element a block of ``size`` along each dimension; the last blocks may be smaller.

    The result is a copy, C order, with the dtype of ``dtype_of_blocks``. The mean is formed in float64 or complex128.

    >>> blocks_of(np.array([1, 2, 3, 6, 9]), 2, "mean")
    array([1.5, 4.5, 9. ])
    """
    if fewer == "every" or size == 1 or not array.ndim:
        return np.array(array[(slice(None, None, size),) * array.ndim], order="C")
    if fewer != "mean":
        largest, smallest = (np.fmax, np.fmin) if array.dtype.kind == "f" else (np.maximum, np.minimum)
        return np.ascontiguousarray(_folded(array, size, largest if fewer == "max" else smallest))
    dtype = dtype_of_blocks(fewer, array.dtype)
    with np.errstate(invalid="ignore", over="ignore"):  # of infinities, and of numbers near the largest
        return _means(array, size).astype(dtype, order="C", copy=False)


def _means(array: NDArray[Any], size: int) -> NDArray[Any]:
    wide = np.dtype(np.complex128 if array.dtype.kind == "c" else np.float64)
    sums = _folded(array, size, np.add, wide)
    if array.dtype.kind in "fc" and np.isnan(sums).any():  # looked at first in the sums, of which there are fewer
        counts = ~np.isnan(array)
        sums = _folded(np.where(counts, array, 0), size, np.add, wide)
        numbers = _folded(counts, size, np.add, np.dtype(np.float64))
        found = np.full_like(sums, np.nan)
        np.divide(sums, numbers, out=found, where=numbers > 0)
        return found
    for axis, length in enumerate(array.shape):
        filled = np.full(-(-length // size), size, np.float64)
        if length % size:
            filled[-1] = length % size
        sums /= filled.reshape([-1 if k == axis else 1 for k in range(array.ndim)])
    return sums


def _folded(array: NDArray[Any], size: int, fold: np.ufunc, dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
    """Fold the elements of blocks dimension by dimension, the first one first: there whole rows are taken at once."""
    found = array
    for axis in range(array.ndim):
        if size >= LONG and found.shape[axis]:
            starts = np.arange(0, found.shape[axis], size)
            found = fold.reduceat(found, starts, axis=axis, dtype=dtype or array.dtype)
            continue
        before = (slice(None),) * axis
        kept = np.array(found[(*before, slice(0, None, size))], dtype=dtype or array.dtype, order="C")
        for at in range(1, min(size, found.shape[axis])):
            more = found[(*before, slice(at, None, size))]
            part = kept[(*before, slice(0, more.shape[axis]))]
            fold(part, more, out=part)
        found = kept
    return found
