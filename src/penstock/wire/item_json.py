"""Items as JSON, for programs that know nothing of penstock: browsers, web services, whatever reads a socket.

One way: of JSON that comes back, only what JSON can say is known. Arrays become lists, NumPy scalars numbers, times
ISO 8601, durations seconds, dataclasses and messages objects, bytes Base64, sets lists. NaN and infinities, which JSON
does not have, become null.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec
import numpy as np

from penstock.core.event import Event
from penstock.core.message import Message
from penstock.core.result import Result
from penstock.core.timestamp import Timestamp
from penstock.core.values import DEEPEST, type_name
from penstock.errors import RemoteProtocolError, ResultTypeError

__all__ = ["item_json", "item_of_json"]


def item_json(item: Any) -> bytes:  # items are whatever users made
    """Write an item as JSON, UTF-8.

    Raises
    ------
    ResultTypeError
        If something in it has no form in JSON.

    Examples
    --------
    >>> item_json({"energy_keV": np.float32(6.5), "counts": np.arange(3)})
    b'{"energy_keV":6.5,"counts":[0,1,2]}'
    """
    try:
        return _ENCODER.encode(_plain(item))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ResultTypeError(f"a {type(item).__name__} cannot be written as JSON: {error}") from error


def item_of_json(text: bytes | memoryview) -> Any:  # what JSON can say
    """Read JSON.

    Raises
    ------
    RemoteProtocolError
        If it is none.
    """
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(f"{len(text)} bytes are no JSON: {error}") from error


def _plain(value: Any, depth: int = DEEPEST) -> Any:
    """Return what JSON can say of a value; structures of ours would be written with the names that they have here."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if not depth:
        raise TypeError(f"it is nested deeper than {DEEPEST} levels, or holds itself")
    if isinstance(value, Mapping):
        made = {_key(key): _plain(each, depth - 1) for key, each in value.items()}
        if len(made) < len(value):
            raise TypeError('two of its keys are written alike, such as 1 and "1"')
        return made
    if isinstance(value, list | tuple | set | frozenset):
        return value if set(map(type, value)) <= _PLAIN else [_plain(each, depth - 1) for each in value]
    if isinstance(value, np.generic | np.ndarray):
        return _plain_numbers(value, depth)
    if isinstance(value, datetime | date):
        return value.isoformat()
    for of, convert in _CONVERTED:
        if isinstance(value, of):
            return _plain(convert(value), depth - 1)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name), depth - 1) for field in fields(value)}
    raise TypeError(f"nothing says how a {type_name(kind)} is written; let a step return numbers, text or arrays")


def _plain_numbers(array: Any, depth: int) -> Any:  # a NumPy array or scalar
    if array.dtype.names is not None:  # column by column, as it lies in tables
        return {name: _plain(array[name], depth - 1) for name in array.dtype.names}
    if array.dtype.kind in "biufSU":
        return array.tolist()
    if array.dtype.kind == "c":
        return np.stack([array.real, array.imag], -1).tolist()
    if array.dtype.kind in "mM":
        return array.astype(str).tolist()
    raise TypeError(f"an array of dtype {array.dtype} has no form in JSON")


def _key(key: Any) -> str:
    if isinstance(key, bool) or not isinstance(key, str | int | float | np.integer | np.floating):
        raise TypeError(f"it has the key {key!r:.60}, and names in JSON are text")
    return str(key)


def _fields(message: Message) -> Mapping[str, Any]:
    own = {"id": message.id, "key": message.key, "timestamp_ns": message.timestamp_ns, "metadata": message.metadata}
    return {**own, "buffers": list(message.arrays)}


_CONVERTED: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (Timestamp, Timestamp.isoformat),
    (timedelta, timedelta.total_seconds),
    (complex, lambda value: [value.real, value.imag]),
    (Result, lambda result: result.value),
    (Message, _fields),
    (Event, lambda event: {"number": event.number, **dict(zip(event.names, event.parts, strict=True))}),
)
_PLAIN: Final = frozenset({type(None), bool, int, float, str, bytes})
_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder()
