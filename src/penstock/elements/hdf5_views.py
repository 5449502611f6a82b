"""Views in an HDF5 file: groups and datasets named as in the tree, units and axes as attributes and datasets."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ResultTypeError
from penstock.views import ArrayView, Axis, array_of, attributes_of, walk

__all__ = ["write_views"]


def write_views(group: Any, tree: Mapping[str, Any], place: Callable[[str], str] = str) -> None:  # h5py has no types
    """Write a whole tree.

    Parameters
    ----------
    group
        Where; of a file that can be changed.
    tree
        Views by name.
    place
        Says under which name a view goes; by default under its path.

    Raises
    ------
    ResultTypeError
        If HDF5 has nothing for a view.
    """
    leaves = dict(walk(tree))
    for path, leaf in leaves.items():
        _write_leaf(group, path, leaf, place(path))
    for path, leaf in leaves.items():  # axes last: their names give way to those of views
        if isinstance(leaf, ArrayView):
            _write_axes(group[place(path)], leaf)


def _write_leaf(group: Any, path: str, leaf: Any, name: str) -> None:
    array = array_of(leaf, path)
    try:
        dataset = _write_array(group, name, array)
    except TypeError as error:
        raise ResultTypeError(f"view {path}: HDF5 has nothing for {array.dtype}; publish numbers or text") from error
    named = {"unit": "units", "title": "long_name", "axes": "axes"}
    dataset.attrs.update({named[name]: value for name, value in attributes_of(leaf).items()})


def _write_array(group: Any, path: str, array: NDArray[Any]) -> Any:
    import h5py

    if array.dtype.kind == "U" and array.ndim == 0:
        return group.create_dataset(path, data=str(array))
    if array.dtype.kind == "U":
        return group.create_dataset(path, data=array.astype(object), dtype=h5py.string_dtype())
    if array.dtype.kind in "mM":  # HDF5 has no times
        dataset = group.create_dataset(path, data=array.astype(f"{array.dtype.kind}8[ns]").astype("i8"))
        dataset.attrs["units"] = "ns" if array.dtype.kind == "m" else "ns since 1970-01-01T00:00:00 UTC"
        return dataset
    return group.create_dataset(path, data=array)


def _write_axes(dataset: Any, view: ArrayView) -> None:
    """Write a view's axes, and, as NeXus does, that it is the one of its group to plot if it is the first."""
    for dimension, axis in enumerate(view.axes):
        _write_axis(dataset, dimension, axis)
    group = dataset.parent
    if not view.axes or "signal" in group.attrs:
        return
    labels = [scales[0].name.rpartition("/")[2] if len(scales) else "." for scales in dataset.dims]
    group.attrs.update({"NX_class": "NXdata", "signal": dataset.name.rpartition("/")[2], "axes": labels})


def _write_axis(dataset: Any, dimension: int, axis: Axis) -> None:
    dataset.dims[dimension].label = axis.name
    group = dataset.parent
    if axis.values is None:
        if _is_scale_of(group.get(axis.name), dataset, dimension):
            group[axis.name].make_scale(axis.name)
            dataset.dims[dimension].attach_scale(group[axis.name])
        return
    values = np.asarray(axis.values)
    own = f"{dataset.name.rpartition('/')[2]}_{axis.name}"
    names = (axis.name, own, *(f"{own}_{number}" for number in range(2, 1000)))
    name = next(name for name in names if name not in group or _equal(group[name], values))
    if name not in group:
        _write_array(group, name, values)
        if axis.unit:
            group[name].attrs["units"] = axis.unit
        group[name].make_scale(axis.name)
    dataset.dims[dimension].attach_scale(group[name])


def _is_scale_of(beside: Any, dataset: Any, dimension: int) -> bool:
    """Whether a view beside another, called as an axis of it that has no values, says them: both may grow."""
    if not hasattr(beside, "dtype") or beside == dataset or beside.shape != dataset.shape[dimension : dimension + 1]:
        return False
    return not any(len(scales) for scales in beside.dims)


def _equal(dataset: Any, values: NDArray[Any]) -> bool:
    if not hasattr(dataset, "dtype"):  # a group
        return False
    there = dataset.asstr()[()] if values.dtype.kind == "U" and dataset.dtype.kind == "O" else dataset[()]
    return np.shape(there) == values.shape and bool(np.all(there == values))
