"""How items are written and read on a wire, by the name a pipeline gives: our own form, or those of other programs.

Pure: it knows no socket. Only our own form has end marks and numbers.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, get_args

import numpy as np

from penstock.core.pickle_globals import Global
from penstock.core.unpickle import unpickle
from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.wire.item_frames import Frames, Received, read_frames
from penstock.wire.item_json import item_json, item_of_json

__all__ = [
    "PENSTOCK",
    "ReadEncoding",
    "ReadItem",
    "ReadPart",
    "WriteEncoding",
    "WriteItem",
    "check_encoding",
    "part_reader",
    "parts_trouble",
    "reader",
    "writer",
]

WriteEncoding = Literal["penstock", "json", "text", "bytes"]
"""``penstock``: every value that may travel, as it is. The others: one frame an item, as other programs read it."""
ReadEncoding = Literal["penstock", "json", "text", "bytes", "snap-pickle"]
"""``snap-pickle``: pickles, of which only plain values are taken, and nothing is called that they name."""
PENSTOCK: Final = "penstock"

ReadItem = Callable[[Frames], Received]
ReadPart = Callable[[Any], Any]
"""Of a message of one part, which is a buffer, the item."""
WriteItem = Callable[[Any], bytes]


def check_encoding(encoding: str, kinds: Any) -> None:  # WriteEncoding or ReadEncoding
    """Make sure that there is such an encoding.

    Raises
    ------
    ValueError
        If not.
    """
    if encoding not in get_args(kinds):
        raise ValueError(f"there is no encoding {encoding!r}; there are {', '.join(get_args(kinds))}")


def writer(encoding: WriteEncoding) -> WriteItem:
    """Return what writes items for other programs; our own form has `ItemWriter`.

    >>> writer("json")({"a": 1}), writer("text")(6.5)
    (b'{"a":1}', b'6.5')
    """
    return _WRITERS[encoding]


def reader(encoding: ReadEncoding, allowed: Mapping[tuple[str, str], Global] | None = None) -> ReadItem:
    """Return what reads the frames of one message; it raises nothing but ``RemoteProtocolError``.

    Parameters
    ----------
    encoding
        As the sender writes.
    allowed
        Of pickles: what they may name beside NumPy arrays.
    """
    if encoding == PENSTOCK:
        return read_frames
    if encoding == "snap-pickle":
        return lambda frames: _plain(unpickle(_only(frames), allowed))
    read = _READERS[encoding]
    return lambda frames: _plain(read(_only(frames)))


def part_reader(encoding: ReadEncoding) -> ReadPart | None:
    """Return what reads the one part of a message as ``reader`` would; ``None`` where there may be more, or pickles.

    >>> part_reader("text")(b"6.5")
    '6.5'
    """
    return _READERS.get(encoding)


def parts_trouble(count: int) -> str:
    """Say what is wrong with a message of several parts."""
    return f"a message of {count} parts, where an item is one"


def _plain(item: Any) -> Received:
    return Received(item, 0, 0, False)


def _only(frames: Frames) -> bytes | memoryview:
    if len(frames) != 1:
        raise RemoteProtocolError(parts_trouble(len(frames)))
    return frames[0]


def _text(data: bytes | memoryview) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(f"{len(data)} bytes are no text: {error}") from error


def _bytes_of_text(item: Any) -> bytes:
    try:
        if type(item) is str:
            return item.encode()
        if isinstance(item, str | int | float | np.number):
            return str(item).encode()
    except UnicodeEncodeError as error:
        raise ResultTypeError(f"text that is no Unicode: {error}") from error
    raise ResultTypeError(f"a {type(item).__name__} is no text; let a step make one, or use the encoding json")


def _bytes(item: Any) -> bytes:
    if isinstance(item, np.ndarray) and not item.dtype.hasobject:
        return item.tobytes()
    if not isinstance(item, bytes | bytearray | memoryview):
        raise ResultTypeError(f"a {type(item).__name__} is neither bytes nor an array; use the encoding json")
    return bytes(item)


_WRITERS: Final[Mapping[str, WriteItem]] = {"json": item_json, "text": _bytes_of_text, "bytes": _bytes}
_READERS: Final[Mapping[str, Callable[[bytes | memoryview], Any]]] = {
    "json": item_of_json,
    "text": _text,
    "bytes": bytes,
}
