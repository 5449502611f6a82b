"""What a parallel stage and the processes of its workers say to each other: items, what came of them, parameters.

Only bytes and their meaning. Items and outcomes are values of the closed list, several in one message.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from penstock.core.feedback import Said
from penstock.core.values import check_value
from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.wire.plain import encode_all
from penstock.wire.values import decode_value

__all__ = [
    "MOST_SAID",
    "MOST_UNHEARD",
    "Answered",
    "Broken",
    "Closed",
    "End",
    "Failed",
    "Gave",
    "Laid",
    "Made",
    "Recall",
    "Returned",
    "Set",
    "Spoke",
    "Took",
    "Work",
    "are_plain",
    "cannot_travel",
    "decode",
    "decode_values",
    "encode",
    "encode_single",
    "encode_values",
    "joined_values",
    "write_bytes",
]


MOST_UNHEARD: Final = 16
"""``Gave`` that may be on their way until ``Took`` says that what they brought has gone on."""


class Laid(msgspec.Struct, frozen=True, array_like=True):
    """Where in memory that both share values lie."""

    place: int
    nbytes: int


class Work(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Work on these."""

    count: int
    values: msgspec.Raw
    """As ``encode_values`` writes them; null if they lie in the memory file that comes beside, or are laid down."""
    laid: Laid | None = None
    freed: list[int] = []
    """Places of what was answered that are free again."""


class Set(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Use other values of parameters from here on."""

    values: bytes
    """By address, as ``encode_value`` writes them."""


class End(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Nothing more comes: close what is open."""


class Recall(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Give back what was not begun. By a link of its own, which a thread that does nothing else listens to."""


class Took(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What so many ``Gave`` brought has gone on, and as many more may come."""

    count: int


class Made(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The worker has made its steps."""

    is_net: bool = False
    """Whether a generator or a buffer is among them: then items have no outcomes of their own, and ``Gave`` comes."""


class Broken(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """It could not, or user code refused a parameter."""

    text: str


class Failed(msgspec.Struct, frozen=True, array_like=True):
    """An item on which a step failed."""

    cause: str
    traceback: str
    item: str


class Answered(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What came of the next items."""

    count: int
    values: msgspec.Raw
    """Null where an item was filtered, or failed."""
    took_ns: int
    tallies: list[tuple[int, int, int, int, int, int]]
    """Of each step: arrived, filtered, failed; timed, how long those took together, and the longest, in ns."""
    given_up: list[int]
    """Which of them failed."""
    failures: list[Failed]
    """Of these, or of the item under way."""
    trouble: str = ""
    """Why the run is to fail: of the item behind these."""
    laid: Laid | None = None
    freed: list[int] = []
    """Places of items that are free again."""


class Spoke(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What was said back to the scan about the next items that are answered; without an answer it was never said."""

    feedback: list[Said]
    """At most ``MOST_SAID``."""


class Gave(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What goes on, and how many items of those that were sent can be lost no more with what comes of them."""

    count: int
    values: msgspec.Raw
    """Null if they lie in the memory file that comes beside."""
    settled: int
    """So many more items are not to be given again, the oldest."""
    accounts: tuple[int, int, int]
    """Of items, since the last time: done, filtered, given up. One may be settled whose account is still open."""
    took_ns: int
    tallies: list[tuple[int, int, int, int, int, int]]
    """As in ``Answered``."""
    failures: list[Failed]


class Returned(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """So many of the last items were given back."""

    count: int


class Closed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Everything is closed; it is the last word."""

    trouble: str


ToWorker = Work | Set | End | Recall | Took
FromWorker = Made | Broken | Answered | Spoke | Gave | Returned | Closed

MOST_SAID: Final = 16
"""Pieces of feedback in one message, which are of bounded length."""
_DECODERS: Final = {
    "worker": msgspec.msgpack.Decoder(ToWorker),
    "stage": msgspec.msgpack.Decoder(FromWorker),
}
_ENCODER: Final = msgspec.msgpack.Encoder()
_PLAIN: Final = frozenset({type(None), bool, int, float, str, bytes})


def encode(message: ToWorker | FromWorker) -> bytes:
    """Return the bytes of a message."""
    return _ENCODER.encode(message)


def decode(data: bytes, reader: str) -> Any:  # ToWorker or FromWorker
    """Return a message.

    Parameters
    ----------
    reader
        ``worker`` or ``stage``.

    Raises
    ------
    RemoteProtocolError
        If it is none that this reader is sent.
    """
    try:
        return _DECODERS[reader].decode(data)
    except msgspec.DecodeError as error:
        raise RemoteProtocolError(f"a stage and its worker do not understand each other: {error}") from error


def encode_values(values: Sequence[Any]) -> bytes:
    """Write items, or what came of them.

    Raises
    ------
    ResultTypeError
        If one of them cannot travel.
    """
    if not _PLAIN.issuperset(map(type, values)):
        for value in values:
            check_value(value, "")
    return encode_all(values)


def are_plain(values: Sequence[Any]) -> bool:
    """Whether all of them are read as copies, so that nothing goes on using the memory they were read from."""
    return _PLAIN.issuperset(map(type, values))


def write_bytes(values: Sequence[bytes], room: memoryview) -> int:
    """Write values that all are bytes into memory, as ``encode_values`` would; return the length, 0 if it is too long.

    >>> room = bytearray(40)
    >>> length = write_bytes([b"abc", b""], memoryview(room))
    >>> decode_values(memoryview(room)[:length], 2)
    [b'abc', b'']
    """
    at = 5
    if at + sum(map(len, values)) + 5 * len(values) > len(room):
        return 0
    room[:at] = b"\xdd" + len(values).to_bytes(4, "big")  # heads of an array and of bytes in MessagePack
    for value in values:
        end = at + 5 + len(value)
        room[at : at + 5] = b"\xc6" + len(value).to_bytes(4, "big")
        room[at + 5 : end] = value
        at = end
    return at


def joined_values(pieces: Sequence[bytes]) -> bytes:
    """Write values of which each is written already, as ``encode_values`` would write them together."""
    count = len(pieces)
    if count < 16:
        head = bytes((0x90 | count,))  # the heads of an array in MessagePack
    else:
        head = b"\xdc" + count.to_bytes(2, "big") if count < 1 << 16 else b"\xdd" + count.to_bytes(4, "big")
    return b"".join((head, *pieces))


def encode_single(value: Any) -> bytes:
    """Write a value for ``joined_values``.

    Raises
    ------
    ResultTypeError
        If it cannot travel.
    """
    return encode_values([value])[1:]


def cannot_travel(value: Any) -> str:
    """Return why a value cannot travel; nothing if it can."""
    try:
        encode_values([value])
    except ResultTypeError as error:
        return f"{str(error).removeprefix(': result').strip()}, or write run_in: thread"
    return ""


def decode_values(data: msgspec.Raw | memoryview, count: int) -> list[Any]:
    """Read what ``encode_values`` wrote; arrays may be written to where ``data`` may.

    Raises
    ------
    RemoteProtocolError
        If it is anything else.
    """
    found = decode_value(memoryview(bytearray(data)) if isinstance(data, msgspec.Raw) else data)
    if type(found) is not list or len(found) != count:
        raise RemoteProtocolError(f"{count} items were announced, and something else came")
    return found
