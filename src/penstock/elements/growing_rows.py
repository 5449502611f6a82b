"""Rows of one kind in a growing HDF5 file: a group with one dataset a column, all of which get longer together.

A chunk holds what a block of messages holds at most. Large arrays are chunks of their own and go into the file as they
are, past HDF5's own buffers; compressed ones likewise, as they came.
"""

import math
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.elements.encoded_arrays import BITSHUFFLE_THEN, Encoded
from penstock.elements.flow_rows import KEY, TIME, FlowRows
from penstock.elements.hdf5_file import GrowingFile
from penstock.errors import SinkError

__all__ = ["NUMBER", "STREAM", "TEXT", "RowsGroup"]

CHUNK_BYTES: Final = 1 << 20
CHUNK_ROWS: Final = 4096
"""As a block of messages."""
DIRECT_BYTES: Final = 1 << 16
"""Arrays from here on are written without HDF5's buffers."""
KIND: Final = "rows"
STREAM: Final = "stream"
NUMBER: Final = "numbered_by"
TEXT: Final = "json"
END: Final = "_end"
TIME_UNITS: Final = "ns since 1970-01-01T00:00:00 UTC"
NO_KEY: Final = 2**64 - 1


class RowsGroup:
    """One group.

    Parameters
    ----------
    file
        The file.
    path
        Of the group.
    number
        What its rows are numbered by: ``event`` or ``id``.
    """

    def __init__(self, file: GrowingFile, path: str, number: str) -> None:
        self._growing = file
        self.path = path
        self.number = number
        self._length = 0
        self._lengths: dict[str, int] = {}
        """Of tables: how many lines there are."""
        self._generation = -1
        self._datasets: dict[str, Any] = {}  # h5py has no types
        self._kind: str | None = None

    def __len__(self) -> int:
        return self._length

    @property
    def kind(self) -> str | None:
        """What kind of rows it holds; ``None`` while that is open."""
        return self._kind

    def numbers(self, most: int) -> NDArray[np.int64]:
        """Return the numbers of the last rows."""
        dataset = self._growing.file[self.path][self.number]
        found: NDArray[np.int64] = dataset[max(0, len(dataset) - most) :].astype(np.int64)
        return found

    def lacks(self, rows: FlowRows) -> bool:
        """Whether there are columns without a dataset."""
        self._look()
        return any(name not in self._datasets for name in _shapes(rows, self.number))

    def room_for(self, rows: FlowRows) -> int:
        """Return how many bytes rows may need: their own, and of each column a chunk that is begun."""
        chunks = sum(_chunk_rows(dtype, shape) * _nbytes(dtype, shape) for dtype, shape, _ in self._all(rows))
        own = [*rows.columns.values(), *rows.fields.values(), *(flat for flat, _ in rows.tables.values())]
        packed = sum(chunk.nbytes for each in rows.encoded.values() for chunk in each.chunks)
        return chunks + packed + sum(array.nbytes for array in own) + sum(map(len, rows.texts or ()))

    def _all(self, rows: FlowRows) -> Iterable[tuple[Any, tuple[int, ...], Any]]:
        return _shapes(rows, self.number).values()

    def make(self, file: Any, rows: FlowRows) -> None:
        """Make the datasets that rows need, in a file that may be changed; what came before is missing in them."""
        group = file.require_group(self.path)
        self._kind = rows.kind
        for name, (dtype, shape, fill) in _shapes(rows, self.number).items():
            if name in group:
                continue
            is_line = name in rows.tables or name == TEXT
            encoded = rows.encoded.get(name)
            try:
                _make(group, name, 0 if is_line else self._length, dtype, shape, fill, encoded)
            except TypeError as error:
                text = f"{self._growing.path}: HDF5 has nothing for {dtype}, the type of {name} of {rows.name}"
                raise SinkError(f"{text}; let a step make numbers of it") from error
        self._describe(group, rows)

    def take_over(self, file: Any) -> None:
        """Go on with what is there, all columns as long as the shortest, in a file that may be changed."""
        group = file[self.path]
        own = [name for name, each in group.items() if _grows(each)]
        lines = {name for name in own if name + END in own}
        plain = [name for name in own if name not in lines]
        self._length = min((len(group[name]) for name in plain), default=0)
        for name in plain:
            group[name].resize(self._length, 0)
        for name in lines:
            ends = group[name + END]
            self._lengths[name] = int(ends[-1]) if self._length else 0
            group[name].resize(self._lengths[name], 0)
        self._kind = str(group.attrs[KIND])

    def append(self, rows: FlowRows) -> None:
        """Add rows, for all of whose columns there are datasets."""
        self._look()
        count = len(rows)
        for name, encoded in rows.encoded.items():
            self._write_chunks(name, encoded.chunks)
        for name, column in rows.columns.items():
            self._write(name, column)
        for name, column in rows.fields.items():
            self._write(name, column)
        for name, (flat, ends) in rows.tables.items():
            self._write_lines(name, flat, ends)
        texts = rows.texts
        if texts is None and TEXT in self._datasets:
            texts = [b""] * count
        if texts is not None:
            ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
            self._write_lines(TEXT, np.frombuffer(b"".join(texts), np.uint8), ends)
        self._write(self.number, rows.numbers)
        self._length += count
        for dataset in self._datasets.values():  # what these rows say nothing of is missing there
            if len(dataset) < self._length and dataset.name.rpartition("/")[2] not in self._lengths:
                dataset.resize(self._length, 0)

    def _look(self) -> None:
        """Find the datasets again, once the file was opened anew."""
        if self._generation == self._growing.generation:
            return
        self._generation = self._growing.generation
        group = self._growing.file.get(self.path)
        self._datasets = {} if group is None else {n: d for n, d in group.items() if _grows(d)}
        for name in self._datasets:
            if name + END in self._datasets:
                self._lengths.setdefault(name, 0)

    def _write(self, name: str, column: NDArray[Any]) -> None:
        dataset = self._datasets[name]
        dataset.resize(self._length + len(column), 0)
        if dataset.chunks[0] == 1 and column.ndim > 1 and dataset.dtype == column.dtype:
            self._write_chunks(name, [_bytes_of(row) for row in column], is_long_enough=True)
        else:
            dataset[self._length :] = column

    def _write_chunks(self, name: str, chunks: Any, *, is_long_enough: bool = False) -> None:
        dataset = self._datasets[name]
        if not is_long_enough:
            dataset.resize(self._length + len(chunks), 0)
        behind = (0,) * (dataset.ndim - 1)
        for row, chunk in enumerate(chunks, self._length):
            dataset.id.write_direct_chunk((row, *behind), chunk)

    def _write_lines(self, name: str, flat: NDArray[Any], ends: NDArray[np.int64]) -> None:
        before = self._lengths.get(name, 0)
        dataset, end = self._datasets[name], self._datasets[name + END]
        dataset.resize(before + len(flat), 0)
        dataset[before:] = flat
        self._lengths[name] = before + len(flat)
        end.resize(self._length + len(ends), 0)
        end[self._length :] = ends + before

    def _describe(self, group: Any, rows: FlowRows) -> None:
        group.attrs.update({STREAM: rows.name, KIND: rows.kind, NUMBER: self.number})
        if TIME in group:
            group[TIME].attrs["units"] = TIME_UNITS
        if TEXT in group:
            group[TEXT].attrs["description"] = "UTF-8 text in JSON of each row, up to its json_end"
        for name, encoded in rows.encoded.items():
            group[name].attrs["encoding"] = encoded.name
        for name in (*rows.encoded, *rows.columns):
            dataset = group[name]
            if dataset.ndim > 1 and "interpretation" not in dataset.attrs:
                dataset.attrs["interpretation"] = "spectrum" if dataset.ndim == 2 else "image"


