"""Rows of datasets of an HDF5 file: which datasets are meant, and reading them so that no chunk is unpacked twice.

It knows no messages and no pipeline.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.core.encoding import Encoding
from penstock.core.suggest import did_you_mean, listed
from penstock.errors import SourceError
from penstock.extra import extra

__all__ = ["Hdf5Rows", "Rows"]

PIECE_BYTES: Final = 1 << 20
"""Rows that are read together at least, unless one is larger."""
MOST_ROWS: Final = 4096
MOST_CHUNK_BYTES: Final = 256 << 20
"""A chunk of more is not kept as a whole; its rows are unpacked one by one."""
_MOST_NAMES: Final = 2000
_FILTERS: Final[Mapping[int, str]] = {
    32000: "LZF", 32001: "Blosc", 32004: "LZ4", 32008: "bitshuffle", 32015: "Zstandard", 32026: "Blosc2"
}  # fmt: skip
"""Numbers of the HDF Group's registry of filters."""
_CODECS: Final[Mapping[int, str]] = {32001: "blosc", 32004: "lz4", 32015: "zstd"}
"""Filters of which a chunk is what a detector sends; bitshuffle's depends on its arguments."""
_BITSHUFFLE: Final = 32008
_BITSHUFFLE_CODECS: Final[Mapping[int, str]] = {2: "bslz4", 3: "bszstd"}
"""Its fifth argument."""

Dataset = Any
"""Of h5py, which has no types."""


class Rows:
    """Some consecutive rows, read together."""

    def __init__(
        self, first: int, data: Any, fields: Mapping[str, Any], encodings: Sequence[Encoding | None] = ()
    ) -> None:
        self.first = first
        self.data = data
        """(rows, …); or a list of rows, those that are encoded (bytes,) uint8."""
        self.fields = fields
        """By name, (rows, …) each, or a list of texts."""
        self.encodings = encodings
        """Of each row, ``None`` where it is the array itself; empty if all are."""

    def __len__(self) -> int:
        return len(self.data)


