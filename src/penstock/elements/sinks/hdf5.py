"""Views as a plain HDF5 file: groups and datasets named as in the tree, units and axes as attributes.

It writes whole trees, never single items; raw data have a writer of their own.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.timestamp import Timestamp
from penstock.elements.output_file import Existing, OutputFile
from penstock.elements.sink import RunFacts, Sink
from penstock.errors import ResultTypeError, SinkError
from penstock.extra import extra
from penstock.views import ArrayView, Axis, array_of, attributes_of, walk

__all__ = ["Hdf5Sink"]


class Hdf5Sink(Sink):
    """Write views to ``path``; each write replaces what this run wrote before.

    The file appears under its name complete or not at all: it is written beside as ``….part`` and renamed.
    Root attributes say which pipeline, run and penstock it comes from, when the run started and how it ended.
    A dataset has ``units``, ``long_name`` and, where its view has axes, their names as ``axes``; the axes' values are
    datasets beside it.

    Parameters
    ----------
    path
        May hold ``{run}``, ``{name}``, ``{sink}``; relative to the pipeline's file.
    existing
        A file that is there already is never overwritten silently: ``next`` takes the next free name (``map-2.h5``),
        ``refuse`` does not start, ``replace`` replaces it.
    """

    takes_only_views = True

    def __init__(self, path: str = "{run}.h5", existing: Existing = "next") -> None:
        self._template = path
        self._existing = existing
        self._written = False

    @property
    def path(self) -> str:
        """Where the file is, once opened."""
        return str(self._file.path)

    def open(self, run: RunFacts) -> None:
        """Claim the name and prove that the folder can be written."""
        with extra("run"):
            import h5py  # noqa: F401  # 100 ms: not while the first views are due

        self._run = run
        self._file = OutputFile(self._template, run, self._existing)

    def write(self, item: Any) -> None:  # a tree of views
        """Write the tree as it is now."""
        if not isinstance(item, Mapping):
            raise SinkError(
                f"{self._file.path}: {type(item).__name__} is no tree of views; "
                "put a reduce stage before the hdf5 sink, which publishes named views"
            )
        try:
            self._write_tree(item)
        except BaseException:
            self._file.discard()
            raise
        self._file.publish()
        self._written = True

    def close(self, ended_well: bool, outcome: str = "") -> None:
        """Write how the run ended, or remove what was claimed if nothing was written."""
        if not self._written:
            self._file.discard()
            return
        self._file.take_back()
        with self._file.writing():
            import h5py

            with h5py.File(self._file.part, "r+") as file:
                file.attrs["outcome"] = outcome or ("finished" if ended_well else "failed")
        self._file.publish()

    def _write_tree(self, tree: Mapping[str, Any]) -> None:
        import h5py

        with self._file.writing(), h5py.File(self._file.part, "w") as file:
            file.attrs.update(_facts(self._run))
            leaves = dict(walk(tree))
            for path, leaf in leaves.items():
                _write_leaf(file, path, leaf)
            for path, leaf in leaves.items():  # axes last: their names give way to those of views
                if isinstance(leaf, ArrayView):
                    _write_axes(file[path], leaf)


def _facts(run: RunFacts) -> dict[str, str]:
    facts = {"pipeline": run.pipeline, "run": run.run, "outcome": "running", "penstock_version": run.version}
    return facts | ({"started": run.started.isoformat()} if run.started != Timestamp(0) else {})


def _write_leaf(file: Any, path: str, leaf: Any) -> None:  # h5py has no types
    array = array_of(leaf, path)
    try:
        dataset = _write_array(file, path, array)
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
    if axis.values is None:
        return
    group = dataset.parent
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


def _equal(dataset: Any, values: NDArray[Any]) -> bool:
    if not hasattr(dataset, "dtype"):  # a group
        return False
    there = dataset.asstr()[()] if values.dtype.kind == "U" and dataset.dtype.kind == "O" else dataset[()]
    return np.shape(there) == values.shape and bool(np.all(there == values))
