"""A named field of whatever passes through a step: of a message, an event, a mapping, a record. It changes nothing."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec
import numpy as np

from penstock.core.event import Event
from penstock.core.message import Message
from penstock.core.result import Result

__all__ = ["field_names", "field_of", "number_of"]


def field_of(item: Any, path: str) -> Any:  # items are whatever users made
    """Return a field, such as ``I0`` or, inside of mappings, ``pseudo.x``; of an event, ``contrast.pseudo.x``.

    A message's fields are those of its metadata and of a structured array, and ``array``, ``key`` and
    ``timestamp_ns``. A plain number or array is its own only field, whatever it is called.

    Raises
    ------
    LookupError
        If there is no such field; the text lists those there are.
    """
    if isinstance(item, int | float | np.number | np.bool_) and not isinstance(item, Mapping):
        return item
    found = item
    for name in path.split("."):
        there = _fields(found)
        if name not in there:
            whole = f' in "{path}"' if name != path else ""
            names = ", ".join(there) if there else "none"
            raise LookupError(f'no field "{name}"{whole} in this {type(item).__name__}; there are {names}')
        found = there[name]
    return found


def field_names(item: Any) -> list[str]:
    """Return the names of an item's fields."""
    return list(_fields(item))


def number_of(value: Any, path: str = "") -> float:
    """Return a field's value as one number.

    Raises
    ------
    ValueError
        If it is not one number.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise ValueError(f'field "{path}" is {value!r}, not a number')
    if array.size != 1:
        raise ValueError(f'field "{path}" is an array of shape {array.shape}, not one number')
    return float(array.reshape(-1)[0])


def _fields(item: Any) -> Mapping[str, Any]:
    if isinstance(item, Mapping):
        return item
    if isinstance(item, Message):
        own = {"array": item.array, "key": item.key, "timestamp_ns": item.timestamp_ns}
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
