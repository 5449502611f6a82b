"""The message: one immutable unit of data of one stream. It never knows how it travelled."""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.encoding import Encoding
from penstock.core.timestamp import Timestamp

__all__ = ["MAX_KEY", "NO_METADATA", "Kind", "Message", "flaw_of"]

MAX_KEY = 2**64 - 1
NO_METADATA: Mapping[str, Any] = MappingProxyType({})


class Kind(IntEnum):
    """What a message, block or event is in its run."""

    DATA = 0
    START = 1
    """What the instrument says before its data, such as a header."""
    END = 2
    """What the instrument says after its data."""


class Message(msgspec.Struct, frozen=True, gc=False, eq=False):
    """One unit of data of one stream.

    Fields may be given by position because millions of them are made by ``map``; write keywords by hand.
    """

    id: int = 0
    """Given by us, dense from 1 in a live stream; 0 while a decoder has made it and no stream has numbered it yet."""
    key: int | None = None
    """The instrument's own number (frame, trigger, pulse), 0 … 2**64 - 1; ``None`` if it gives none."""
    timestamp_ns: int = 0
    """When the instrument says it happened, else when it was received; nanoseconds UTC."""
    metadata: Mapping[str, Any] = NO_METADATA
    """Whatever else the instrument says: text keys; scalars, text, bytes, small arrays, lists, mappings."""
    array: Any = None
    """The first buffer as an array with dtype and shape, read-only; ``None`` for a message without buffers. Where it
    came compressed it is decoded when it is asked for; a ``DecodingError`` says what is wrong with it."""
    more: tuple[NDArray[Any], ...] = ()
    """Further buffers, in the order of the protocol's page; decoded as ``array`` is."""
    kind: Kind = Kind.DATA
    encodings: tuple[Encoding | None, ...] = ()
    """For each buffer, what its bytes are; ``None``, or nothing at the end: the array as it is. Whoever makes such a
    message, as a decoder does, gives the bytes, (n,) ``uint8``, as ``array`` and ``more``."""

    @property
    def timestamp(self) -> Timestamp:
        """The time, in its own type."""
        return Timestamp(self.timestamp_ns)

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """All buffers as arrays: ``array`` and ``more``."""
        return () if self.array is None else (np.asarray(self.array), *self.more)

    @property
    def buffers(self) -> tuple[NDArray[Any], ...]:
        """All buffers as they came: the bytes of those that are compressed, which ``encodings`` tells, else arrays."""
        return self.arrays

    def as_it_came(self) -> "Message":
        """Return the message that a decoder gave: where it is compressed, ``array`` and ``more`` are bytes."""
        return self


def flaw_of(message: object) -> str:
    """Return what keeps something from being a message that can travel; empty if nothing does.

    Not asked for each message of a run, because that would take longer than reading it.

    >>> flaw_of(Message(key=-1))
    'its key is -1; it must be an int from 0 to 2**64 - 1, or None'
    >>> flaw_of(b"text")
    'it is of type bytes, no Message'
    """
    if not isinstance(message, Message):
        return f"it is of type {type(message).__name__}, no Message"
    key: object = message.key
    stamp: object = message.timestamp_ns
    metadata: object = message.metadata
    if key is not None and not (isinstance(key, (int, np.integer)) and 0 <= key <= MAX_KEY):
        return f"its key is {key!r}; it must be an int from 0 to 2**64 - 1, or None"
    if not isinstance(stamp, (int, np.integer)):
        return f"its timestamp_ns is {stamp!r}; it must be an int"
    if not (isinstance(metadata, Mapping) and all(isinstance(name, str) for name in metadata)):
        return f"its metadata is of type {type(metadata).__name__}; it must be a mapping with text keys"
    message = message.as_it_came()
    for array in ([] if message.array is None else [message.array]) + list(message.more):
        if not isinstance(array, (np.ndarray, np.generic)):
            return f"its array is of type {type(array).__name__}; it must be one of NumPy"
    return _flaw_of_encodings(message.encodings, message.buffers)


def _flaw_of_encodings(encodings: object, buffers: tuple[NDArray[Any], ...]) -> str:
    if not (isinstance(encodings, tuple) and all(one is None or isinstance(one, Encoding) for one in encodings)):
        return f"its encodings are {encodings!r:.80}; they must be a tuple of Encoding and None"
    if len(encodings) > len(buffers):
        return f"it has {len(encodings)} encodings for {len(buffers)} buffers"
    for buffer, one in zip(buffers, encodings, strict=False):
        if one is not None and (buffer.dtype != np.uint8 or buffer.ndim != 1):
            return f"a buffer is {one.name}, but of {buffer.dtype} {list(buffer.shape)}; give its bytes, (n,) uint8"
    return ""
