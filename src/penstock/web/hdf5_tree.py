"""A reducer's views as HDF5 has them: groups, datasets and attributes, with what NeXus needs to plot them by itself.

An identifier is made of the path alone, so it means the same in every web process. Nothing here copies elements, or
knows HTTP.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ResultTypeError
from penstock.views.array_view import ArrayView, Axis
from penstock.views.tree import array_of, attributes_of
from penstock.web.hdf5_types import type_of

__all__ = ["Dataset", "Group", "Node", "group_of", "id_of", "nodes"]

ATTRIBUTES: Final = "_attrs"
"""A branch of this name holds the attributes of the group it is in; ``x_attrs`` beside ``x`` those of x."""
NEXUS: Final = frozenset({"NX_class", "signal", "axes"})
TIME_UNITS: Final = {"m": "ns", "M": "ns since 1970-01-01T00:00:00 UTC"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """An array or a single value."""

    path: str
    array: NDArray[Any]
    """Where it lies."""
    grows: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """How clients call it."""
        return id_of(self.path, is_group=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """Groups and datasets by name."""

    path: str
    links: Mapping[str, "Node"] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """How clients call it."""
        return id_of(self.path, is_group=True)

    @property
    def is_plottable(self) -> bool:
        """Whether NeXus finds something to plot from here."""
        return "signal" in self.attributes or "default" in self.attributes


Node = Dataset | Group


@lru_cache(maxsize=1 << 14)
def id_of(path: str, *, is_group: bool) -> str:
    """Return the identifier of what has a path, in the form that HDF5-REST's clients want: 128 bits of its hash.

    >>> id_of("", is_group=True)
    'g-cae66941-d9efbd40-4e4d-88758e-a67670'
    """
    text = blake2b(path.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{'g' if is_group else 'd'}-{text[:8]}-{text[8:16]}-{text[16:20]}-{text[20:26]}-{text[26:]}"


def nodes(node: Node) -> Iterator[Node]:
    """Yield a node and all below it."""
    yield node
    if isinstance(node, Group):
        for each in node.links.values():
            yield from nodes(each)


def group_of(
    tree: Mapping[str, Any], path: str, *, nx_class: str = "NXcollection", given: Mapping[str, Any] | None = None
) -> Group:
    """Return a tree of views as a group.

    What HDF5 has no type for is left out. The values of a view's axes become datasets beside it. A group with something
    to plot is an ``NXdata``, whose ``signal`` is its first view with axes; one without names in ``default`` the first
    group that leads to one; failing that, the first array of numbers is the signal.

    Parameters
    ----------
    tree
        Names to ``ArrayView``, values, or further trees; with ``_attrs`` and ``x_attrs``, attributes.
    path
        Of the group, such as ``/fit/map``.
    nx_class
        What it is if there is nothing to plot.
    given
        Attributes from outside; together with those in the tree they take the place of the ones made here.
    """
    given = {**_said(tree, ATTRIBUTES), **(given or {})}
    links: dict[str, Node] = {}
    for name in tree:
        if not _is_said(tree, name):
            node = _node(tree[name], f"{path}/{name}", _said(tree, f"{name}{ATTRIBUTES}"))
            if node is not None:
                links[name] = node
    own = list(links)
    labels = {name: _add_axes(links, path, name, tree[name].axes) for name in own if _has_axes(tree[name])}
    made = {} if NEXUS & given.keys() else _nexus({name: links[name] for name in own}, labels, nx_class)
    return Group(path=path, links=links, attributes={**made, **given})


def _is_said(tree: Mapping[str, Any], name: str) -> bool:
    """Whether a branch is the attributes of something."""
    of = name.removesuffix(ATTRIBUTES)
    return of != name and isinstance(tree[name], Mapping) and (not of or of in tree)


def _said(tree: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return tree[name] if name in tree and _is_said(tree, name) else {}


def _has_axes(leaf: Any) -> bool:
    return isinstance(leaf, ArrayView) and bool(leaf.axes)


def _node(value: Any, path: str, given: Mapping[str, Any]) -> Node | None:
    if isinstance(value, Mapping):
        return group_of(value, path, given=given)
    try:
        array = array_of(value, path)
        type_of(array.dtype)
    except ResultTypeError:  # it can be saved, and cannot be shown
        return None
    named = {"unit": "units", "title": "long_name", "axes": "axes"}
    made = {named[name]: each for name, each in attributes_of(value).items()}
    if "axes" in made:
        made["DIMENSION_LABELS"] = made["axes"]
    grows = isinstance(value, ArrayView) and value.grows
    return Dataset(path=path, array=array, grows=grows, attributes={**made, **_time_unit(array), **given})


def _time_unit(array: NDArray[Any]) -> Mapping[str, str]:
    return {"units": TIME_UNITS[array.dtype.kind]} if array.dtype.kind in TIME_UNITS else {}


def _nexus(links: Mapping[str, Node], labels: Mapping[str, list[str]], nx_class: str) -> dict[str, Any]:
    plottable = [name for name, node in links.items() if isinstance(node, Dataset) and _is_numbers(node.array)]
    labelled = [name for name in plottable if name in labels]
    leading = [name for name, node in links.items() if isinstance(node, Group) and node.is_plottable]
    if labelled:
        return {"NX_class": "NXdata", "signal": labelled[0], "axes": labels[labelled[0]]}
    if leading:
        return {"NX_class": nx_class, "default": leading[0]}
    return {"NX_class": "NXdata", "signal": plottable[0]} if plottable else {"NX_class": nx_class}


def _is_numbers(array: NDArray[Any]) -> bool:
    return array.ndim > 0 and array.dtype.kind in "biufc"


def _add_axes(links: dict[str, Node], path: str, view: str, axes: Sequence[Axis]) -> list[str]:
    """Put the values of axes beside their view, and return by which names they are found; ``.``: there are none."""
    return [_add_axis(links, path, view, axis, np.asarray(axis.values)) if _is_shown(axis) else "." for axis in axes]


def _is_shown(axis: Axis) -> bool:
    return axis.values is not None and axis.values.dtype.kind in "biufcSUmM"


def _add_axis(links: dict[str, Node], path: str, view: str, axis: Axis, values: NDArray[Any]) -> str:
    own = f"{view}_{axis.name}"
    names = (axis.name, own, *(f"{own}_{number}" for number in range(2, 1000)))
    for name in names:  # a name gives way to a view's
        if name and "/" not in name and (name not in links or _holds(links[name], values)):
            attributes = {**({"units": axis.unit} if axis.unit else {}), **_time_unit(values)}
            links.setdefault(name, Dataset(path=f"{path}/{name}", array=values, attributes=attributes))
            return name
    return "."


def _holds(node: Node, values: NDArray[Any]) -> bool:
    if not isinstance(node, Dataset) or (node.array.dtype, node.array.shape) != (values.dtype, values.shape):
        return False
    return bool(np.all(node.array == values))
