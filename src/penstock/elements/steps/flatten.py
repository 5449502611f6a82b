"""Give what is in a list one by one."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from penstock.elements.item_field import field_of

__all__ = ["Flatten"]


class Flatten:
    """Give the items of each list one by one: what ``batch`` and ``window`` undo, or all that was found in an image.

    A list, a tuple, or an array, which is taken apart along its first axis. Lists within a list stay whole; an empty
    one gives nothing. Anything else is an error, because a text or a mapping is hardly meant.

    >>> list(Flatten()([[1, 2], [], [3]]))
    [1, 2, 3]

    Parameters
    ----------
    field
        Where the list is in an item; the item itself if this is left out.
    """

    def __init__(self, field: str = "") -> None:
        self._field = field

    def __call__(self, upstream: Iterable[Any]) -> Iterator[Any]:
        """Yield what is in each item.

        Raises
        ------
        TypeError
            If there is no list.
        """
        for item in upstream:
            inside = field_of(item, self._field) if self._field else item
            if not isinstance(inside, list | tuple | deque) and not (isinstance(inside, np.ndarray) and inside.ndim):
                what = f'field "{self._field}"' if self._field else "this"
                raise TypeError(f"{what} is of type {type(inside).__name__}; flatten takes lists, tuples and arrays")
            yield from inside