class Hdf5Rows:
    """Datasets of one file, row by row along their first axis.

    Parameters
    ----------
    path
        The file.
    data
        The dataset whose rows are wanted; empty for what NeXus says is to be plotted: ``default`` of the root and the
        entry, ``signal`` of the NXdata. Then the values of its first axis are a field.
    fields
        More datasets by name. One with as many rows gives a value a row, one with a single value is a constant.
    first, count
        Which rows; ``None``: all that follow.
    compressed
        Whether rows of ``data`` are given as they lie in the file.

    Raises
    ------
    SourceError
        If the file cannot be read, has no such datasets, or not as compressed rows.
    """

    def __init__(
        self,
        path: Path,
        data: str,
        fields: Mapping[str, str],
        *,
        first: int = 0,
        count: int | None = None,
        compressed: bool = False,
    ) -> None:
        with extra("run"):
            import h5py
        with suppress(ModuleNotFoundError):  # its filters are there once it is imported
            import hdf5plugin  # noqa: F401

        self.path = path
        try:
            self._file: Any = h5py.File(path, "r", locking="best-effort")
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise SourceError(f"the HDF5 file {path} cannot be read: {reason}") from error
        try:
            self._data = self._dataset(data) if data else self._default()
            self._name = self._data.name
            self._encoding = self._found_encoding() if compressed else None
            self._choose(dict(fields) if data else self._first_axis() | dict(fields))
        except BaseException:
            self.close()
            raise
        self._at = first
        self._end = self.rows if count is None else min(first + count, self.rows)

    @property
    def name(self) -> str:
        """Path of the dataset."""
        return str(self._name)

    @property
    def rows(self) -> int:
        """How many there are in the file."""
        return int(self._data.shape[0])

    @property
    def facts(self) -> dict[str, Any]:
        """What holds for all rows: shape and dtype of one, the unit if there is one, and the constants."""
        said = {"shape": list(self._data.shape[1:]), "dtype": self._data.dtype.name, **self._constants}
        units = self._data.attrs.get("units")
        return said if units is None else {"units": _text(units), **said}

    def attribute(self, field: str, name: str) -> str:
        """Return an attribute of the dataset of a field as text, empty if it has none."""
        return _text(self._fields[field].attrs.get(name, ""))

    def __contains__(self, field: str) -> bool:
        return field in self._fields

    def __iter__(self) -> Iterator[Rows]:
        step = self._step()
        while self._at < self._end:
            # Up to the end of a chunk, so that the next piece begins with one.
            stop = min(self._at // step * step + step, self._end)
            yield self._read(self._at, stop)
            self._at = stop

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._file.close()

    def _read(self, first: int, stop: int) -> Rows:
        try:
            if self._encoding is None:
                data: Any = self._plain(first, stop)
                encodings: Sequence[Encoding | None] = ()
            else:
                data, encodings = zip(*map(self._chunk, range(first, stop)), strict=True)
            fields = {name: _values(each[first:stop]) for name, each in self._fields.items()}
        except OSError as error:
            raise SourceError(f"{self.path}, rows {first} to {stop - 1} of {self._name}: {error}") from error
        return Rows(first, data, fields, encodings)

    def _plain(self, first: int, stop: int) -> NDArray[Any]:
        data = np.asarray(self._data[first:stop])
        data = data.astype(data.dtype.newbyteorder("="), copy=False)
        data.flags.writeable = False
        return data

    def _chunk(self, row: int) -> tuple[NDArray[Any], Encoding | None]:
        """Return the bytes of a row; or the row, if this one is not compressed, or was never written."""
        corner = (row, *([0] * (self._data.ndim - 1)))
        info = self._data.id.get_chunk_info_by_coord(corner)
        if info.byte_offset is None or info.filter_mask:
            return self._plain(row, row + 1)[0], None
        _, raw = self._data.id.read_direct_chunk(corner)
        return np.frombuffer(raw, np.uint8), self._encoding

    def _step(self) -> int:
        row_bytes = max(1, int(self._data.dtype.itemsize) * int(np.prod(self._data.shape[1:], dtype=np.int64)))
        rows = min(max(1, PIECE_BYTES // row_bytes), MOST_ROWS)
        chunk = int(self._data.chunks[0]) if self._data.chunks else 1
        if chunk * row_bytes > MOST_CHUNK_BYTES:
            return rows
        return max(1, rows // chunk) * chunk

    def _found_encoding(self) -> Encoding:
        made, shape = self._data.id.get_create_plist(), self._data.shape
        filters = [made.get_filter(n) for n in range(made.get_nfilters())]
        if self._data.chunks != (1, *shape[1:]) or len(filters) != 1:
            said = f"{self._name} has chunks {self._data.chunks} and {len(filters)} filters"
            raise SourceError(f"{self.path}: {said}; compressed is for rows that are a chunk each, with one filter")
        code, _, values, *_ = filters[0]
        name = _BITSHUFFLE_CODECS.get(values[4] if len(values) > 4 else 0) if code == _BITSHUFFLE else _CODECS.get(code)
        if name is None:
            known = listed([*_CODECS.values(), *_BITSHUFFLE_CODECS.values()])
            raise SourceError(
                f"{self.path}: {self._name} is compressed by filter {code}; leave out compressed, which is for {known}"
            )
        return Encoding(name, self._data.dtype.str, shape[1:])

    def _choose(self, fields: Mapping[str, str]) -> None:
        self._fields: dict[str, Dataset] = {}
        self._constants: dict[str, Any] = {}
        if self._data.dtype.kind not in "biufcV" or not self._data.shape:
            shape, dtype = self._data.shape, self._data.dtype
            raise SourceError(f"{self.path}: {self._name} has shape {shape} and dtype {dtype}; rows of numbers are due")
        read = [self._dataset(path) for path in fields.values()]
        for each in read if self._encoding else [self._data, *read]:
            self._check_filters(each)
        for name, path in fields.items():
            dataset = self._dataset(path)
            if dataset.shape and dataset.shape[0] == self.rows:
                self._fields[name] = dataset
            elif dataset.size == 1:
                self._constants[name] = _plain(_values(dataset[()].reshape(-1) if dataset.shape else [dataset[()]])[0])
            else:
                raise SourceError(
                    f"{self.path}: {dataset.name} has shape {dataset.shape}; {self._name} has {self.rows} rows, and so "
                    "must a field, or one value for all of them"
                )

    def _dataset(self, path: str) -> Dataset:
        found = None
        with suppress(KeyError, ValueError):
            found = self._file[path]
        if found is None or not hasattr(found, "dtype"):
            said = "is a group, no dataset" if found is not None else "is not there"
            raise SourceError(f"{self.path}: {path} {said}; {did_you_mean(path, self._names())}".removesuffix("; "))
        return found

    def _names(self) -> list[str]:
        names: list[str] = []

        def visit(name: str, thing: Any) -> bool | None:
            if hasattr(thing, "dtype"):
                names.append(f"/{name}")
            return True if len(names) >= _MOST_NAMES else None

        self._file.visititems(visit)
        return names

    def _default(self) -> Dataset:
        entry = _child(self._file, "NXentry")
        group = _child(entry, "NXdata") if entry is not None else None
        signal = _signal(group) if group is not None else None
        if group is None or signal is None or not hasattr(group.get(signal), "dtype"):
            remedy = did_you_mean("", self._names()[:20])
            raise SourceError(f"{self.path}: no NXdata with a signal says what data there are; as data: {remedy}")
        self._group = group
        return group[signal]

    def _first_axis(self) -> dict[str, str]:
        axes = self._group.attrs.get("axes", ())
        names = [_text(axes)] if isinstance(axes, str | bytes) else [_text(name) for name in axes]
        first = names[0] if names else "."
        axis = self._group.get(first) if first != "." else None
        return {first: axis.name} if axis is not None and axis.shape[:1] == self._data.shape[:1] else {}

    def _check_filters(self, dataset: Dataset) -> None:
        import h5py

        made = dataset.id.get_create_plist()
        for n in range(made.get_nfilters()):
            code = made.get_filter(n)[0]
            if not h5py.h5z.filter_avail(code):
                name = _FILTERS.get(code, "one that HDF5 does not have itself")
                raise SourceError(
                    f"{self.path}: {dataset.name} is compressed by filter {code}, {name}; pip install hdf5plugin "
                    "brings most filters"
                )


def _child(group: Any, kind: str) -> Any:
    """Return the group that ``default`` names, or else the first of a class, ``None`` if there is none."""
    default = _text(group.attrs.get("default", ""))
    if default and hasattr(found := group.get(default), "attrs"):
        return found
    for name in group:
        found = group.get(name)
        if found is not None and _text(found.attrs.get("NX_class", "")) == kind:
            return found
    return None


def _signal(group: Any) -> str | None:
    signal = _text(group.attrs.get("signal", ""))
    if signal:
        return signal
    # As NeXus had it before 2014, and the name that most files use.
    marked = (name for name in group if "signal" in getattr(group.get(name), "attrs", ()))
    return next(marked, "data" if "data" in group else None)


def _values(read: Any) -> Any:
    array = np.asarray(read)
    if array.dtype.kind in "OS":
        return [_text(value) if isinstance(value, str | bytes) else value for value in array.tolist()]
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _text(value: Any) -> str:
    value = value.reshape(-1)[0] if isinstance(value, np.ndarray) and value.size else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
