"""A NeXus file of raw streams, events, results and views that others read while it grows."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.core.event import EventBatch
from penstock.core.message import Kind
from penstock.core.result_range import ResultRange
from penstock.core.timestamp import Timestamp
from penstock.elements.flow_rows import FlowRows, Said, rows_of_flow, rows_of_items, said_in
from penstock.elements.hdf5_file import GrowingFile
from penstock.elements.growing_rows import NUMBER, STREAM, RowsGroup
from penstock.elements.nexus_layout import ENTRY, begin_entry, describe_plot, end_entry, set_fields, write_said
from penstock.elements.nexus_views import ViewsFile, take_views_in
from penstock.elements.output_file import Existing
from penstock.elements.sink import RunFacts, Sink, Written
from penstock.errors import SinkError

__all__ = ["NexusSink"]

KNOWN: Final = 1 << 20
"""How many of the last numbers in a file are looked at for what is given again."""


class NexusSink(Sink):
    """Write messages, events, results or views to a NeXus file.

    Of messages and events, each stream is a group: of an instrument that gives arrays ``entry/instrument/STREAM``, an
    ``NXdetector``, with ``entry/STREAM``, an ``NXdata``, for whoever plots; of any other ``entry/STREAM``. Results are
    ``entry/STAGE``. All columns of a group are equally long; ``event``, or ``id`` where there are no events, numbers
    the rows. Numbers among the metadata are columns, all the rest is text in ``json``. Where the arrays of a stream
    change in dtype or shape, a group ``STREAM_2`` follows.

    The file has its name from the start and can be read by HDF5's SWMR while it grows. What is written is seen by
    readers, and outlives a kill, once `write_flow` returns; a process that follows another that was killed writes on.
    Views go into the file when they are due, complete or not at all; a sink of views with the path of a sink of
    anything else puts them into its file at the end of the run.

    Parameters
    ----------
    path
        May hold ``{run}``, ``{name}``, ``{sink}``; relative to the pipeline's file.
    title
        Of the entry; by default the pipeline's name.
    fields
        By path in the entry, such as ``sample/name``, a value, or a mapping of ``value``, ``units`` and any other
        attributes; without ``value``, attributes of what is there.
    existing
        A file that is there already is never overwritten silently: ``next`` takes the next free name (``map-2.nxs``),
        ``refuse`` does not start, ``replace`` replaces it.
    """

    takes_flows = takes_numbers = tells_all = True

    def __init__(
        self,
        path: str = "{run}.nxs",
        *,
        title: str = "",
        fields: Mapping[str, Any] | None = None,
        existing: Existing = "next",
    ) -> None:
        self._template, self._title, self._existing = path, title, existing
        self._fields = dict(fields or {})
        self._views: ViewsFile | None = None
        self._growing: GrowingFile | None = None
        self._groups: dict[tuple[str, str], RowsGroup] = {}
        """By stream and kind of rows."""
        self._known: dict[str, NDArray[np.int64]] = {}
        """By stream, of a file that is written on: the numbers that are there."""
        self._is_broken = self._has_rows = False

    @staticmethod
    def recognises(arguments: Mapping[str, Any]) -> bool:  # noqa: ARG004
        """Whether what is given again is known: it is, by its numbers."""
        return True

    @property
    def path(self) -> str:
        """Where the file is, once opened."""
        return str(self._views.path if self._views is not None else self._writer.path)

    def open(self, run: RunFacts) -> None:
        """Begin the file, or open the one that the run has left that goes on."""
        self._run = run
        if run.is_views:
            self._views = ViewsFile(self._template, run, self._existing, self._title, self._fields)
            return
        self._growing = GrowingFile(self._template, run, self._existing)
        with self._writer.at_rest() as file:
            entry = begin_entry(file, run, self._title)
            set_fields(entry, self._fields)
        if self._writer.goes_on:
            self._take_over()

    def write(self, item: Any) -> None:
        """Write views as they are now, or one item under the number that follows."""
        if self._views is None:
            raise SinkError(f"{self._writer.path}: an item came without a number; this is a mistake in penstock")
        if not isinstance(item, Mapping):
            raise SinkError(f"{self._views.path}: {type(item).__name__} is no tree of views")
        self._views.write(item)

    def write_numbered(self, numbers: NDArray[np.int64], items: Iterable[Any]) -> Written:
        """Write items; when this returns, they would outlive a kill."""
        return self._write(rows_of_items(self._run.input or self._run.sink, numbers, items))

    def write_flow(self, flow: Block | EventBatch | ResultRange) -> Written:
        """Write messages, events or results; when this returns, they would outlive a kill."""
        if not isinstance(flow, ResultRange) and flow.kind is not Kind.DATA:
            self._write_said(list(said_in(flow)))
            return Written(done=len(flow))
        return self._write(rows_of_flow(flow), len(flow))

    def close(self, ended_well: bool, outcome: str = "") -> None:
        """Write how the run ended and take in views that wait for it; without anything in it the file is removed."""
        how = outcome or ("finished" if ended_well else "failed")
        ended = Timestamp(time.time_ns())
        if self._views is not None:
            self._views.close(how, self.trouble, ended, self.books)
            return
        if not self._has_rows and not self._is_broken:
            self._writer.discard()
            return
        if self._is_broken:
            return  # what there is can be read, and is not put at risk
        try:
            with self._writer.at_rest() as file:
                set_fields(file[ENTRY], self._fields)
                end_entry(file, how, self.trouble, ended, self.books)
            with self._writer.writing():
                take_views_in(self._writer.path, self._run)
        except SinkError:
            self._writer.abandon()
            raise

    @property
    def _writer(self) -> GrowingFile:
        assert self._growing is not None, "it is open"
        return self._growing

    def _write(self, found: Iterator[FlowRows], given: int | None = None) -> Written:
        total = duplicates = 0
        try:
            pairs: list[tuple[RowsGroup, FlowRows]] = []
            for rows in found:
                total += len(rows)
                known = self._known.get(rows.name)
                new = rows if known is None else rows.without(known)
                duplicates += len(rows) - len(new)
                if len(new):
                    pairs.append((self._group_of(new), new))
            self._make(pairs)
            with self._writer.writing():
                for group, rows in pairs:
                    group.append(rows)
            if pairs:
                self._writer.flush()
        except SinkError:
            self._is_broken = True
            self._writer.abandon()
            raise
        count = total if given is None else given
        if count != total:  # an event has rows in several groups
            duplicates = count if duplicates == total else 0
        return Written(done=count - duplicates, duplicates=duplicates)

    def _make(self, pairs: Sequence[tuple[RowsGroup, FlowRows]]) -> None:
        """Make groups and datasets that are not there yet."""
        if self._writer.is_growing and not any(group.lacks(rows) for group, rows in pairs):
            return
        with self._writer.change() as file:
            for group, rows in pairs:
                group.make(file, rows)
                name = group.path.rpartition("/")[2]
                if rows.is_detector:
                    file[group.path].attrs["NX_class"] = "NXdetector"
                describe_plot(file, group.path, name, group.number)
            set_fields(file[ENTRY], self._fields)
            self._has_rows = True

    def _write_said(self, said: Sequence[Said]) -> None:
        if not said:
            return
        try:
            with self._writer.change() as file:
                instrument = file[ENTRY].require_group("instrument")
                instrument.attrs["NX_class"] = "NXinstrument"
                for each in said:
                    group = instrument.require_group(each.name)
                    group.attrs.setdefault("NX_class", "NXdetector")
                    write_said(group, [each])
            self._has_rows = True
        except SinkError:
            self._is_broken = True
            self._writer.abandon()
            raise

    def _group_of(self, rows: FlowRows) -> RowsGroup:
        found = self._groups.get((rows.name, rows.kind))
        if found is None:
            place = f"{ENTRY}/instrument" if rows.is_detector else ENTRY
            name = rows.name.replace("/", "_")
            before = sum(1 for stream, _ in self._groups if stream == rows.name)
            taken = {"instrument", "penstock", "title", "start_time", "end_time", "program_name", "entry_identifier"}
            name = f"{name}_{before + 1}" if before else f"{name}_" if name in taken else name
            found = self._groups[rows.name, rows.kind] = RowsGroup(self._writer, f"{place}/{name}", rows.number)
        return found

    def _take_over(self) -> None:
        """Find what is there of a run that goes on."""
        with self._writer.change() as file:
            for group in _groups_in(file[ENTRY]):
                rows = RowsGroup(self._writer, group.name.lstrip("/"), str(group.attrs[NUMBER]))
                rows.take_over(file)
                self._groups[str(group.attrs[STREAM]), str(rows.kind)] = rows
                self._has_rows = True
        for (name, _), rows in self._groups.items():
            known = self._known.get(name, np.empty(0, np.int64))
            self._known[name] = np.concatenate([known, rows.numbers(KNOWN)])


def _groups_in(entry: Any) -> Iterator[Any]:
    for parent in (entry, entry.get("instrument", {})):
        for group in list(parent.values()):
            if hasattr(group, "attrs") and STREAM in group.attrs:
                yield group
