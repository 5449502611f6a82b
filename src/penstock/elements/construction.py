"""What user code consists of when it was just made, each object numbered: two constructions number alike.

A number is how state that was saved names an object that the next construction makes too, so that it can be changed in
place: others may hold it, such as the engine the context, or a module its list.
"""

import hashlib
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

import numpy as np

from penstock.core.values import DEEPEST, type_name
from penstock.elements.atoms import are_atoms, is_atom
from penstock.elements.fixed_object import FixedObjects, signature_of
from penstock.views import ArrayView

__all__ = ["MAPPINGS", "SEQUENCES", "Construction", "field_values"]

SEQUENCES: Final[Mapping[type, str]] = {
    list: "list",
    tuple: "tuple",
    set: "set",
    frozenset: "frozenset",
    deque: "deque",
}
MAPPINGS: Final[Mapping[type, str]] = {dict: "dict", Counter: "counter", OrderedDict: "ordered", defaultdict: "default"}
_UNORDERED: Final = (set, frozenset)


class Construction:
    """Everything that is reached from some attributes, at the moment this is made.

    Parameters
    ----------
    roots
        Attributes by name, of each owner in turn.
    fixed
        Tells what needs no saving.
    owner
        The user's object, which may be held by what it holds.
    """

    def __init__(self, roots: Iterable[Mapping[str, Any]], fixed: FixedObjects, owner: Any = None) -> None:
        self.objects: list[Any] = []
        """By number; held, so that no other object can take an identity."""
        self._numbers: dict[int, int] = {}
        self._fixed = fixed
        self._fixed_ids: set[int] = set()
        self._made_with: dict[int, tuple[Any, ...]] = {}
        self._digest = hashlib.blake2b(digest_size=16)
        if owner is not None:
            self._fix(owner, type_name(type(owner)))
        for root in roots:
            for name, value in root.items():
                self._digest.update(f".{name}".encode("utf-8", "replace"))
                self._walk(value, 0)
        self.signature = self._digest.hexdigest()
        """Equal if other objects of the same types were made in the same places."""

    def number(self, value: Any) -> int | None:
        """Return an object's number; ``None`` if it was made later."""
        return self._numbers.get(id(value))

    def has_fixed(self, value: Any) -> bool:
        """Whether an object was made by the constructor and can be had again only from there."""
        return id(value) in self._fixed_ids

    def was_made_with(self, value: Any, *facts: Any) -> bool:
        """Whether an array has the dtype and shape, or a view the axes, that it was made with."""
        return self._made_with.get(id(value)) == facts

    def _walk(self, value: Any, depth: int) -> None:
        if is_atom(value) or id(value) in self._numbers or depth > DEEPEST:
            return
        kind = type(value)
        if kind in SEQUENCES or kind in MAPPINGS:
            self._number(value, type_name(kind))
            self._walk_items(value, kind, depth)
        elif kind is np.ndarray:
            self._number(value, f"array {value.dtype} {value.shape}")
            self._made_with[id(value)] = (value.dtype, value.shape)
        elif kind is ArrayView:
            self._number(value, f"view {value.dtype} {value.shape[1:] if value.grows else value.shape}")
            self._made_with[id(value)] = (value.axes,)  # an Axis equals only itself
        elif kind is bytearray:
            self._number(value, "bytearray")
        elif is_dataclass(value) and not isinstance(value, type):
            self._number(value, type_name(kind))
            for each in field_values(value).values():
                self._walk(each, depth + 1)
        elif self._fixed.holds(value):
            self._fix(value, signature_of(value))

    def _walk_items(self, value: Any, kind: type, depth: int) -> None:
        if kind in _UNORDERED:  # their order, and so their items' numbers, would be another in the next process
            return
        if kind is defaultdict:
            self._walk(value.default_factory, depth + 1)
        for items in (value.keys(), value.values()) if kind in MAPPINGS else (value,):
            if not are_atoms(items):
                for each in items:
                    self._walk(each, depth + 1)

    def _fix(self, value: Any, said: str) -> None:
        self._fixed_ids.add(id(value))
        self._number(value, said)

    def _number(self, value: Any, said: str) -> None:
        self._numbers[id(value)] = len(self.objects)
        self.objects.append(value)
        self._digest.update(f"{said};".encode("utf-8", "replace"))


def field_values(value: Any) -> dict[str, Any]:  # of a dataclass
    """Return the fields of a dataclass that are set, by name."""
    names = [field.name for field in fields(value)]
    return {name: getattr(value, name) for name in names if hasattr(value, name)}
