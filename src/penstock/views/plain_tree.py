"""A tree of views in two halves: bytes that hold all that is plain, and the arrays of its views apart.

In the bytes an ``ArrayView`` is its dtype, its shape and its number among the views; what else is said of it is its
description. Nothing here knows where arrays lie.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.core.values import check_value
from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.views.array_view import ArrayView, Axis
from penstock.views.tree import walk
from penstock.wire.values import FetchArray, decode_value, encode_value

__all__ = ["PlainTree", "description_of", "tree_from", "view_from"]

_ATOMS: Final = frozenset({type(None), bool, int, float, complex, str, bytes})


class PlainTree:
    """A tree as it is at this moment.

    Parameters
    ----------
    tree
        A reducer's views; a view that stands in it twice is kept once.

    Raises
    ------
    ResultTypeError
        If a name is none, or a leaf is not on the closed list; the text names it.
    """

    __slots__ = ("_arrays", "_number_of", "arrays", "data", "views")

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self.views: list[ArrayView] = []
        """Each once, in the order of the tree."""
        self.arrays: list[NDArray[Any]] = []
        """Of the views, as ``ArrayView.array``."""
        self._arrays: dict[int, NDArray[Any]] = {}
        self._number_of: dict[int, int] = {}
        try:
            self.data = encode_value(self._branch(tree), self._place)
        except (ResultTypeError, RecursionError) as error:
            _name_offence(tree)
            raise ResultTypeError(f"views: {error}") from error

    def _branch(self, tree: Mapping[str, Any]) -> dict[str, Any]:
        for name in tree:
            if type(name) is not str or not name or "/" in name:
                raise ResultTypeError(f"{name!r} cannot name a view; use text without /")
        return {name: self._leaf(value) for name, value in tree.items()}

    def _leaf(self, value: Any) -> Any:  # as user code published it
        kind = type(value)
        if kind in _ATOMS:
            return value
        if isinstance(value, ArrayView):
            return self._array(value)
        if isinstance(value, Mapping):
            return self._branch(value)
        return self._item(value)

    def _item(self, value: Any) -> Any:
        kind = type(value)
        if isinstance(value, ArrayView):
            return self._array(value)
        if kind is list:  # most are long and hold nothing but text or numbers
            return value if set(map(type, value)) <= _ATOMS else [self._item(each) for each in value]
        return {key: self._item(each) for key, each in value.items()} if kind is dict else value

    def _array(self, view: ArrayView) -> NDArray[Any]:
        found = self._arrays.get(id(view))
        if found is None:
            found = self._arrays[id(view)] = view.array
            if found.dtype.hasobject:
                raise ResultTypeError(f"a view has dtype {found.dtype}; declare it as numbers or text")
            self._number_of[id(found)] = len(self.views)
            self.views.append(view)
            self.arrays.append(found)
        return found

    def _place(self, array: NDArray[Any]) -> int | None:
        return self._number_of.get(id(array))


def _name_offence(tree: Mapping[str, Any]) -> None:
    """Raise an error that names the leaf, if one leaf alone is to blame."""
    for path, leaf in walk(tree):
        if not isinstance(leaf, ArrayView):
            check_value(leaf, f"view {path}")
        elif leaf.dtype.hasobject:
            raise ResultTypeError(f"view {path} has dtype {leaf.dtype}; declare it as numbers or text")


def tree_from(data: bytes, fetch: FetchArray) -> dict[str, Any]:
    """Read the bytes of a tree.

    Parameters
    ----------
    data
        Of a ``PlainTree``.
    fetch
        (dtype, shape, number among the views) → what shall stand in the tree for it.

    Raises
    ------
    RemoteProtocolError
        If the bytes are anything else.
    """
    tree = decode_value(data, fetch=fetch)
    if type(tree) is not dict:
        raise RemoteProtocolError(f"a tree of views is a {type(tree).__name__}")
    return tree


def description_of(view: ArrayView) -> list[Any]:
    """Return what a view is besides its array, in values of the closed list.

    Raises
    ------
    ResultTypeError
        If one of them is not on it, such as a title that is no text.
    """
    axes = [
        [axis.name, axis.unit, None if axis.values is None else np.asarray(axis.values).copy()] for axis in view.axes
    ]
    described = [view.grows, view.unit, view.title, axes, view.fill]
    check_value(described, "what a view says of itself")
    return described


def view_from(array: NDArray[Any], description: Any, *, borrowed: bool = False) -> ArrayView:
    """Return the view that was described, around an array; see ``ArrayView.of``.

    Raises
    ------
    RemoteProtocolError
        If the description is anything else.
    """
    try:
        grows, unit, title, axes, fill = description
        view = ArrayView.of(array, unit=str(unit), fill=fill, title=str(title), grows=bool(grows), borrowed=borrowed)
        # Set, not given: user code may have changed its axes after the view had checked them.
        view.axes = tuple(
            Axis(str(name), str(of), None if values is None else np.array(values)) for name, of, values in axes
        )
    except (TypeError, ValueError) as error:
        raise RemoteProtocolError(f"not the description of a view: {error}") from error
    return view
