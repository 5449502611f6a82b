"""What user code holds that needs no saving, because constructing it anew makes the same again and nothing changes it.

In doubt an object is not fixed: a function with a list in its closure may keep anything there.
"""

import dis
import functools
import logging
import operator
import re
from collections.abc import Iterable
from enum import Enum
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    EllipsisType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    NotImplementedType,
    WrapperDescriptorType,
)
from typing import Any, Final

import numpy as np

from penstock.core.values import type_name
from penstock.elements.atoms import is_atom

__all__ = ["FixedObjects", "signature_of"]

_OPAQUE: Final = (
    type,
    ModuleType,
    EllipsisType,
    NotImplementedType,
    MethodDescriptorType,
    WrapperDescriptorType,
    np.ufunc,
    np.dtype,
    re.Pattern,
    PurePath,
    Enum,
    range,
    logging.Logger,  # holds nothing of the reducer's
    operator.itemgetter,
    operator.attrgetter,
)
_SAID: Final = (PurePath, Enum, re.Pattern, range, np.dtype)
"""Whose text tells whether it is the same again."""
_GLOBAL_WRITES: Final = frozenset(dis.opmap[name] for name in ("STORE_GLOBAL", "DELETE_GLOBAL"))
_EMPTY: Final = object()


class FixedObjects:
    """Tells fixed objects, and whether those looked at have stayed so.

    Parameters
    ----------
    owner
        The user's object: its bound methods are as fixed as it is itself.
    """

    def __init__(self, owner: Any) -> None:
        self._owner = owner
        self._cells: dict[int, tuple[CellType, Any]] = {}

    def holds(self, value: Any) -> bool:
        """Whether an object is fixed."""
        return self._holds(value, set())

    def holds_method(self, function: FunctionType) -> bool:
        """Whether a function of the user's class is; its defaults do not count if they only serve the construction."""
        return self._holds_function(function, set(), with_defaults=function.__name__ != "__init__")

    def _holds(self, value: Any, seen: set[int]) -> bool:
        if value is self._owner or is_atom(value) or isinstance(value, _OPAQUE):
            return True
        kind = type(value)
        if kind is FunctionType:
            return self._holds_function(value, seen)
        return all(self._holds(part, seen) for part in parts) if (parts := _parts(value)) is not None else False

    def _holds_function(self, function: FunctionType, seen: set[int], *, with_defaults: bool = True) -> bool:
        if id(function) in seen:  # it refers to itself
            return True
        seen.add(id(function))
        kept = [self._content(cell) for cell in function.__closure__ or ()]
        if with_defaults:
            kept += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        kept += vars(function).values()
        return not _writes_globals(function.__code__) and all(self._holds(each, seen) for each in kept)

    def have_stayed(self) -> bool:
        """Whether all closures still hold what they held."""
        return all(_content(cell) is content for cell, content in self._cells.values())

    def _content(self, cell: CellType) -> Any:
        _, content = self._cells.setdefault(id(cell), (cell, _content(cell)))
        return None if content is _EMPTY else content


def signature_of(value: Any) -> str:
    """Return text that is the same for a fixed object made by the same constructor again."""
    if isinstance(value, _SAID):
        return f"{type_name(type(value))} {value!r}"
    return f"{type_name(type(value))} {getattr(value, '__qualname__', '')}"


_CACHE: Final = type(functools.lru_cache(len))


def _parts(value: Any) -> Iterable[Any] | None:
    """Return what must be fixed for an object to be fixed; ``None`` if it never is."""
    kind = type(value)
    if kind in (tuple, frozenset):
        return value  # type: ignore[no-any-return]  # user code's
    if kind is MethodType:
        return (value.__self__, value.__func__)
    if kind is BuiltinFunctionType:
        return (value.__self__,)
    if kind is functools.partial:
        return (value.func, *value.args, *value.keywords.values())
    return (value.__wrapped__,) if kind is _CACHE else None


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing yet
        return _EMPTY


def _writes_globals(code: CodeType) -> bool:
    if not _GLOBAL_WRITES.isdisjoint(code.co_code[::2]):
        return True
    return any(_writes_globals(each) for each in code.co_consts if isinstance(each, CodeType))
