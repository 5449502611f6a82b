"""Made-up messages and events, so that user code can be called by hand. Nothing here joins or numbers streams."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from penstock.core.event import Event, Part, event_type
from penstock.core.message import NO_METADATA, Kind, Message

__all__ = ["make_event", "make_message"]


def make_message(
    array: Any = None,
    *more: Any,
    id: int = 1,  # noqa: A002  # a message's own word
    key: int | None = None,
    timestamp_ns: int = 0,
    kind: Kind = Kind.DATA,
    **metadata: Any,
) -> Message:
    """Make a message by hand; buffers by position, metadata by name.

    >>> make_message([1, 2], exptime=0.1).metadata["exptime"]
    0.1

    Parameters
    ----------
    array, more
        Buffers: arrays, or what makes one. They are read-only in the message, as in a real one.
    """
    first = None if array is None else _buffer(array)
    return Message(
        id=id,
        key=key,
        timestamp_ns=timestamp_ns,
        metadata=metadata or NO_METADATA,
        array=first,
        more=tuple(_buffer(each) for each in more),
        kind=kind,
    )


def make_event(number: int = 0, *, kind: Kind = Kind.DATA, **parts: Any) -> Event:
    """Make an event by hand, one part for each stream.

    >>> event = make_event(3, contrast={"pseudo": {"x": 1.5}}, xspress3=np.zeros((4, 4096)), temperature=None)
    >>> event["xspress3"].array.shape, event["contrast"].metadata["pseudo"]["x"], event["temperature"]
    ((4, 4096), 1.5, None)

    Parameters
    ----------
    number
        The event's number; its messages have it as ``key``, and ``number + 1`` as ``id``.
    parts
        For each stream a message; a mapping, which becomes a message's metadata; an array or a number, which becomes
        its array; a list of these, which becomes a range of messages; or ``None`` where the part is absent.
    """
    made = tuple(_part(value, number, kind) for value in parts.values())
    return event_type(tuple(parts))(number, made, kind)


def _part(value: Any, number: int, kind: Kind) -> Part:
    if value is None:
        return None
    if isinstance(value, list | tuple | range):
        first = number * len(value)
        return tuple(_message(each, first + k, kind) for k, each in enumerate(value))
    return _message(value, number, kind)


def _message(value: Any, number: int, kind: Kind) -> Message:
    if isinstance(value, Message):
        return value
    if isinstance(value, Mapping):
        return Message(id=number + 1, key=number, metadata=value, kind=kind)
    return Message(id=number + 1, key=number, array=_buffer(value), kind=kind)


def _buffer(value: Any) -> np.ndarray[Any, Any]:
    array = np.array(value)
    if array.dtype == object:
        raise TypeError(f"{value!r} makes no array; give numbers, an array, a mapping, a message or None")
    array.flags.writeable = False
    return array
