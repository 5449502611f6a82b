"""Change the array of an item: its field, its message's buffer, or the item itself. It never changes one in place."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.encoded_message import with_array
from penstock.core.message import Message
from penstock.elements.item_field import field_of, with_field

__all__ = ["with_array_changed"]


def with_array_changed(item: Any, field: str, change: Callable[[NDArray[Any]], Any]) -> Any:
    """Return an item whose array is another.

    Parameters
    ----------
    item
        An array, a message, or with ``field`` anything that has fields.
    field
        Where the array is, such as ``image`` or ``detector.array``; empty for the array that is the item or the
        message's.
    change
        Takes the array and returns the new one.

    Raises
    ------
    TypeError
        If there is no array.
    """
    if field:
        return with_field(item, field, change(_array(field_of(item, field), f'field "{field}"')))
    if isinstance(item, Message):
        array = _array(item.array, "this message's array")
        return with_array(item, change(array))
    return change(_array(item, "this item"))


def _array(value: Any, what: str) -> NDArray[Any]:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{what} is of type {type(value).__name__}, not an array; name the field that is one")
    return value
