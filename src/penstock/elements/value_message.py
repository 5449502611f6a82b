"""A value that user code returned, or a tree of views, as a message of a durable stream. It stores nothing.

Arrays and bytes become buffers, everything else metadata; ``metadata["buffers"]`` names the buffers, where they have
names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.core.event import Event
from penstock.core.message import Message
from penstock.errors import SinkError
from penstock.views import array_of, attributes_of, walk

__all__ = ["BUFFERS", "VALUE", "message_of", "message_of_views"]

BUFFERS: Final = "buffers"
"""Where a message's metadata name its buffers, in their order."""
VALUE: Final = "value"
"""Where they hold a value without a name of its own."""
ATTRIBUTES: Final = "attributes"
"""Where they say, by name, what units and axes views have."""

Buffer = bytes | NDArray[Any]


def message_of(value: Any) -> Message:
    """Return the message of one value; it has no id and no time yet, unless it was a message before.

    An array or bytes are its one buffer; a list of them are its buffers. Of a mapping or a dataclass, arrays and bytes
    are buffers by name, the rest is metadata. Anything else is ``metadata["value"]``.

    Raises
    ------
    SinkError
        If it is an event, or a mapping of which a message cannot have the names.

    Examples
    --------
    >>> message = message_of({"peak": 3.5, "profile": np.arange(3.0)})
    >>> message.metadata, message.array.tolist()
    ({'peak': 3.5, 'buffers': ['profile']}, [0.0, 1.0, 2.0])
    """
    if isinstance(value, Message):
        return value
    if isinstance(value, Event):
        raise SinkError("an event has messages of several streams; let a stage return what is to be kept of it")
    if isinstance(value, Mapping):
        return _of_mapping(value)
    if is_dataclass(value) and not isinstance(value, type):
        return _of_mapping({field.name: getattr(value, field.name) for field in fields(value)})
    if _is_buffer(value):
        return _message((value,), {})
    if isinstance(value, list | tuple) and value and all(map(_is_buffer, value)):
        return _message(value, {})
    return _message((), {VALUE: value})


def message_of_views(tree: Mapping[str, Any]) -> Message:
    """Return the message of a tree of views: a buffer for each leaf by its path, text as metadata.

    ``metadata["attributes"]`` has units, titles and names of axes, by path. Arrays are copied.
    """
    buffers: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    for path, leaf in walk(tree):
        if said := dict(attributes_of(leaf)):
            attributes[path] = said
        array = array_of(leaf, path)
        if array.dtype.kind == "U":  # as text, which any reader can search for
            metadata[path] = array.tolist()
        else:
            buffers[path] = np.array(array)
    if attributes:
        metadata[ATTRIBUTES] = attributes
    return _of_mapping({**metadata, **buffers})


def _of_mapping(value: Mapping[Any, Any]) -> Message:
    if strange := next((key for key in value if not isinstance(key, str)), None):
        raise SinkError(f"a result with the key {strange!r}, which is no text; names of what is stored are texts")
    buffers = {name: item for name, item in value.items() if _is_buffer(item)}
    metadata = {name: item for name, item in value.items() if name not in buffers}
    if not buffers:
        return _message((), metadata)
    if BUFFERS in metadata:
        raise SinkError(f'a result with an entry "{BUFFERS}" beside arrays, where their names go; call it otherwise')
    return _message(tuple(buffers.values()), {**metadata, BUFFERS: list(buffers)})


def _is_buffer(value: Any) -> bool:
    return isinstance(value, np.ndarray | bytes)


def _message(buffers: Sequence[Buffer], metadata: Mapping[str, Any]) -> Message:
    arrays = [np.frombuffer(each, np.uint8) if isinstance(each, bytes) else each for each in buffers]
    return Message(metadata=metadata, array=arrays[0] if arrays else None, more=tuple(arrays[1:]))
