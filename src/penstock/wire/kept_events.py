"""A whole event as bytes that can be put anywhere and read again: how kept events lie in memory and go over HTTP.

A record begins with 8 bytes, little endian: ``pev1`` and the length of the head (u32). The head is a value as
``penstock.wire.values`` writes it: [number, names, parts], where a part is null, or [whether it is a range, the
messages' fields]. Arrays lie behind the head, each from a multiple of 64 bytes on; their places are counted from the
first such multiple behind the head. Compressed buffers lie there as they came.

Pure: it fills memory that it is given, and knows no file.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.core.event import Event, Part, event_type
from penstock.core.message import Message
from penstock.errors import RemoteProtocolError
from penstock.wire.item_frames import message_fields, message_from
from penstock.wire.values import ValueWriter, decode_value

__all__ = ["MESSAGE", "PackedEvent", "aligned", "join_records", "read_event", "split_records"]

MESSAGE: Final = "message"
"""The name of the one part of what is no event of a join, but a message of a source alone."""

_MAGIC: Final = b"pev1"
_HEAD: Final = struct.Struct("<4sI")
_LENGTH: Final = struct.Struct("<Q")
_ALIGNMENT: Final = 64


class PackedEvent:
    """One event, ready to be written: its head is made, its arrays are where they were.

    Parameters
    ----------
    item
        An event, or a message of a source, which becomes an event of one part.

    Raises
    ------
    ResultTypeError
        If its metadata cannot travel, or it is something else.

    Examples
    --------
    >>> packed = PackedEvent(Message(3, 41, 0, {"motor": 0.5}, np.arange(4)))
    >>> read_event(packed.tobytes())["message"].array.tolist()
    [0, 1, 2, 3]
    """

    def __init__(self, item: Event | Message) -> None:
        names: tuple[str, ...] = (MESSAGE,)
        parts: tuple[Part, ...] = ()
        if isinstance(item, Event):
            self.number, names, parts = item.number, item.names, item.parts
        else:
            self.number, parts = item.id, (item,)
        self._places: list[tuple[int, NDArray[Any]]] = []
        self._end = 0
        head = ValueWriter(self._place).write([self.number, list(names), [_plain_part(part) for part in parts]])
        self._head = _HEAD.pack(_MAGIC, len(head)) + head
        self._start = aligned(len(self._head))
        self.nbytes = self._start + aligned(self._end)
        """Of the record; a multiple of 64."""

    def write(self, memory: NDArray[np.uint8]) -> None:
        """Write the record to the beginning of some memory, (bytes,)."""
        memory[: len(self._head)] = np.frombuffer(self._head, np.uint8)
        for place, array in self._places:
            at = self._start + place
            # Copied in its own shape: what is not contiguous needs no copy of its own before.
            np.ndarray(array.shape, array.dtype, memory[at : at + array.nbytes])[...] = array

    def tobytes(self) -> bytes:
        """Return the record."""
        memory = np.zeros(self.nbytes, np.uint8)
        self.write(memory)
        return memory.tobytes()

    def _place(self, array: NDArray[Any]) -> int | None:
        if not array.nbytes:
            return None
        place = self._end
        self._places.append((place, array))
        self._end = aligned(place + array.nbytes)
        return place


def read_event(record: bytes | memoryview) -> Event:
    """Return the event of a record; its arrays are read-only views of it, decoded when they are asked for.

    Raises
    ------
    RemoteProtocolError
        If it is anything else.
    """
    data = memoryview(record)
    if len(data) < _HEAD.size:
        raise RemoteProtocolError(f"{len(data)} bytes are no kept event")
    magic, length = _HEAD.unpack_from(data)
    if magic != _MAGIC or _HEAD.size + length > len(data):
        raise RemoteProtocolError(f"{len(data)} bytes that begin with {bytes(data[:8])!r} are no kept event")
    behind = data[aligned(_HEAD.size + length) :]

    def fetch(dtype: np.dtype[Any], shape: tuple[int, ...], place: int) -> NDArray[Any]:
        if place < 0 or min(shape, default=0) < 0:
            raise RemoteProtocolError(f"an array of the shape {shape} at {place}")
        made: NDArray[Any] = np.ndarray(shape, dtype, behind[place:])  # raises where there is too little
        made.flags.writeable = False
        return made

    head = decode_value(data[_HEAD.size : _HEAD.size + length], None, fetch)
    match head:
        case [int(number), [*names], [*parts]] if len(names) == len(parts) and all(type(n) is str for n in names):
            found = tuple(_part(part, name) for part, name in zip(parts, names, strict=True))
            return event_type(tuple(names))(number, found)
    raise RemoteProtocolError(f"not the head of a kept event: {head!r:.80}")


def join_records(records: Iterable[bytes]) -> bytes:
    """Return several records as one body: before each, its length (u64, little endian)."""
    return b"".join(piece for record in records for piece in (_LENGTH.pack(len(record)), record))


def split_records(body: bytes) -> Iterator[memoryview]:
    """Yield the records of a body, as views of it.

    Raises
    ------
    RemoteProtocolError
        If it ends in the midst of one.
    """
    data, at = memoryview(body), 0
    while at < len(data):
        if at + _LENGTH.size > len(data):
            raise RemoteProtocolError(f"{len(data)} bytes end in the midst of a kept event")
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if length > len(data) - at:
            raise RemoteProtocolError(f"{len(data)} bytes end in the midst of a kept event")
        yield data[at : at + length]
        at += length


def aligned(nbytes: int) -> int:
    """Return the next multiple of 64.

    >>> aligned(0), aligned(1), aligned(64)
    (0, 64, 64)
    """
    return -(-nbytes // _ALIGNMENT) * _ALIGNMENT


def _plain_part(part: Part) -> list[Any] | None:
    if part is None:
        return None
    messages: Sequence[Message] = part if isinstance(part, tuple) else (part,)
    return [isinstance(part, tuple), [message_fields(message) for message in messages]]


def _part(plain: Any, stream: str) -> Part:
    match plain:
        case None:
            return None
        case [False, [fields]]:
            return message_from(fields, stream)
        case [True, [*all_fields]]:
            return tuple(message_from(fields, stream) for fields in all_fields)
    raise RemoteProtocolError(f"not a part of a kept event: {plain!r:.80}")
