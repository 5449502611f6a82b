"""Cut a region out of an array."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from penstock.elements.item_array import with_array_changed
from penstock.errors import SelectionError
from penstock.views.selection import Index, selection

__all__ = ["Roi"]


class Roi:
    """Cut a region out of the array of each item, a region of interest.

    It is a view and copies nothing. A region that leaves the array, or would be empty, is an error: half a region
    would be a plausible, and wrong, sum.

    >>> import numpy as np
    >>> Roi("1:3, 2:4")(np.arange(20).reshape(4, 5))
    array([[ 7,  8],
           [12, 13]])

    Parameters
    ----------
    region
        As NumPy writes it between brackets: ``100:200, 50:80`` are rows 100 to 199 of columns 50 to 79, ``3`` is one
        element of the first axis, ``..., 10:20`` cuts the last axis. Ends may be left out or be negative.
    field
        Where the array is in an item; needless where the item is an array, or a message's array is meant.

    Raises
    ------
    ValueError
        If it is no region.
    """

    def __init__(self, region: str | int, field: str = "") -> None:
        self._region = str(region)
        self._field = field
        self._index: dict[tuple[int, ...], Index] = {}
        if not self._region.strip():
            raise ValueError('roi needs a region; write "100:200, 50:80"')
        try:
            selection(self._region, [2**62] * (self._region.count(",") + 1))
        except SelectionError as error:
            raise ValueError(str(error)) from None

    def __call__(self, item: Any) -> Any:
        """Return the item with its region only.

        Raises
        ------
        ValueError
            If the array does not have the region.
        """
        return with_array_changed(item, self._field, self._cut)

    def _cut(self, array: NDArray[Any]) -> Any:
        index = self._index.get(array.shape)
        if index is None:
            # One shape is known at a time: an instrument has one, and whoever has many does not fill the memory.
            index = _checked(self._region, array.shape)
            self._index = {array.shape: index}
        return array[index]


def _checked(region: str, shape: Sequence[int]) -> Index:
    try:
        index = selection(region, shape)
    except SelectionError as error:
        raise ValueError(f"an array of shape {tuple(shape)} has no region {region}: {error}") from None
    for axis, (each, length) in enumerate(zip(index, shape, strict=True)):
        if isinstance(each, slice):
            if any(end is not None and not -length <= end <= length for end in (each.start, each.stop)):
                raise ValueError(f"the region {region} leaves axis {axis}, which has {length} elements")
            if not len(range(*each.indices(length))):
                raise ValueError(f"the region {region} is empty in axis {axis}, which has {length} elements")
    return index
