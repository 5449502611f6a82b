"""Where user code keeps state: the attributes of an object, of its classes, and lists and the like of their modules."""

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any, Final

import numpy as np

from penstock.core.values import type_name
from penstock.elements.construction import MAPPINGS, SEQUENCES
from penstock.elements.state_graph import UncapturableError
from penstock.views import ArrayView

__all__ = ["Root", "global_roots", "object_roots"]

_MADE_IN_PYTHON: Final = 1 << 9
"""``Py_TPFLAGS_HEAPTYPE`` of Include/object.h; a type without it, such as dict, holds what no attribute shows."""
_CONTAINERS: Final = frozenset({*SEQUENCES, *MAPPINGS, np.ndarray, ArrayView, bytearray}) - {tuple, frozenset}


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """Something with attributes that are state."""

    name: str
    """For the texts of errors."""
    read: Callable[[], dict[str, Any]]
    assign: Callable[[str, Any], None]
    remove: Callable[[str], None]


def object_roots(thing: Any, parameters: Mapping[str, Any]) -> tuple[list[Root], dict[str, FunctionType]]:
    """Return where a user's object keeps state, and its methods.

    Parameters
    ----------
    thing
        The object; its class must be written in Python.
    parameters
        Attributes that are set from outside, with the values they must have.

    Raises
    ------
    UncapturableError
        If it is no such object.
    """
    kinds = [kind for kind in type(thing).__mro__ if kind is not object]
    if inspect.isroutine(thing) or not all(kind.__flags__ & _MADE_IN_PYTHON for kind in kinds):
        raise UncapturableError(f"it is a {type_name(type(thing))}")
    kinds = [kind for kind in kinds if kind.__module__.partition(".")[0] not in sys.stdlib_module_names]
    methods = {f"{kind.__name__}.{name}": each for kind in kinds for name, each in _methods(kind)}
    own = _object_root(thing, parameters)
    return [own, *map(_class_root, kinds), *global_roots(methods.values())], methods


def global_roots(functions: Iterable[FunctionType]) -> list[Root]:
    """Return the modules of functions, with those of their containers that the functions name."""
    names: dict[int, tuple[dict[str, Any], dict[str, None]]] = {}
    open_functions, seen = list(functions), set[int]()
    while open_functions:
        function = open_functions.pop()
        if id(function) in seen:
            continue
        seen.add(id(function))
        space = function.__globals__
        _, found = names.setdefault(id(space), (space, {}))
        for name in _names(function.__code__):
            value = space.get(name)
            if type(value) in _CONTAINERS:
                found[name] = None
            elif isinstance(value, FunctionType) and _package(value) == _package(function):
                open_functions.append(value)
    return [_global_root(space, list(found)) for space, found in names.values() if found]


def _object_root(thing: Any, parameters: Mapping[str, Any]) -> Root:
    slots = {
        name: each
        for kind in type(thing).__mro__
        for name, each in vars(kind).items()
        if inspect.ismemberdescriptor(each)
    }

    _keep_quick(thing)

    def read() -> dict[str, Any]:
        found = dict(getattr(thing, "__dict__", {}))
        for name, slot in slots.items():
            try:
                found[name] = slot.__get__(thing)
            except AttributeError:  # not set
                continue
        for name in found.keys() & parameters.keys():
            if found.pop(name) is not parameters[name]:
                raise UncapturableError(f"it has changed its parameter {name} itself")
        return found

    def assign(name: str, value: Any) -> None:
        if name in slots:
            slots[name].__set__(thing, value)
        else:  # past the user's own __setattr__ and properties, which may do more
            thing.__dict__[name] = value

    def remove(name: str) -> None:
        if name in slots:
            slots[name].__delete__(thing)
        else:
            del thing.__dict__[name]

    return Root(name=type(thing).__name__, read=read, assign=assign, remove=remove)


def _keep_quick(thing: Any) -> None:
    """Keep what a user's methods do with ``self`` as quick as it was before anybody looked at the attributes.

    CPython 3.11 keeps attributes beside an object until its dictionary is asked for, and then in a dictionary that
    shares its keys with others: ``self.sum += value`` costs twice as much from then on. Taking an entry out of it makes
    it an ordinary one, which does not.
    """
    held = getattr(thing, "__dict__", None)
    if type(held) is dict:
        held[""] = None
        held.popitem()


def _class_root(kind: type) -> Root:
    def read() -> dict[str, Any]:
        return {name: each for name, each in vars(kind).items() if not name.startswith("__") and _is_plain(name, each)}

    return Root(
        name=kind.__name__,
        read=read,
        assign=lambda name, value: setattr(kind, name, value),
        remove=lambda name: delattr(kind, name),
    )


def _is_plain(name: str, value: Any) -> bool:
    # What has __get__ is a method, a property or a slot; abc keeps its cache under a name of its own.
    return name != "_abc_impl" and not any("__get__" in vars(base) for base in type(value).__mro__)


def _global_root(space: dict[str, Any], names: list[str]) -> Root:
    return Root(
        name=str(space.get("__name__")),
        read=lambda: {name: space[name] for name in names if name in space},
        assign=space.__setitem__,
        remove=space.__delitem__,
    )


def _methods(kind: type) -> Iterator[tuple[str, FunctionType]]:
    """Yield the functions of a class, also those of its properties."""
    for name, value in vars(kind).items():
        if name.startswith("__") and name not in ("__init__", "__call__"):
            continue
        parts = [getattr(value, part, None) for part in ("__func__", "fget", "fset", "func", "__wrapped__")]
        for each in (value, *parts):
            if isinstance(each, FunctionType):
                yield name, each


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _names(each)


def _package(function: FunctionType) -> str:
    return function.__module__.partition(".")[0]
