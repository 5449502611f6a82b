"""The tree of a reducer's views: nested dictionaries of arrays, numbers, text and lists.

A walk is all that sinks and pages need; nothing here writes or draws.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ResultTypeError
from penstock.views.array_view import ArrayView

__all__ = ["array_of", "attributes_of", "snapshot", "walk"]

Leaf = Any
"""An ArrayView, an array, a number, a truth value, text, bytes, or a list of these: reducers are foreign code."""


def walk(tree: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Leaf]]:
    """Yield every leaf with its path, in the order of the tree.

    >>> list(walk({"map": {"counts": 3}, "title": "Cu"}))
    [('map/counts', 3), ('title', 'Cu')]

    Raises
    ------
    ResultTypeError
        If a name is no text, is empty or holds a slash.
    """
    for name, value in tree.items():
        if not isinstance(name, str) or not name or "/" in name:
            raise ResultTypeError(
                f"views{f'/{above}' if above else ''}: {name!r} cannot name a view; use text without /"
            )
        path = f"{above}/{name}" if above else name
        if isinstance(value, Mapping):
            yield from walk(value, path)
        else:
            yield path, value


def array_of(leaf: Leaf, path: str = "") -> NDArray[Any]:
    """Return a leaf as an array of numbers, truth values, times, text or bytes.

    Raises
    ------
    ResultTypeError
        If it is something else, such as lists of unequal lengths.
    """
    try:
        array = leaf.array if isinstance(leaf, ArrayView) else np.asarray(leaf)
    except ValueError as error:
        raise ResultTypeError(f"view {path}: {error}; use lists of equal lengths") from error
    if array.dtype == object:
        raise ResultTypeError(f"view {path}: {type(leaf).__name__} is no array, number or text; publish one of these")
    return array


def attributes_of(leaf: Leaf) -> Mapping[str, Any]:
    """Return what a leaf says of itself: unit, title, axes."""
    return leaf.attributes if isinstance(leaf, ArrayView) else {}


def snapshot(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the tree that no longer changes."""
    return {name: _still(value) for name, value in tree.items()}


def _still(value: Any) -> Any:
    if isinstance(value, Mapping):
        return snapshot(value)
    if isinstance(value, ArrayView | np.ndarray):
        return value.copy()
    return [_still(each) for each in value] if isinstance(value, list) else value
