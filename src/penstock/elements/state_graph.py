"""Everything some attributes hold, as a graph of plain values in which an object that is held twice stands once.

A node is a list: its kind, the object's number in the construction (``None`` if it was made later), and what the kind
needs. A child is an atom as it is, or ``[n]`` for node n. What cannot be written so, or not without loss, is refused.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.values import DEEPEST, registered, type_name
from penstock.elements.atoms import are_atoms, is_atom
from penstock.elements.construction import MAPPINGS, SEQUENCES, Construction, field_values
from penstock.views import ArrayView

__all__ = ["StateGraph", "UncapturableError"]

Child = Any
"""An atom, or a list of one node's number."""


class UncapturableError(Exception):
    """Something cannot be saved; the text says what."""


class StateGraph:
    """The nodes met so far.

    Parameters
    ----------
    construction
        Names what was made by the constructor.
    paths
        Of the views whose content is saved elsewhere, by identity.
    """

    def __init__(self, construction: Construction, paths: Mapping[int, str]) -> None:
        self.nodes: list[list[Any]] = []
        self._construction = construction
        self._paths = paths
        self._node_of: dict[int, int] = {}
        self._memory: list[tuple[int, int, bool]] = []

    def child(self, value: Any, depth: int = 0) -> Child:
        """Return what stands for a value.

        Raises
        ------
        UncapturableError
            If it cannot be saved.
        """
        if is_atom(value):
            return value
        node = self._node_of.get(id(value))
        if node is None:
            if depth > DEEPEST:
                raise UncapturableError(f"is nested deeper than {DEEPEST} levels")
            node = self._node_of[id(value)] = len(self.nodes)
            self.nodes.append([])  # known before its children are, which may hold it
            self.nodes[node] = self._written(value, depth + 1)
        return [node]

    def check_memory(self) -> None:
        """Make sure that no two arrays share memory that may be written.

        Raises
        ------
        UncapturableError
            If two do; restored, they would be apart.
        """
        end, was_writable = 0, False
        for start, stop, is_writable in sorted(self._memory):
            if start < end and (is_writable or was_writable):
                raise UncapturableError("an array is a view of another")
            if stop > end:
                end, was_writable = stop, is_writable

    def _written(self, value: Any, depth: int) -> list[Any]:
        kind = type(value)
        number = self._construction.number(value)
        if self._construction.has_fixed(value):
            return ["same", number]
        if kind in SEQUENCES:
            size = [value.maxlen] if kind is deque else []
            return [SEQUENCES[kind], number, self._children(value, depth), *size]
        if kind in MAPPINGS:
            factory = [self.child(value.default_factory, depth)] if kind is defaultdict else []
            keys, values = self._children(value.keys(), depth), self._children(value.values(), depth)
            return [MAPPINGS[kind], number, keys, values, *factory]
        if kind is np.ndarray:
            return self._array(value, number)
        if kind is ArrayView:
            return self._view(value, number, depth)
        if kind is bytearray:
            return ["bytes", number, bytes(value)]
        if registered(kind) is not None:
            return ["value", None, value]
        if is_dataclass(value) and not isinstance(value, type):
            return self._dataclass(value, number, depth)
        raise UncapturableError(f"holds a {type_name(kind)}")

    def _children(self, values: Iterable[Any], depth: int) -> list[Child]:
        items = list(values)
        return items if are_atoms(items) else [self.child(each, depth) for each in items]

    def _array(self, array: NDArray[Any], number: int | None) -> list[Any]:
        if array.dtype.hasobject:
            raise UncapturableError(f"holds an array of dtype {array.dtype}")
        can_write = array.flags.writeable
        if can_write and _owner(array) is not None:
            raise UncapturableError("holds an array in memory that belongs to something else")
        self._note_memory(array, can_write)
        if number is not None and not self._construction.was_made_with(array, array.dtype, array.shape):
            raise UncapturableError("holds an array whose shape was changed in place")
        is_fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        return ["array", number, array, can_write, is_fortran]

    def _view(self, view: ArrayView, number: int | None, depth: int) -> list[Any]:
        path = self._paths.get(id(view))
        array = view.array
        if array.dtype.hasobject:
            raise UncapturableError(f"holds a view of dtype {array.dtype}")
        self._note_memory(array, True)
        said = [view.grows, view.unit, view.title, self.child(view.fill, depth)]
        axes = None
        if number is None or not self._construction.was_made_with(view, view.axes):
            axes = [[axis.name, axis.unit, self.child(axis.values, depth)] for axis in view.axes]
        return ["view", number, path, array if path is None else None, said, axes]

    def _dataclass(self, value: Any, number: int | None, depth: int) -> list[Any]:
        kind = type(value)
        content = field_values(value)
        if not set(getattr(value, "__dict__", content)) <= set(content):
            raise UncapturableError(f"holds a {type_name(kind)} that has more than its fields")
        if not all(base is object or is_dataclass(base) for base in kind.__mro__):
            raise UncapturableError(f"holds a {type_name(kind)}, which is more than a dataclass")
        return [
            "object",
            number,
            kind.__module__,
            kind.__qualname__,
            list(content),
            self._children(content.values(), depth),
        ]

    def _note_memory(self, array: NDArray[Any], can_write: bool) -> None:
        if array.size:
            self._memory.append((*np.lib.array_utils.byte_bounds(array), can_write))


def _owner(array: NDArray[Any]) -> Any:
    """Return what an array's memory belongs to, if that is no array."""
    found: Any = array
    while isinstance(found, np.ndarray) and found.base is not None:
        found = found.base
    return None if isinstance(found, np.ndarray) else found
