"""An item as one ZeroMQ message: a small head with the value, and raw buffers behind it. Nothing is ever pickled.

The first frame begins with 24 bytes, little endian: ``psi1``, the kind (u8), how many frames follow (u8), two zeros,
the sender (u64) and the item's number at that sender (u64, from 1; 0: not numbered). Behind it stands the value as
``penstock.wire.values`` writes it, in which arrays from 16 kB on are places of the frames that follow; of an item that
is bytes from 16 kB on nothing stands there, and the one frame that follows is the item.

Pure: it makes frames and reads them, and knows no socket.
"""

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.encoded_message import EncodedMessage, encoded_message
from penstock.core.encoding import Encoding, encodings_from, plain_encodings
from penstock.core.event import Event
from penstock.core.message import Kind, Message, flaw_of
from penstock.core.result import Result
from penstock.core.values import check_value
from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.wire.values import ValueWriter, decode_value

__all__ = [
    "BEHIND_AT",
    "HEAD_BYTES",
    "OWN_FRAME_BYTES",
    "Frames",
    "ItemKind",
    "ItemWriter",
    "Received",
    "message_fields",
    "message_from",
    "read_frames",
]

Frames = Sequence[bytes | memoryview]

MAGIC: Final = b"psi1"
HEAD_BYTES: Final = 24
OWN_FRAME_BYTES: Final = 1 << 14
"""From here on a buffer is a frame of its own: another frame costs some µs, as much as to copy so many bytes twice."""
MOST_FRAMES: Final = 255

BEHIND_AT: Final = 5
"""The byte of the first frame that says how many follow."""

_HEAD: Final = struct.Struct("<4sBBHQQ")
_WHO: Final = struct.Struct("<QQ")
_BEGIN_BYTES: Final = 8
_BEGIN_OF_VALUE: Final = MAGIC + bytes(4)
_PLAIN: Final = frozenset({type(None), bool, int, float, str, bytes})
_TEXT: Final = frozenset({str})
_ENCODER: Final = msgspec.msgpack.Encoder()


class ItemKind(IntEnum):
    """What a message is; never renumbered."""

    VALUE = 0
    BYTES = 1
    """Bytes in a frame of their own."""
    MESSAGE = 2
    """A `Message` of an instrument: the value is its fields."""
    END = 3
    """Nothing more comes from this sender; the value is how its run ended, as text."""


_KINDS: Final = tuple(ItemKind)


class Received(msgspec.Struct, frozen=True, eq=False):
    """What one message said."""

    item: Any
    """The item; of an end mark, how the sender's run ended."""
    sender: int
    number: int
    """0 if the sender does not number its items."""
    is_end: bool


class ItemWriter:
    """Writes the items of one sender.

    Parameters
    ----------
    sender
        What tells this sender from others, a number of 64 bits that nobody else has.

    Examples
    --------
    >>> (frame,) = ItemWriter().frames({"energy_keV": 6.4})
    >>> read_frames([frame]).item
    {'energy_keV': 6.4}
    """

    def __init__(self, sender: int = 0) -> None:
        self.sender = sender
        self._behind: list[memoryview] = []
        self._values = ValueWriter(self._place)

    def frames(self, item: Any, number: int = 0) -> list[bytes | memoryview]:
        """Write an item: a value of the closed list, or a message of an instrument. Of a result, its value is written.

        Frames behind the first are views of the item's memory: send them before anybody changes it.

        Parameters
        ----------
        item
            Whatever came.
        number
            From 1 on, if items are numbered, so that who lacks one can know it.

        Raises
        ------
        ResultTypeError
            If it cannot travel; the text says what would be right.
        """
        kind = type(item)
        if kind is bytes and len(item) >= OWN_FRAME_BYTES:
            return [_HEAD.pack(MAGIC, ItemKind.BYTES, 1, 0, self.sender, number), item]
        if kind in _PLAIN or (kind is dict and _is_plain(item)):
            try:
                return [_HEAD.pack(MAGIC, ItemKind.VALUE, 0, 0, self.sender, number) + _ENCODER.encode(item)]
            except (OverflowError, UnicodeEncodeError):
                pass  # a whole number beyond 64 bits has a form of its own; text that is no Unicode has an error text
        if kind is Message or kind is EncodedMessage:
            return self._written(ItemKind.MESSAGE, message_fields(item), number)
        if kind is Result:
            return self.frames(item.value, number)
        if isinstance(item, Event):
            raise ResultTypeError(
                "an event has messages of several streams; let a step return what is to be sent, such as a dictionary"
            )
        check_value(item, "an item")
        return self._written(ItemKind.VALUE, item, number)

    def end(self, outcome: str = "finished") -> list[bytes | memoryview]:
        """Write the mark that nothing more comes from this sender."""
        return self._written(ItemKind.END, outcome, 0)

    def _written(self, kind: ItemKind, value: Any, number: int) -> list[bytes | memoryview]:
        behind: list[memoryview] = []
        self._behind = behind
        body = self._values.write(value)
        return [_HEAD.pack(MAGIC, kind, len(behind), 0, self.sender, number) + body, *behind]

    def _place(self, array: NDArray[Any]) -> int | None:
        if array.nbytes < OWN_FRAME_BYTES or len(self._behind) == MOST_FRAMES:
            return None
        self._behind.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        return len(self._behind) - 1


