"""A plain value on its way as a message, and back: user code that reads such a source gets the value, not the message.

The message says in its metadata that it is one, so that a recording of it gives values again.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from penstock.core.block import Block
from penstock.core.message import Message
from penstock.elements.value_message import BUFFERS, VALUE

__all__ = ["PLAIN", "is_plain", "plain_message", "value_of", "values_of"]

PLAIN: Final = "penstock:plain"
"""Where the metadata of a message say that it is a plain value, and of which form."""
ANY: Final = "value"
ARRAY: Final = "array"
MAPPING: Final = "mapping"

_ARRAY_METADATA: Final = {PLAIN: ARRAY}


def plain_message(value: Any) -> Message:
    """Return the message of a plain value; a message is one already and stays what it is.

    An array is the message's array, arrays in a dictionary with text keys are its buffers. They are copied: whoever
    made them may fill the same memory again.

    >>> plain_message(3.5).metadata
    {'value': 3.5, 'penstock:plain': 'value'}
    """
    kind = type(value)
    if kind is np.ndarray and _can_be_buffer(value):
        return Message(metadata=_ARRAY_METADATA, array=np.array(value))
    if kind is dict and value and _is_mapping(value):
        return _of_mapping(value)
    if isinstance(value, Message):
        return value
    return Message(metadata={VALUE: value, PLAIN: ANY})


def value_of(message: Message) -> Any:  # whatever the source gave
    """Return the plain value that a message is, or the message itself if it is none.

    >>> value_of(plain_message({"peak": 3, "profile": np.arange(2)}))
    {'peak': 3, 'profile': array([0, 1])}
    """
    metadata = message.metadata
    form = metadata.get(PLAIN)
    if form == ANY:
        return metadata[VALUE]
    if form == ARRAY:
        return message.array
    if form != MAPPING:
        return message
    rest = {name: value for name, value in metadata.items() if name not in (PLAIN, BUFFERS)}
    return rest | dict(zip(metadata.get(BUFFERS, ()), message.buffers, strict=True))


def is_plain(block: Block) -> bool:
    """Whether a block is one of plain values; a source gives blocks of nothing else, or of none."""
    # Instruments that number their messages are seen at once; to read metadata takes time.
    return block.keys is None and block.metadata is not None and PLAIN in block.metadata[0]


def values_of(block: Block) -> Iterator[Any]:
    """Yield the values of a block of plain values."""
    return map(value_of, block.messages())


def _of_mapping(value: dict[str, Any]) -> Message:
    arrays = {name: item for name, item in value.items() if type(item) is np.ndarray and _can_be_buffer(item)}
    metadata = {name: item for name, item in value.items() if name not in arrays} if arrays else dict(value)
    metadata[PLAIN] = MAPPING
    if not arrays:
        return Message(metadata=metadata)
    metadata[BUFFERS] = list(arrays)
    first, *more = map(np.array, arrays.values())
    return Message(metadata=metadata, array=first, more=tuple(more))


def _is_mapping(value: dict[Any, Any]) -> bool:
    return set(map(type, value)) == {str} and PLAIN not in value and BUFFERS not in value


def _can_be_buffer(array: np.ndarray[Any, Any]) -> bool:
    return not array.dtype.hasobject and array.dtype.itemsize > 0
