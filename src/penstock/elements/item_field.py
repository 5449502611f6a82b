"""A named field of whatever passes through a step: of a message, an event, a mapping, a record. It changes nothing."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace

from penstock.core.encoded_message import EncodedMessage, with_array
from penstock.core.event import Event
from penstock.core.message import Message
from penstock.core.result import Result

__all__ = ["VALUE", "field_names", "field_of", "fields_of", "is_plain_number", "member_of", "number_of", "with_field"]

VALUE = "value"
"""What a plain value becomes a field called where others are added to it."""

_NUMBERS = (int, float, np.number, np.bool_)
_SCALARS = (np.floating, np.integer)
_LARGEST = 2**63
"""Of the whole numbers that NumPy takes for numbers."""
_OWN = ("array", "key", "timestamp_ns")
"""Fields of every message."""
_MESSAGES = (Message, EncodedMessage)


def field_of(item: Any, path: str) -> Any:  # items are whatever users made
    """Return a field, such as ``I0`` or, inside of mappings, ``pseudo.x``; of an event, ``contrast.pseudo.x``.

    A message's fields are those of its metadata and of a structured array, and ``array``, ``key`` and
    ``timestamp_ns``. A plain number is its own only field, whatever it is called.

    Raises
    ------
    LookupError
        If there is no such field; the text lists those there are.
    """
    if "." not in path:  # as most are, and there are millions of items
        kind = type(item)
        if kind is dict and path in item:
            return item[path]
        if kind in _MESSAGES and (value := _of_message(item, path)) is not None:
            return value
    if is_plain_number(item):
        return item
    found = item
    for name in path.split("."):
        found = member_of(found, name, path, item)
    return found


def member_of(value: Any, name: str, path: str = "", whole: Any = None) -> Any:
    """Return the field of exactly this name, dots and all.

    Raises
    ------
    LookupError
        If there is none; the text names ``path`` and the type of ``whole`` if the value is a part of it.
    """
    if type(value) in _MESSAGES and (found := _of_message(value, name)) is not None:
        return found
    there = _fields(value)
    if name not in there:
        asked = f' in "{path}"' if path and name != path else ""
        kind = type(value if whole is None else whole).__name__
        names = ", ".join(map(str, there)) if there else "none"
        raise LookupError(f'no field "{name}"{asked} in this {kind}; there are {names}')
    return there[name]


def field_names(item: Any) -> list[str]:
    """Return the names of an item's fields."""
    return list(_fields(item))


def fields_of(item: Any) -> Mapping[str, Any]:
    """Return an item's fields by name; none of a plain number, text, list or array without columns."""
    return _fields(item)


def with_field(item: Any, path: str, value: Any) -> Any:
    """Return an item with a field added or replaced; the one that is given stays as it is.

    A message stays a message, the field being its ``array`` or in its metadata; anything else becomes a dictionary of
    its fields, a plain value one with the field ``value``.

    >>> with_field({"a": 1, "b": {"c": 2}}, "b.c", 3), with_field(7, "a", 1)
    ({'a': 1, 'b': {'c': 3}}, {'value': 7, 'a': 1})
    """
    name, _, rest = path.partition(".")
    if rest:
        value = with_field(member_of(item, name, path), rest, value)
    if isinstance(item, Message):
        if name == "array":
            return with_array(item, value)
        return replace(item, metadata={**item.metadata, name: value})
    fields_there = _fields(item)
    if fields_there or isinstance(item, Mapping):
        return {**fields_there, name: value}
    return {VALUE: item, name: value}


def is_plain_number(item: Any) -> bool:
    """Whether an item is one number and nothing else."""
    return isinstance(item, _NUMBERS)


def number_of(value: Any, path: str = "") -> float:
    """Return a field's value as one number.

    Raises
    ------
    ValueError
        If it is not one number.
    """
    if type(value) is float:
        return value
    if isinstance(value, _SCALARS) or (type(value) is int and -_LARGEST <= value <= _LARGEST):
        return float(value)
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise ValueError(f'field "{path}" is {value!r}, not a number')
    if array.size != 1:
        raise ValueError(f'field "{path}" is an array of shape {array.shape}, not one number')
    return float(array.reshape(-1)[0])


def _of_message(message: Message, name: str) -> Any:
    """Return a message's field without looking at the others; ``None`` also for what is ``None``."""
    if name in _OWN and (value := getattr(message, name)) is not None:
        return value
    if message.encodings:  # an array is not decoded for its columns: what is compressed has none
        return message.metadata.get(name)
    array = message.array
    if array is not None and (columns := array.dtype.names) and name in columns:
        return array[name]
    return message.metadata.get(name)


def _fields(item: Any) -> Mapping[str, Any]:
    if isinstance(item, Mapping):
        return item
    if isinstance(item, Message):
        own = {name: getattr(item, name) for name in _OWN}
        columns = _columns(item.array)
        return {**item.metadata, **columns, **{name: value for name, value in own.items() if value is not None}}
    if isinstance(item, Event):
        return dict(zip(item.names, item.parts, strict=True))
    if isinstance(item, Result):
        return _fields(item.value)
    if isinstance(item, msgspec.Struct):
        return {name: getattr(item, name) for name in item.__struct_fields__}
    if is_dataclass(item) and not isinstance(item, type):
        return {each.name: getattr(item, each.name) for each in fields(item)}
    return _columns(item)


def _columns(array: Any) -> Mapping[str, Any]:
    names = getattr(getattr(array, "dtype", None), "names", None)
    return {name: array[name] for name in names} if names else {}
