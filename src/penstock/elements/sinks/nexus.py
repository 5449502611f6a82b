"""A NeXus file of raw streams, events, results and views that others read while it grows."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.core.event import EventBatch
from penstock.core.message import Kind
from penstock.core.result_range import ResultRange
from penstock.core.timestamp import Timestamp
from penstock.elements.flow_rows import FlowRows, Said, rows_of_flow, rows_of_items, said_in
from penstock.elements.growing_rows import NUMBER, STREAM, RowsGroup
from penstock.elements.hdf5_file import GrowingFile
from penstock.elements.nexus_layout import ENTRY, begin_entry, describe_plot, end_entry, set_fields, write_said
from penstock.elements.nexus_parts import Whole, part_path, write_whole
from penstock.elements.nexus_views import ViewsFile, take_views_in
from penstock.elements.output_file import Existing
from penstock.elements.sink import RunFacts, Sink, Written
from penstock.errors import SinkError

__all__ = ["NexusSink"]

TAKEN: Final = {
    "instrument",
    "parts",
    "penstock",
    "title",
    "start_time",
    "end_time",
    "program_name",
    "entry_identifier",
}
"""What entries have beside streams."""
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
    part_rows
        Begin another file, ``map_000002.nxs`` and so on, when a group has so many rows; ``map.nxs`` then has virtual
        data sets over all that are finished, and links to them. 0: one file.
    existing
        What becomes of a file that is there already: ``next`` takes the next free name (``map-2.nxs``), ``refuse``
        does not start, ``replace`` writes it anew.
    """

    takes_flows = takes_numbers = tells_all = True

    def __init__(
        self,
        path: str = "{run}.nxs",
        *,
        title: str = "",
        fields: Mapping[str, Any] | None = None,
        part_rows: int = 0,
        existing: Existing = "next",
    ) -> None:
        self._part_rows = part_rows
        self._whole: GrowingFile | None = None
        """The file over all parts, if there are any."""
        self._parts: list[Path] = []
        self._names: dict[tuple[str, str], str] = {}
        """Of groups, in all parts."""
        self._template, self._title, self._existing = path, title, existing
        self._fields = dict(fields or {})
        self._views: ViewsFile | None = None
        self._growing: GrowingFile | None = None
        self._groups: dict[tuple[str, str], RowsGroup] = {}
        """By stream and kind of rows."""
        self._known: dict[str, NDArray[np.int64]] = {}
        """By stream, of a file that is written on: the numbers that are there."""
        self._is_broken = self._has_rows = self._is_begun = False

    @staticmethod
    def recognises(arguments: Mapping[str, Any]) -> bool:  # noqa: ARG004
        """Whether what is given again is known: it is, by its numbers."""
        return True

    @property
    def path(self) -> str:
        """Where the file is, once opened."""
        if self._views is not None:
            return str(self._views.path)
        return str(self._writer.path if self._whole is None else self._whole.path)

    def open(self, run: RunFacts) -> None:
        """Begin the file, or open the one that the run has left that goes on."""
        self._run = run
        if run.is_views:
            self._views = ViewsFile(self._template, run, self._existing, self._title, self._fields)
            return
        self._growing = GrowingFile(self._template, run, self._existing)
        if self._part_rows:
            self._whole = self._growing
            self._find_parts(self._whole.path)
            return
        self._begin()

    def _begin(self) -> None:
        with self._writer.at_rest() as file:
            entry = begin_entry(file, self._run, self._title)
            set_fields(entry, self._fields)
        if self._writer.goes_on:
            self._take_over()

    def _find_parts(self, whole: Path) -> None:
        """Begin the first part, or open those of a run that goes on, of which the last is written on."""
        number = 1
        while self._run.goes_on and part_path(whole, number + 1).exists():
            number += 1
        for each in range(1, number + 1):
            self._begin_part(whole, each)
            if each < number:
                self._end_part()

    def _begin_part(self, whole: Path, number: int) -> None:
        self._groups.clear()
        self._is_begun = False
        self._growing = GrowingFile(str(part_path(whole, number)), self._run, "replace")
        self._parts.append(self._growing.path)
        self._begin()

    def _end_part(self) -> None:
        with self._writer.at_rest() as file:
            set_fields(file[ENTRY], self._fields)
            end_entry(file, "finished", "", Timestamp(time.time_ns()), {})

    def _roll(self, whole: GrowingFile) -> None:
        """Finish a part that is long enough, show it in the file over all parts, and begin the next."""
        self._end_part()
        with whole.writing():
            write_whole(whole.path, self._parts, Whole(run=self._run, title=self._title, fields=self._fields))
        self._begin_part(whole.path, len(self._parts) + 1)

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
            if self._whole is not None:
                self._whole.discard()
            return
        if self._is_broken:
            return  # what there is can be read, and is not put at risk
        try:
            if self._whole is not None and not self._is_begun:
                self._writer.discard()
                self._parts.pop()
            else:
                with self._writer.at_rest() as file:
                    set_fields(file[ENTRY], self._fields)
                    end_entry(file, how, self.trouble, ended, self.books)
            with self._writer.writing():
                self._end_whole(how, ended)
                take_views_in(Path(self.path), self._run)
        except SinkError:
            self._writer.abandon()
            raise

    def _end_whole(self, how: str, ended: Timestamp) -> None:
        if self._whole is None:
            return
        told = Whole(
            run=self._run, title=self._title, fields=self._fields, outcome=how, trouble=self.trouble, ended=ended,
            books=self.books,
        )  # fmt: skip
        write_whole(self._whole.path, self._parts, told)

    @property
    def _writer(self) -> GrowingFile:
        assert self._growing is not None, "it is open"
        return self._growing

    def _write(self, found: Iterator[FlowRows], given: int | None = None) -> Written:
        total = duplicates = 0
        pairs: list[tuple[RowsGroup, FlowRows]] = []
        for rows in found:
            total += len(rows)
            known = self._known.get(rows.name)
            new = rows if known is None else rows.without(known)
            duplicates += len(rows) - len(new)
            if len(new):
                pairs.append((self._group_of(new), new))
        self._writer.want_room(sum(group.room_for(rows) for group, rows in pairs))
        try:
            self._make(pairs)
            with self._writer.writing():
                for group, rows in pairs:
                    group.append(rows)
            if pairs:
                self._writer.flush()
            if self._whole is not None and any(len(group) >= self._part_rows for group in self._groups.values()):
                self._roll(self._whole)
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
            self._has_rows = self._is_begun = True

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
            self._has_rows = self._is_begun = True
        except SinkError:
            self._is_broken = True
            self._writer.abandon()
            raise

    def _group_of(self, rows: FlowRows) -> RowsGroup:
        found = self._groups.get((rows.name, rows.kind))
        if found is None:
            place = f"{ENTRY}/instrument" if rows.is_detector else ENTRY
            name = rows.name.replace("/", "_")
            if (rows.name, rows.kind) in self._names:
                name = self._names[rows.name, rows.kind]
            else:
                before = sum(1 for stream, _ in self._names if stream == rows.name)
                name = f"{name}_{before + 1}" if before else f"{name}_" if name in TAKEN else name
            self._names[rows.name, rows.kind] = name
            found = self._groups[rows.name, rows.kind] = RowsGroup(self._writer, f"{place}/{name}", rows.number)
        return found

    def _take_over(self) -> None:
        """Find what is there of a run that goes on."""
        with self._writer.change() as file:
            for group in _groups_in(file[ENTRY]):
                rows = RowsGroup(self._writer, group.name.lstrip("/"), str(group.attrs[NUMBER]))
                rows.take_over(file)
                self._groups[str(group.attrs[STREAM]), str(rows.kind)] = rows
                self._names[str(group.attrs[STREAM]), str(rows.kind)] = rows.path.rpartition("/")[2]
                self._has_rows = self._is_begun = True
        for (name, _), rows in self._groups.items():
            known = self._known.get(name, np.empty(0, np.int64))
            self._known[name] = np.concatenate([known, rows.numbers(KNOWN)])


def _groups_in(entry: Any) -> Iterator[Any]:
    for parent in (entry, entry.get("instrument", {})):
        for group in list(parent.values()):
            if hasattr(group, "attrs") and STREAM in group.attrs:
                yield group
