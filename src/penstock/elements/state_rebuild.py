"""A graph of state made into objects again: those the constructor made are changed in place, others are made anew."""

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from penstock.core.values import type_name
from penstock.elements.construction import MAPPINGS, SEQUENCES, Construction
from penstock.elements.state_graph import Child
from penstock.errors import RemoteProtocolError
from penstock.views import ArrayView, Axis
from penstock.wire.values import loaded_type

__all__ = ["StateRebuild"]

Node = Sequence[Any]
_KINDS: Final[Mapping[str, type]] = {name: kind for table in (SEQUENCES, MAPPINGS) for kind, name in table.items()} | {
    "bytes": bytearray,
    "array": np.ndarray,
    "view": ArrayView,
}
_EMPTY: Final[Mapping[str, Callable[[], Any]]] = {
    "list": list,
    "set": set,
    "dict": dict,
    "counter": Counter,
    "ordered": OrderedDict,
    "default": defaultdict,
    "bytes": bytearray,
}


class StateRebuild:
    """Makes the objects of one graph.

    Parameters
    ----------
    nodes
        Of a ``StateGraph``.
    construction
        Of the new object, with the same signature.
    views
        By path, with the content of those whose content the graph does not hold.
    """

    def __init__(self, nodes: Sequence[Node], construction: Construction, views: Mapping[str, ArrayView]) -> None:
        self._nodes = nodes
        self._made = construction.objects
        self._views = views
        self._built: dict[int, Any] = {}
        self._unfilled: list[int] = []

    def value(self, child: Child) -> Any:
        """Return what a child stands for; what can be changed is not filled yet."""
        return self._object(child[0]) if type(child) is list else child

    def fill(self) -> None:
        """Fill all that was met, and what is met meanwhile."""
        while self._unfilled:
            number = self._unfilled.pop()
            self._fill(self._built[number], self._nodes[number])

    def _object(self, number: int) -> Any:
        if number not in self._built:
            kind, made, *rest = self._nodes[number]
            if kind in ("tuple", "frozenset"):
                self._built[number] = _KINDS[kind](self._all(rest[0]))
            elif kind == "value":
                self._built[number] = rest[0]
            elif kind == "same":
                self._built[number] = self._made[made]
            elif kind == "object":
                self._dataclass(number, made, *rest)
            else:
                self._built[number] = self._kept(_KINDS[kind], made) if made is not None else self._empty(kind, rest)
                self._unfilled.append(number)
        return self._built[number]

    def _kept(self, kind: type, made: int) -> Any:
        found = self._made[made]
        if type(found) is not kind:
            raise RemoteProtocolError(f"the constructor made a {type_name(type(found))} for a {type_name(kind)}")
        return found

    def _empty(self, kind: str, rest: Node) -> Any:
        if kind == "deque":
            return deque(maxlen=rest[1])
        if kind == "array":
            array, _, is_fortran = rest
            return np.array(array, order="F" if is_fortran else "C")
        if kind == "view":
            path, array, (grows, *_), _ = rest
            content = array if path is None else self._views[path].array
            return ArrayView.of(content.copy(), grows=grows)
        return _EMPTY[kind]()

    def _dataclass(self, number: int, made: int | None, module: str, name: str, names: Any, children: Any) -> None:
        kind = loaded_type(module, name)
        if kind is None:
            raise RemoteProtocolError(f"dataclass {module}.{name} is not loaded here")
        target = self._built[number] = object.__new__(kind) if made is None else self._kept(kind, made)
        for field, child in zip(names, children, strict=True):
            object.__setattr__(target, field, self.value(child))  # also of a frozen one

    def _all(self, children: Sequence[Child]) -> list[Any]:
        return [self.value(child) for child in children]

    def _fill(self, target: Any, node: Node) -> None:
        kind, made, *rest = node
        if kind == "array":
            _fill_array(target, *rest)
        elif kind == "view":
            self._fill_view(target, made, *rest)
        elif kind in MAPPINGS.values():
            keys, values = self._all(rest[0]), self._all(rest[1])
            target.clear()
            if kind == "default":
                target.default_factory = self.value(rest[2])
            for key, value in zip(keys, values, strict=True):
                target[key] = value
        else:
            items = self._all(rest[0]) if kind != "bytes" else rest[0]
            target.clear()
            target.update(items) if kind == "set" else target.extend(items)

    def _fill_view(self, view: ArrayView, made: int | None, path: str | None, array: Any, said: Any, axes: Any) -> None:
        if made is not None:
            view.restore(array if path is None else self._views[path].array)
        _, view.unit, view.title, fill = said
        view.fill = self.value(fill)
        if axes is not None:
            view.axes = tuple(Axis(name, unit, self.value(values)) for name, unit, values in axes)


def _fill_array(target: Any, content: Any, can_write: bool, _: bool) -> None:
    if target.flags.writeable:
        target[...] = content
        target.flags.writeable = can_write
    elif target.tobytes() != content.tobytes():
        raise RemoteProtocolError("an array that can only be read had another content")