def _shapes(rows: FlowRows, number: str) -> dict[str, tuple[Any, tuple[int, ...], Any]]:
    """Return dtype, shape of a row and what stands where one is missing, of every dataset."""
    found: dict[str, tuple[Any, tuple[int, ...], Any]] = {number: (np.dtype(np.int64), (), None)}
    for name, column in rows.columns.items():
        fill = NO_KEY if name == KEY else np.nan if column.dtype.kind in "fc" else None
        found[name] = column.dtype, column.shape[1:], fill
    for name, (flat, _) in rows.tables.items():
        found[name] = flat.dtype, flat.shape[1:], None
        found[name + END] = np.dtype(np.int64), (), None
    for name, encoded in rows.encoded.items():
        found[name] = encoded.dtype, encoded.shape, None
    for name in rows.fields:
        found.setdefault(name, (np.dtype(np.float64), (), np.nan))
    if rows.texts is not None:
        found[TEXT] = np.dtype(np.uint8), (), None
        found[TEXT + END] = np.dtype(np.int64), (), None
    return found


def _make(
    group: Any, name: str, length: int, dtype: Any, shape: tuple[int, ...], fill: Any, encoded: Encoded | None
) -> None:
    import h5py

    rows = 1 if encoded is not None else _chunk_rows(dtype, shape)
    wanted = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    wanted.set_chunk((rows, *(max(1, length) for length in shape)))
    if fill is not None:
        wanted.set_fill_value(np.array(fill, dtype))
    if encoded is not None:
        number, told = encoded.filter
        if h5py.h5z.filter_avail(number):  # it says by itself what we say for it where it is not there
            told = told[3:] if encoded.name in BITSHUFFLE_THEN else ()
        wanted.set_filter(number, h5py.h5z.FLAG_OPTIONAL, told)
    space = h5py.h5s.create_simple((length, *shape), (h5py.h5s.UNLIMITED, *shape))
    h5py.h5d.create(group.id, name.encode(), h5py.h5t.py_create(dtype, logical=True), space, wanted)


def _nbytes(dtype: Any, shape: tuple[int, ...]) -> int:
    return max(1, int(dtype.itemsize) * math.prod(shape))


def _chunk_rows(dtype: Any, shape: tuple[int, ...]) -> int:
    nbytes = _nbytes(dtype, shape)
    return 1 if nbytes >= DIRECT_BYTES else max(1, min(CHUNK_ROWS, CHUNK_BYTES // nbytes))


def _grows(item: Any) -> bool:
    return bool(getattr(item, "maxshape", ())[:1] == (None,))


def _bytes_of(array: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
