"""Change the array of an item: its field, its message's buffer, or the item itself. It never changes one in place."""

from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from penstock.core.encoded_message import with_array
from penstock.core.event import Event, Part
from penstock.core.message import Message
from penstock.core.suggest import listed
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
        message's. Of an event its stream, ``detector``, is enough: the event stays one, with another message in that
        part, or several; one without that part stays as it is.
    change
        Takes the array and returns the new one.

    Raises
    ------
    TypeError
        If there is no array.
    """
    if isinstance(item, Event):
        return _of_event(item, field, change)
    if field:
        return with_field(item, field, change(_array(field_of(item, field), f'field "{field}"')))
    if isinstance(item, Message):
        array = _array(item.array, "this message's array")
        return with_array(item, change(array))
    return change(_array(item, "this item"))


def _of_event(event: Event, field: str, change: Callable[[NDArray[Any]], Any]) -> Event:
    if not field:
        raise TypeError(f"this item is an event; name the stream whose array is meant, {listed(event.names)}")
    stream, _, rest = field.partition(".")
    part: Part = event[stream]
    if part is None:
        return event
    inner = "" if rest == "array" else rest
    found = [with_array_changed(one, inner, change) for one in (part if isinstance(part, tuple) else (part,))]
    changed: Part = tuple(found) if isinstance(part, tuple) else found[0]
    place = event.positions[stream]
    return replace(event, parts=(*event.parts[:place], changed, *event.parts[place + 1 :]))


def _array(value: Any, what: str) -> NDArray[Any]:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{what} is of type {type(value).__name__}, not an array; name the field that is one")
    return value
