"""Events in words: what each part says, and a small view of its arrays, for JSON and for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.core.encoding import Encoding
from penstock.core.event import Event
from penstock.core.message import Message
from penstock.errors import PenstockError

__all__ = ["array_lines", "describe_event", "describe_message", "event_lines"]

MOST_NUMBERS: Final = 64
"""Of an array that is printed number by number."""
COLUMNS: Final = 64
ROWS: Final = 12
"""Of the small view of a larger one."""
_SHADES: Final = " .:-=+*#%@"
_BARS: Final = "▁▂▃▄▅▆▇█"
_LONGEST: Final = 60
"""Characters of a value in metadata."""
_MOST_VALUES: Final = 12
"""Of metadata."""
_MOST_OF_RANGE: Final = 8
"""Messages of a range that are shown."""


def describe_event(event: Event) -> dict[str, Any]:
    """Return an event without its arrays: number, and for each stream its message, its messages, or ``None``.

    >>> event = describe_event(Event(3, ()))
    >>> event["number"], event["parts"]
    (3, {})
    """
    parts: dict[str, Any] = {}
    for name, part in zip(getattr(event, "names", ()), event.parts, strict=False):
        if part is None or isinstance(part, Message):
            parts[name] = None if part is None else describe_message(part)
        else:
            parts[name] = [describe_message(message) for message in part]
    return {"number": event.number, "parts": parts}


def describe_message(message: Message) -> dict[str, Any]:
    """Return a message without its arrays, of which it is said what they are; nothing is decoded.

    >>> describe_message(Message(7, key=3, array=np.zeros((2, 3), np.uint8)))["arrays"]
    [{'dtype': 'uint8', 'shape': [2, 3], 'nbytes': 6, 'encoding': ''}]
    """
    return {
        "id": message.id,
        "key": message.key,
        "timestamp_ns": message.timestamp_ns,
        "metadata": message.metadata,
        "arrays": [_described_array(k, buffer, message.encodings) for k, buffer in enumerate(message.buffers)],
    }


def event_lines(event: Event, width: int = 100) -> Iterator[str]:
    """Yield an event as lines of text, with a small view of each array; what is compressed is decoded for that."""
    yield f"event {event.number}"
    for name, part in zip(event.names, event.parts, strict=True):
        if part is None:
            yield f"  {name}: absent"
            continue
        if isinstance(part, Message):
            yield from _message_lines(f"  {name}: ", part, width)
            continue
        yield f"  {name}: {len(part)} messages"
        for message in part[:_MOST_OF_RANGE]:
            yield from _message_lines("    ", message, width)
        if len(part) > _MOST_OF_RANGE:
            yield f"    and {len(part) - _MOST_OF_RANGE} more"


def array_lines(array: NDArray[Any]) -> list[str]:
    """Return a small view of an array.

    Parameters
    ----------
    array
        Of any shape. Numbers up to 64 are printed; a longer vector becomes a row of bars, a larger image one of shades,
        each from the least to the greatest of the means of its blocks; of more dimensions the first image is shown.

    Examples
    --------
    >>> array_lines(np.array([[1, 2], [3, 4]]))
    ['[[1 2]', ' [3 4]]']
    >>> array_lines(np.arange(128.0))
    ['▁▁▁▁▁▁▁▁▂▂▂▂▂▂▂▂▃▃▃▃▃▃▃▃▄▄▄▄▄▄▄▄▅▅▅▅▅▅▅▅▆▆▆▆▆▆▆▆▇▇▇▇▇▇▇▇████████']
    """
    if array.size <= MOST_NUMBERS or array.dtype.kind not in "biuf":
        return np.array2string(array, threshold=MOST_NUMBERS, edgeitems=3, precision=6).splitlines()
    while array.ndim > 2:
        array = array[0]
    if array.ndim == 1 or 1 in array.shape:
        row = _blocks(array.reshape(1, -1), 1, COLUMNS)[0]
        return ["".join(_BARS[k] for k in _levels(row, len(_BARS)))]
    small = _blocks(array, ROWS, COLUMNS)
    return ["".join(_SHADES[k] for k in row).rstrip() for row in _levels(small, len(_SHADES))]


def _message_lines(begin: str, message: Message, width: int) -> Iterator[str]:
    words = [f"message {message.id}" if message.key is None else f"key {message.key}"]
    if message.timestamp_ns:
        words.append(message.timestamp.isoformat())
    yield begin + ", ".join(words)
    indent = " " * (len(begin) - len(begin.lstrip()) + 2)
    shown = list(message.metadata.items())[:_MOST_VALUES]
    for name, value in shown:
        yield f"{indent}{name} = {_short(value)}"[:width]
    if len(message.metadata) > len(shown):
        yield f"{indent}and {len(message.metadata) - len(shown)} more values"
    for k, buffer in enumerate(message.buffers):
        yield from _array_text(indent, message, k, buffer)


def _array_text(indent: str, message: Message, k: int, buffer: NDArray[Any]) -> Iterator[str]:
    encoding = _encoding(message.encodings, k)
    try:
        array = np.asarray(message.arrays[k])
    except PenstockError as error:  # it is damaged, or the libraries are not here
        yield f"{indent}{buffer.nbytes:,} bytes, which cannot be shown: {error}"
        return
    came = "" if encoding is None else f", came as {buffer.nbytes:,} bytes of {encoding.name}"
    yield f"{indent}{array.dtype} {list(array.shape)}{_statistics(array)}{came}"
    for line in array_lines(array):
        yield f"{indent}  {line}"


def _statistics(array: NDArray[Any]) -> str:
    if array.dtype.kind not in "iuf" or not array.size:
        return ""
    low, high, mean = array.min(), array.max(), array.mean(dtype=np.float64)
    return f", {low:.6g} to {high:.6g}, mean {mean:.6g}"


def _described_array(k: int, buffer: NDArray[Any], encodings: Sequence[Encoding | None]) -> Mapping[str, Any]:
    """Return what is known of an array without decoding it."""
    encoding = _encoding(encodings, k)
    if encoding is None:
        return {"dtype": str(buffer.dtype), "shape": list(buffer.shape), "nbytes": buffer.nbytes, "encoding": ""}
    dtype, shape = encoding.dtype, list(encoding.shape)
    return {"dtype": dtype, "shape": shape, "nbytes": buffer.nbytes, "encoding": encoding.name}


def _encoding(encodings: Sequence[Encoding | None], k: int) -> Encoding | None:
    return encodings[k] if k < len(encodings) else None


def _short(value: Any) -> str:
    text = repr(value).replace("\n", " ")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _blocks(image: NDArray[Any], rows: int, columns: int) -> NDArray[np.float64]:
    """Return the means of blocks of an image, at most so many along each direction; what is no number is left out."""
    down = np.unique(np.linspace(0, image.shape[0], min(rows, image.shape[0]) + 1).astype(int))
    across = np.unique(np.linspace(0, image.shape[1], min(columns, image.shape[1]) + 1).astype(int))
    values = image.astype(np.float64)
    there = np.isfinite(values)

    def total(of: NDArray[Any]) -> NDArray[np.float64]:
        summed: NDArray[np.float64] = np.add.reduceat(
            np.add.reduceat(of.astype(np.float64), down[:-1], axis=0), across[:-1], axis=1
        )
        return summed

    means: NDArray[np.float64] = total(np.where(there, values, 0.0)) / np.maximum(total(there), 1.0)
    return means


def _levels(values: NDArray[np.float64], n: int) -> NDArray[np.intp]:
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.zeros(values.shape, np.intp)
    return np.minimum(((values - low) / (high - low) * n).astype(np.intp), n - 1)
