"""What a Worker returned on its way to the Reducer: plain values as they are, other objects by their class and content.

No object is made by calling anything that bytes name: its class must be loaded already, and is filled in.
"""

import sys
from collections.abc import Mapping, Set
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from importlib import import_module
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

import numpy as np

from penstock.core.values import DEEPEST, check_value
from penstock.errors import ResultTypeError
from penstock.extra import extra

with extra("run"):
    from pydantic import BaseModel

__all__ = ["Packed", "packed", "unpacked"]


_SERVED: Final = "penstock.compat.dranspose.served."


@dataclass(frozen=True, slots=True)
class Packed:
    """An object that is not plain."""

    kind: str
    """``module:Class``."""
    content: Any
    """Of what is plain."""


def packed(value: Any) -> Any:  # whatever a user's Worker returns
    """Return a value that can travel.

    Raises
    ------
    ResultTypeError
        If something in it cannot.
    """
    try:
        check_value(value, "result")
    except ResultTypeError:
        return _packed(value, 0)
    return value


def unpacked(value: Any) -> Any:  # what was packed
    """Return what a Worker has returned.

    Raises
    ------
    ResultTypeError
        If the class of an object is not loaded in this process.
    """
    if isinstance(value, Packed):
        return _made(_class_of(value.kind), unpacked(value.content))
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(map(unpacked, value))
    if type(value) is dict:
        return {unpacked(key): unpacked(inner) for key, inner in value.items()}
    return value


def _packed(value: Any, depth: int) -> Any:  # noqa: C901 - one line a kind
    if depth > DEEPEST:
        raise ResultTypeError(f"a result is nested deeper than {DEEPEST} levels, or holds itself")
    try:
        check_value(value, "result")
    except ResultTypeError:
        pass
    else:
        return value

    def inner(each: Any) -> Any:
        return _packed(each, depth + 1)

    kind = type(value)
    if isinstance(value, Enum | UUID | PurePath):
        return Packed(_name(kind), value.value if isinstance(value, Enum) else str(value))
    if isinstance(value, BaseModel):
        content = [{**vars(value)}, value.model_extra, sorted(value.model_fields_set)]
        return Packed(_name(kind), inner(content))
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, np.ndarray):
        return np.asarray(value) if not value.dtype.hasobject else Packed("numpy:ndarray", inner(value.tolist()))
    if isinstance(value, tuple):
        return tuple(map(inner, value)) if kind is tuple else Packed(_name(kind), tuple(map(inner, value)))
    if isinstance(value, Mapping):
        return {inner(key): inner(each) for key, each in value.items()}
    if isinstance(value, Set):
        return set(map(inner, value))
    if isinstance(value, list) or kind.__name__ == "deque":
        return list(map(inner, value))
    if is_dataclass(value):
        return Packed(_name(kind), {each.name: inner(getattr(value, each.name)) for each in fields(value)})
    for base in (str, int, float):
        if isinstance(value, base):
            return base(value)
    is_own = "__reduce__" not in vars(kind) and "__reduce_ex__" not in vars(kind)
    if hasattr(value, "__dict__") and is_own and not callable(value):
        return Packed(_name(kind), inner({**vars(value)}))
    check_value(value, "result")  # which raises, and says what would be right
    return value


def _made(kind: type, content: Any) -> Any:
    if kind is np.ndarray:
        return np.array(content, object)
    if issubclass(kind, Enum | UUID | PurePath) or (issubclass(kind, tuple) and not hasattr(kind, "_make")):
        return kind(content)
    if issubclass(kind, tuple):
        return kind(*content)
    made = object.__new__(kind)
    if issubclass(kind, BaseModel):
        values, more, names = content
        state = {"__dict__": values, "__pydantic_extra__": more, "__pydantic_fields_set__": set(names)}
        made.__setstate__({**state, "__pydantic_private__": None})  # type: ignore[attr-defined]
        return made
    for name, value in content.items():
        object.__setattr__(made, name, value)
    return made


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _class_of(name: str) -> type:
    module, _, path = name.partition(":")
    found: Any = import_module(module) if module.startswith(_SERVED) else sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        raise ResultTypeError(
            f"a result is of the class {name}, which the Reducer's module does not import; import it there"
        )
    return found
