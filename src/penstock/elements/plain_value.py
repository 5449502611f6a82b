"""Items as what JSON can say: mappings, lists, texts, numbers, true, false and null."""

import base64
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from datetime import date, time
from enum import Enum
from pathlib import PurePath
from typing import Any, Final

import msgspec
import numpy as np

from penstock.core.event import Event
from penstock.core.message import Message
from penstock.core.timestamp import Timestamp
from penstock.views import ArrayView

__all__ = ["plain"]

_AS_THEY_ARE: Final = frozenset({str, int, float, bool, type(None)})


def plain(value: Any) -> Any:
    """Return a value as JSON can say it; an array becomes lists, a date or time its ISO form, bytes their base64.

    Dataclasses, structs, messages, events and structured arrays become mappings by the names of their fields. What is
    not a number, or infinite, stays so here; JSON has null for it.

    >>> plain({"profile": np.arange(3), "at": np.datetime64("2026-11-26T10:00"), 5: {"x"}})
    {'profile': [0, 1, 2], 'at': '2026-11-26T10:00', '5': ['x']}

    Raises
    ------
    TypeError
        If JSON has nothing for it.
    """
    if type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, Mapping):
        return _of_mapping(value)
    if isinstance(value, Event):
        return dict(zip(value.names, map(plain, value.parts), strict=True))
    if isinstance(value, list | tuple | Set):
        return [plain(inner) for inner in value]
    if isinstance(value, np.ndarray | np.generic | ArrayView):
        return _of_array(value.array if isinstance(value, ArrayView) else np.asarray(value))
    if isinstance(value, Timestamp | date | time):
        return value.isoformat()
    return _of_object(value)


def _of_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    said = {_name(key): plain(inner) for key, inner in value.items()}
    if len(said) < len(value):
        raise TypeError(f"two of the keys {list(value)} have the same name in JSON; give texts as keys")
    return said


def _of_object(value: Any) -> Any:
    if isinstance(value, Message):
        return _of_message(value)
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    for base in (str, int, float):
        if isinstance(value, base):
            return base(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON; give numbers, texts, arrays, lists or mappings")


def _of_array(array: Any) -> Any:
    if array.dtype.names:
        rows = [dict(zip(array.dtype.names, map(plain, row), strict=True)) for row in array.reshape(-1)]
        return rows if array.ndim else rows[0]
    if array.dtype.kind == "M":
        texts = array.astype(str).astype(object)
        texts[np.isnat(array)] = None
        return texts.tolist()
    if array.dtype.kind == "m":
        raise TypeError("differences of times have no form in JSON; give them as numbers in a unit")
    if array.dtype.kind == "c":
        raise TypeError("complex numbers have no form in JSON; give their real and imaginary parts")
    return plain(array.tolist()) if array.dtype.kind in "OSV" else array.tolist()


def _of_message(message: Message) -> dict[str, Any]:
    said = {"id": message.id, "key": message.key, "timestamp": message.timestamp.isoformat()}
    buffers = [_of_array(buffer) for buffer in message.arrays]
    return said | {"metadata": plain(message.metadata)} | ({"buffers": buffers} if buffers else {})


def _name(key: Any) -> str:
    if isinstance(key, str):
        return str(key)
    if isinstance(key, int | float | np.integer | np.floating):
        return str(plain(key) if not isinstance(key, np.generic) else key.item())
    raise TypeError(f"{key!r} is no name in JSON; give texts or numbers as keys")
