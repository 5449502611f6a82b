"""A table of comma-separated values, one item a row."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.elements.item_field import field_names, field_of
from penstock.elements.plain_value import plain
from penstock.elements.sink import RunFacts
from penstock.elements.text_output import ExistingText
from penstock.elements.text_sink import TextSink
from penstock.errors import SinkError

__all__ = ["CsvSink"]

_BARE = "value"
"""The column of items that are a single value."""


class CsvSink(TextSink):
    r"""Write each item as a row of a table, under a header with the names of its fields.

    The header is made of the first item, and a later item that has other fields is an error, so that no value can
    stand in a wrong column. A number or a text alone has the column ``value``; a list, mapping or array is no value
    of a table. What is missing (``None``) is an empty value.

    ::

        sinks:
          table: {use: csv, from: fit, path: "{run}.csv", fields: [x, y, peak]}

    >>> import tempfile
    >>> from pathlib import Path
    >>> from penstock.elements import RunFacts
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sink = CsvSink()
    ...     sink.open(RunFacts(pipeline="p", run="r1", folder=folder))
    ...     sink.write({"sample": "iron, oxide", "I0": 0.5})
    ...     sink.close(True)
    ...     print(Path(sink.path).read_text(), end="")
    sample,I0
    "iron, oxide",0.5

    Parameters
    ----------
    path, existing, flush_s
        As of the sink ``lines``. What is appended must have the header that is there.
    fields
        Which fields to write, such as ``[x, contrast.I0]``; items may have others. By default those of the first item.
    delimiter
        What stands between two values.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """

    def __init__(
        self,
        path: str = "{run}.csv",
        fields: Sequence[str] = (),
        delimiter: str = ",",
        existing: ExistingText = "next",
        flush_s: float = 0.0,
    ) -> None:
        super().__init__(path, existing, flush_s)
        if isinstance(fields, str):
            raise ValueError(f"fields is a text; write a list, [{fields}]")
        if len(delimiter) != 1 or delimiter in '"\r\n':
            raise ValueError(f"delimiter is {delimiter!r}; write one character that is no quote and no line end")
        self._fields = list(fields)
        self._are_chosen = bool(fields)
        self._delimiter = delimiter
        self._has_header = False

    def open(self, run: RunFacts) -> None:
        """Open the file; see the base."""
        super().open(run)
        if self._are_chosen and self._output is not None:
            try:
                if header := self._header():
                    self._output.write(header)
            except SinkError:
                super().close(ended_well=False)
                raise
            self._has_header = True

    def write(self, item: Any) -> None:
        """Write an item; see the base."""
        super().write(item)
        self._has_header = True

    def _record(self, item: Any) -> bytes:
        row = self._row(self._values(item))
        return row if self._has_header else self._header() + row

    def _values(self, item: Any) -> list[Any]:
        if self._are_chosen:
            return [_cell(name, field_of(item, name)) for name in self._fields]
        names = _names(item)
        if not self._fields:
            self._fields = names
        elif names != self._fields and {*names} != {*self._fields}:
            raise ValueError(_difference(names, self._fields))
        values = item if isinstance(item, Mapping) else {name: _field(item, name) for name in names}
        return [_cell(name, values[name]) for name in self._fields]

    def _header(self) -> bytes:
        """Return the row of names, or nothing if it stands in the file already."""
        assert self._output is not None, "opened before anything is written"
        header = self._row(self._fields)
        if self._output.is_empty:
            return header
        there = self._output.first_line()
        if there != header.rstrip(b"\n"):
            raise SinkError(
                f"{self.path}: has the columns {there.decode(errors='backslashreplace')}, and what is to be appended "
                f"{','.join(self._fields)}; name another file, or say existing: next, or replace"
            )
        return b""

    def _row(self, values: Sequence[Any]) -> bytes:
        text = io.StringIO()
        csv.writer(text, delimiter=self._delimiter, lineterminator="\n").writerow(values)
        return text.getvalue().encode(errors="backslashreplace")


def _names(item: Any) -> list[str]:
    if isinstance(item, Mapping) and not all(isinstance(name, str) for name in item):
        raise ValueError(f"the names {list(item)} are no texts; give a mapping with texts as keys")
    return field_names(item) or [_BARE]


def _field(item: Any, name: str) -> Any:
    return item if name == _BARE and not field_names(item) else field_of(item, name)


def _cell(name: str, value: Any) -> Any:
    said = plain(value)
    if isinstance(said, list) and getattr(value, "size", 0) == 1:
        while isinstance(said, list):
            said = said[0]
    if isinstance(said, list | dict):
        kind = f"an array of shape {value.shape}" if hasattr(value, "shape") else f"a {type(value).__name__}"
        raise ValueError(f'field "{name}" is {kind}, not one value; choose others by fields, or write json-lines')
    return said


def _difference(names: list[str], wanted: list[str]) -> str:
    lacks = ", ".join(name for name in wanted if name not in names)
    more = ", ".join(name for name in names if name not in wanted)
    said = [f"lacks {lacks}" if lacks else "", f"has {more} besides" if more else ""]
    return f"an item {' and '.join(filter(None, said))}; the header is {', '.join(wanted)}; choose by fields: [names]"