def read_frames(frames: Frames) -> Received:
    """Read what an `ItemWriter` wrote; arrays of frames of their own are read-only views of these.

    Dataclasses come back as such if their module is loaded here.

    Raises
    ------
    RemoteProtocolError
        If the frames are anything else.
    """
    if len(frames) == 1 and frames[0][:_BEGIN_BYTES] == _BEGIN_OF_VALUE and len(frames[0]) > HEAD_BYTES:
        sender, number = _WHO.unpack_from(frames[0], _BEGIN_BYTES)  # most are so, and this way takes half as long
        return Received(decode_value(memoryview(frames[0])[HEAD_BYTES:]), sender, number, False)
    try:
        magic, code, count, zero, sender, number = _HEAD.unpack_from(frames[0])
    except (struct.error, IndexError) as error:
        raise RemoteProtocolError(_foreign(frames)) from error
    if magic != MAGIC or zero or code >= len(_KINDS):
        raise RemoteProtocolError(_foreign(frames))
    if count != len(frames) - 1:
        raise RemoteProtocolError(f"an item of {len(frames) - 1} further frames, where its head says {count}")
    kind = _KINDS[code]
    body = memoryview(frames[0])[HEAD_BYTES:]
    if kind is ItemKind.BYTES:
        if count != 1 or body:
            raise RemoteProtocolError(f"an item that is bytes in {count} frames behind {len(body)} bytes of a head")
        return Received(bytes(frames[1]), sender, number, False)
    value = decode_value(body, None, _Fetch(frames[1:])) if count else decode_value(body)
    if kind is ItemKind.MESSAGE:
        value = message_from(value)
    elif kind is ItemKind.END and type(value) is not str:
        raise RemoteProtocolError(f"an end mark that says {value!r:.60} where it says how the run ended")
    return Received(value, sender, number, kind is ItemKind.END)


def _is_plain(item: dict[Any, Any]) -> bool:
    """Whether MessagePack writes a dictionary as it is, as it does most."""
    return set(map(type, item.values())) <= _PLAIN and set(map(type, item)) <= _TEXT


class _Fetch:
    """Gives each array the frame it names."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames

    def __call__(self, dtype: np.dtype[Any], shape: tuple[int, ...], place: int) -> NDArray[Any]:
        if not 0 <= place < len(self._frames):
            raise RemoteProtocolError(f"an array lies in frame {place} of {len(self._frames)}")
        if min(shape, default=0) < 0:
            raise RemoteProtocolError(f"an array of the shape {shape}")
        made: NDArray[Any] = np.frombuffer(self._frames[place], dtype).reshape(shape)
        made.flags.writeable = False
        return made


def message_fields(message: Message) -> list[Any]:
    """Return what a message is written as: its fields, the buffers as they came.

    Raises
    ------
    ResultTypeError
        If something in it cannot travel.
    """
    fields = [message.key, message.timestamp_ns, dict(message.metadata), list(message.buffers)]
    check_value(fields, "a message")
    encodings = [plain_encodings(message.encodings)] if any(message.encodings) else []
    return [message.id, int(message.kind), *fields, *encodings]


def message_from(fields: Any, stream: str = "") -> Message:
    """Return the message of which these are the fields; what came compressed is decoded when it is asked for.

    Raises
    ------
    RemoteProtocolError
        If they are anything else.
    """
    encodings: tuple[Encoding | None, ...] = ()
    try:
        id_, kind, key, timestamp_ns, metadata, buffers, *said = fields
        is_right = (
            kind in (0, 1, 2)
            and type(id_) is type(timestamp_ns) is int
            and (key is None or type(key) is int)
            and type(metadata) is dict
            and type(buffers) is list
            and all(isinstance(each, np.ndarray) for each in buffers)
        )
        encodings = encodings_from(*said)
    except (TypeError, ValueError):
        is_right = False
    if not is_right:
        raise RemoteProtocolError(f"not the fields of a message: {fields!r:.80}")
    message = Message(
        id=id_,
        key=key,
        timestamp_ns=timestamp_ns,
        metadata=metadata,
        array=buffers[0] if buffers else None,
        more=tuple(buffers[1:]),
        kind=Kind(kind),
        encodings=encodings,
    )
    if encodings and (flaw := flaw_of(message)):
        raise RemoteProtocolError(f"not the fields of a message: {flaw}")
    return encoded_message(message, stream)


def _foreign(frames: Frames) -> str:
    begin = bytes(frames[0][:16]) if frames else b""
    return (
        f"{len(frames)} frames beginning with {begin!r} are no item of penstock; if the sender is another program, "
        "say how it writes: encoding: json, text or bytes"
    )
