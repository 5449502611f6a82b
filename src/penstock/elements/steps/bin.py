"""Sum neighbouring pixels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.elements.item_array import with_array_changed

__all__ = ["Bin"]


class Bin:
    """Sum neighbouring elements of the array of each item.

    Whole numbers are summed in 64 bits, so that they do not overflow; fractions keep their type. What does not fill a
    whole bin is an error, because leaving it out would lose counts: cut it off with ``roi``.

    >>> import numpy as np
    >>> Bin(2)(np.ones((4, 6), np.uint8))
    array([[4, 4, 4],
           [4, 4, 4]], dtype=uint64)

    Parameters
    ----------
    by
        How many elements become one: of each of the last two axes, or of the one there is; ``[2, 4]`` for the last axes
        one by one.
    field
        Where the array is in an item; needless where the item is an array, or a message's array is meant.

    Raises
    ------
    ValueError
        If ``by`` is not above 0.
    """

    def __init__(self, by: int | list[int], field: str = "") -> None:
        sizes = [by] if isinstance(by, int) else list(by)
        if not sizes or any(size < 1 for size in sizes):
            raise ValueError(
                f"by is {by}; write a number of 1 or more, or one for each of the last axes, such as [2, 4]"
            )
        self._by = by
        self._field = field

    def __call__(self, item: Any) -> Any:
        """Return the item with fewer and larger pixels.

        Raises
        ------
        ValueError
            If the array does not consist of whole bins.
        """
        return with_array_changed(item, self._field, self._binned)

    def _binned(self, array: NDArray[Any]) -> Any:
        sizes = [self._by] * min(array.ndim, 2) if isinstance(self._by, int) else self._by
        if len(sizes) > array.ndim or not array.ndim:
            raise ValueError(f"an array of shape {array.shape} has no {len(sizes)} axes to bin")
        first = array.ndim - len(sizes)
        for axis, size in enumerate(sizes, first):
            if array.shape[axis] % size:
                rest = array.shape[axis] % size
                raise ValueError(
                    f"axis {axis} of shape {array.shape} is {rest} more than whole bins of {size}; cut it with roi"
                )
        parted = [part for axis, size in enumerate(sizes, first) for part in (array.shape[axis] // size, size)]
        bins = array.reshape(*array.shape[:first], *parted)
        return np.sum(bins, axis=tuple(range(first + 1, bins.ndim, 2)))
