"""How streams and messages are shown, to people and to machines."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.id_ranges import Range, count
from penstock.core.message import Message
from penstock.core.timestamp import Timestamp
from penstock.streams.store import Encoding, StoredBlock, StreamInfo

if TYPE_CHECKING:
    from rich.table import Table

__all__ = [
    "info_tree",
    "message_line",
    "message_tree",
    "one_line",
    "print_whole",
    "printed_json",
    "shown_count",
    "shown_ranges",
    "shown_size",
    "shown_time",
    "stored_messages",
]

SHOWN_VALUES: Final = 4
"""Of an array, in a line."""
SHOWN_METADATA: Final = 80
"""Characters, in a line."""
MOST_RANGES: Final = 20
MOST_COLUMNS: Final = 2000
"""An address has 600 bytes at most, and the rest of a line fewer than the rest of these."""
_WHITE: Final = str.maketrans("\n\r\t", "   ")

Stored = tuple[Message, Sequence[Encoding | None]]
"""A message, and for each buffer what its bytes are."""


def stored_messages(stored: StoredBlock) -> Iterator[Stored]:
    """Yield the messages of a block, each with the encodings of its buffers."""
    return ((message, message.encodings) for message in stored.messages())


def shown_size(nbytes: int) -> str:
    """Return a number of bytes in a unit that leaves three digits before the point.

    >>> shown_size(0), shown_size(999), shown_size(2_500_000)
    ('0 B', '999 B', '2.5 MB')
    """
    size, units = float(nbytes), ["B", "kB", "MB", "GB", "TB", "PB"]
    while size >= 999.5 and len(units) > 1:
        size /= 1000
        del units[0]
    return f"{size:.3g} {units[0]}"


def shown_count(count: int, what: str) -> str:
    """Return a number with what it counts.

    >>> shown_count(1, "message"), shown_count(1200, "message")
    ('1 message', '1,200 messages')
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def shown_time(ns: int) -> str:
    """Return a time to the second, UTC; ``·`` for never."""
    return Timestamp(ns).isoformat()[:19].replace("T", " ") if ns else "·"


def shown_ranges(ranges: Sequence[Range], most: int = MOST_RANGES) -> str:
    """Return ids as ranges, the first of them and how many more there are.

    >>> shown_ranges([(1, 2), (5, 5), (7, 9), (11, 11)], most=2), shown_ranges([])
    ('1–2, 5 and 4 more ids', 'none')
    """
    said = ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in ranges[:most])
    rest = count(ranges[most:])
    return said + (f" and {shown_count(rest, 'more id')}" if rest else "") or "none"


def one_line(text: str, most: int = 600) -> str:
    r"""Return any text so that it takes one line of a terminal, and does nothing else to it.

    >>> one_line("a\n\x1b[2J"), one_line("abcd", most=3)
    ('a  [2J', 'ab…')
    """
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def print_whole(table: "Table") -> None:
    """Print a table as wide as it must be, also in a narrow terminal: a number that is cut off is another number."""
    from rich.console import Console

    width = Console(width=MOST_COLUMNS).measure(table).maximum
    Console(highlight=False, width=width).print(table)


def info_tree(info: StreamInfo) -> dict[str, Any]:
    """Return how a stream is, as JSON has it."""
    return {**msgspec.structs.asdict(info), "address": str(info.address), "state": str(info.state)}


def message_tree(message: Message, encodings: Sequence[Encoding | None] = ()) -> dict[str, Any]:
    """Return what is known of a message without its data, as JSON has it."""
    return {
        "id": message.id,
        "key": message.key,
        "kind": message.kind.name.lower(),
        "timestamp_ns": message.timestamp_ns,
        "metadata": message.metadata,
        "buffers": [
            {
                "dtype": buffer.dtype.str,
                "shape": buffer.shape,
                "nbytes": buffer.nbytes,
                "encoding": None if encoding is None else msgspec.structs.asdict(encoding),
            }
            for buffer, encoding in _with_encodings(message, encodings)
        ],
    }


def message_line(message: Message, encodings: Sequence[Encoding | None] = ()) -> str:
    """Return a message in one line: id, key, time, buffers with some of their values, metadata."""
    parts = [f"{message.id:>8}"]
    if message.key is not None:
        parts.append(f"key {message.key}")
    parts.append(Timestamp(message.timestamp_ns).isoformat() if message.timestamp_ns else "no time")
    if message.kind:
        parts.append(message.kind.name.lower())
    parts += [_buffer(*each) for each in _with_encodings(message, encodings)]
    if message.metadata:
        parts.append(_cut(printed_json(message.metadata)))
    return "  ".join(parts)


def printed_json(value: Any, *, indent: int = 0) -> str:
    """Return a value as JSON; arrays as lists, bytes in base64, what JSON cannot hold as text, NaN as null."""
    if indent:
        return msgspec.json.format(msgspec.json.encode(value, enc_hook=_other), indent=indent).decode()
    return msgspec.json.encode(value, enc_hook=_other).decode()


def _other(value: Any) -> Any:  # whatever metadata holds
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist() if value.dtype.kind != "c" else str(value)
    if isinstance(value, Timestamp):
        return value.isoformat()
    return dict(value) if isinstance(value, Mapping) else str(value)


def _with_encodings(
    message: Message, encodings: Sequence[Encoding | None]
) -> Iterator[tuple[NDArray[Any], Encoding | None]]:
    given = [*encodings, *[None] * len(message.buffers)]
    return zip(message.buffers, given, strict=False)


def _buffer(array: NDArray[Any], encoding: Encoding | None) -> str:
    if encoding is not None:
        of = f" of {encoding.dtype} {_shape(encoding.shape)}" if encoding.dtype else ""
        return f"{encoding.name}{of}, {shown_size(array.nbytes)}"
    if array.dtype == np.uint8 and array.ndim == 1:
        return f"{shown_size(array.nbytes)} {_text(array)}" if array.size else "0 B"
    flat = array.reshape(-1)
    values = [*map(str, flat[:SHOWN_VALUES].tolist()), *(["…"] if flat.size > SHOWN_VALUES else [])]
    return f"{array.dtype} {_shape(array.shape)} [{' '.join(values)}]"


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "scalar"


def _text(array: NDArray[Any]) -> str:
    """Return how some bytes begin: as text if they are, else in hexadecimal."""
    begin = array[:16].tobytes()
    more = "…" if array.size > len(begin) else ""
    if begin.isascii() and begin.decode().translate(_WHITE).isprintable():
        return json.dumps(begin.decode()) + more
    return begin[:8].hex(" ") + ("…" if array.size > 8 else "")


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_METADATA else text[: SHOWN_METADATA - 1] + "…"
