"""A Zarr store of messages, events, results or views: a folder of arrays, each chunk of which is a file."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.core.event import EventBatch
from penstock.core.message import Kind
from penstock.core.result_range import ResultRange
from penstock.core.timestamp import Timestamp
from penstock.elements.flow_rows import FlowRows, rows_of_flow, rows_of_items, said_in, said_text
from penstock.elements.output_file import Existing, expanded, numbered, reason_of
from penstock.elements.sink import RunFacts, Sink, Written
from penstock.errors import ResultTypeError, SinkError
from penstock.extra import extra
from penstock.views import array_of, attributes_of, walk

__all__ = ["ZarrSink"]

CHUNK_BYTES: Final = 1 << 20
CHUNK_ROWS: Final = 4096
KNOWN: Final = 1 << 20
"""How many of the last numbers are looked at for what is given again."""
ROWS: Final = "rows"
END: Final = "_end"
TEXT: Final = "json"


class ZarrSink(Sink):
    """Write messages, events, results or views to a Zarr store, format 3.

    Each stream or stage is a group, ``STREAM_2`` once its arrays change in dtype or shape; all its columns are equally
    long, and ``event`` or ``id`` numbers them. Its attribute ``rows`` says how many rows are whole; readers look at no
    more. Numbers among the metadata are columns, all else that is said is text in ``json``. Arrays that are compressed
    are kept so, as bytes one behind the other. Views are replaced with each write.

    What `write_flow` has returned for outlives a kill, and a process that follows writes on.

    Parameters
    ----------
    path
        May hold ``{run}``, ``{name}``, ``{sink}``; relative to the pipeline's file.
    existing
        What becomes of a store that is there already: ``next`` takes the next free name (``map-2.zarr``), ``refuse``
        does not start, ``replace`` writes it anew.
    """

    takes_flows = takes_numbers = tells_all = True

    def __init__(self, path: str = "{run}.zarr", *, existing: Existing = "next") -> None:
        self._template: str = path
        self._existing: Existing = existing
        self._groups: dict[tuple[str, str], Any] = {}  # zarr's groups
        self._known: dict[str, NDArray[np.int64]] = {}
        self._is_empty = True

    @staticmethod
    def recognises(arguments: Mapping[str, Any]) -> bool:  # noqa: ARG004
        """Whether what is given again is known: it is, by its numbers."""
        return True

    @property
    def path(self) -> str:
        """Where the store is, once opened; it is a folder."""
        return str(self._path)

    def open(self, run: RunFacts) -> None:
        """Begin the store, or open the one that the run has left that goes on."""
        with extra("zarr"):
            import zarr

        self._run = run
        self._path = Path(run.folder) / expanded(self._template, run)
        with self._writing():
            goes_on = self._claim(run)
            self._root: Any = zarr.open_group(self._path, mode="a", zarr_format=3)
            told = {"pipeline": run.pipeline, "run": run.run, "sink": run.sink, "penstock_version": run.version}
            began = {"started": run.started.isoformat()} if run.started != Timestamp(0) else {}
            about = {
                k: each for k, each in run.about.items() if k in ("text", "commit", "python", "packages", "engine")
            }
            self._root.attrs.update({**told, **began, **about, "outcome": "running"})
            if goes_on:
                self._take_over()

    def write(self, item: Any) -> None:
        """Write views as they are now."""
        if not isinstance(item, Mapping):
            raise SinkError(f"{self._path}: {type(item).__name__} is no tree of views")
        self._is_empty = False
        with self._writing():
            for path, leaf in walk(item):
                self._write_view(path, leaf)

    def write_numbered(self, numbers: NDArray[np.int64], items: Iterable[Any]) -> Written:
        """Write items; when this returns, they would outlive a kill."""
        return self._write(rows_of_items(self._run.input or self._run.sink, numbers, items))

    def write_flow(self, flow: Block | EventBatch | ResultRange) -> Written:
        """Write messages, events or results; when this returns, they would outlive a kill."""
        if isinstance(flow, ResultRange) or flow.kind is Kind.DATA:
            return self._write(rows_of_flow(flow), len(flow))
        with self._writing():
            for said in said_in(flow):
                group = self._root.require_group(said.name)
                words = group.attrs.get(said.kind.name.lower(), [])
                told = said_text({"id": said.message.id, **said.message.metadata}).decode()
                if told not in words:
                    group.attrs[said.kind.name.lower()] = [*words, told]
        return Written(done=len(flow))

    def close(self, ended_well: bool, outcome: str = "") -> None:
        """Write how the run ended; a store without anything in it is removed."""
        if self._is_empty:
            shutil.rmtree(self._path, ignore_errors=True)
            return
        with self._writing():
            told = {k: said_text(each).decode() for k, each in self.books.items()}
            self._root.attrs.update({"outcome": outcome or ("finished" if ended_well else "failed"), **told})

    def _write(self, found: Iterator[FlowRows], given: int | None = None) -> Written:
        total = duplicates = 0
        with self._writing():
            for rows in found:
                total += len(rows)
                known = self._known.get(rows.name)
                new = rows if known is None else rows.without(known)
                duplicates += len(rows) - len(new)
                if len(new):
                    self._append(self._group_of(new), new)
        count = total if given is None else given
        if count != total:  # an event has rows in several groups
            duplicates = count if duplicates == total else 0
        return Written(done=count - duplicates, duplicates=duplicates)

    def _append(self, group: Any, rows: FlowRows) -> None:
        """Add rows, and say last that they are whole."""
        self._is_empty = False
        before = int(group.attrs[ROWS])
        tables = dict(rows.tables)
        for name, encoded in rows.encoded.items():
            tables[name] = _lines(encoded.chunks)
        if rows.texts is not None:
            tables[TEXT] = _lines([np.frombuffer(text, np.uint8) for text in rows.texts])
        columns = {rows.number: rows.numbers, **rows.columns, **rows.fields}
        for name, (flat, ends) in tables.items():
            at = self._lines_before(group, name, before)
            _put(group, name, at, flat)
            columns[name + END] = ends + at
        for name, column in columns.items():
            _put(group, name, before, column)
        for name, encoded in rows.encoded.items():
            told = {"encoding": encoded.name, "dtype": encoded.dtype.str, "shape": list(encoded.shape)}
            group[name].attrs.update(told)
        after = before + len(rows)
        own = {name.removesuffix(END) for name in group.array_keys() if name.endswith(END)}
        for name, array in group.arrays():
            if array.shape[0] < after and name not in own:  # what these rows say nothing of
                array.resize((after, *array.shape[1:]))
                if name.endswith(END):
                    array[before:] = self._lines_before(group, name.removesuffix(END), before)
        group.attrs[ROWS] = after

    @staticmethod
    def _lines_before(group: Any, name: str, before: int) -> int:
        ends = name + END
        return int(group[ends][before - 1]) if before and ends in group else 0

    def _group_of(self, rows: FlowRows) -> Any:
        found = self._groups.get((rows.name, rows.kind))
        if found is None:
            count = sum(1 for name, _ in self._groups if name == rows.name)
            found = self._root.require_group(f"{rows.name}_{count + 1}" if count else rows.name)
            found.attrs.update({"stream": rows.name, "kind": rows.kind, "numbered_by": rows.number, ROWS: 0})
            self._groups[rows.name, rows.kind] = found
        return found

    def _take_over(self) -> None:
        for _, group in self._root.groups():
            if ROWS not in group.attrs:
                continue
            self._is_empty = False
            name = str(group.attrs["stream"])
            self._groups[name, str(group.attrs["kind"])] = group
            count = int(group.attrs[ROWS])
            numbers = group[group.attrs["numbered_by"]] if count else np.empty(0, np.int64)
            there = np.asarray(numbers[max(0, count - KNOWN) : count], np.int64)
            self._known[name] = np.concatenate([self._known.get(name, np.empty(0, np.int64)), there])

    def _write_view(self, path: str, leaf: Any) -> None:
        array = array_of(leaf, path)
        if array.dtype.kind not in "biufc":
            if array.dtype.kind != "U":
                raise ResultTypeError(f"view {path}: Zarr has nothing for {array.dtype}; publish numbers or text")
            self._root.attrs[path] = array.tolist()
            return
        view = self._root.create_array(path, data=np.array(array), overwrite=True)
        view.attrs.update({k: list(v) if isinstance(v, tuple) else v for k, v in attributes_of(leaf).items()})

    def _claim(self, run: RunFacts) -> bool:
        """Take a free name; return whether the run has begun the store that is there."""
        import zarr

        wanted = self._path
        for path in numbered(wanted):
            self._path = path
            if not path.exists():
                path.mkdir(parents=True)
                return False
            if run.goes_on and (path / "zarr.json").exists():
                attrs = zarr.open_group(path, mode="r").attrs
                if (attrs.get("run"), attrs.get("sink")) == (run.run, run.sink):
                    return True
            if self._existing == "refuse":
                raise SinkError(f"{path} exists; move it, put {{run}} in its name, or say existing: next, or replace")
            if self._existing == "replace":
                shutil.rmtree(path)
                path.mkdir()
                return False
        raise SinkError(f"{wanted}: too many stores of this name")  # pragma: no cover

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SinkError(f"{self._path}: not written: {reason_of(error)}") from error


def _put(group: Any, name: str, at: int, column: NDArray[Any]) -> None:
    """Write a column from a row on; what was there behind it, of a process that died, goes."""
    if name not in group:
        nbytes = max(1, column.dtype.itemsize * int(np.prod(column.shape[1:])))
        chunk = max(1, min(CHUNK_ROWS, CHUNK_BYTES // nbytes))
        missing = np.nan if column.dtype.kind in "fc" else 0
        group.create_array(
            name, shape=(at, *column.shape[1:]), dtype=column.dtype,
            chunks=(chunk, *map(_at_least_1, column.shape[1:])), fill_value=missing,
        )  # fmt: skip
    array = group[name]
    array.resize((at + len(column), *column.shape[1:]))
    if len(column):
        array[at:] = column


def _at_least_1(length: int) -> int:
    return max(1, length)


def _lines(pieces: Iterable[NDArray[np.uint8]]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    found = list(pieces)
    return np.concatenate(found), np.cumsum([len(piece) for piece in found], dtype=np.int64)
