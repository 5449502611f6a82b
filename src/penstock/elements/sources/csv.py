"""Rows of a table in a text, each a mapping by the names in its header."""

import csv as rows_of
from collections.abc import Callable, Sequence
from typing import Any, Final

from penstock.elements.text_source import AwaitedText, TextFile, text_source
from penstock.elements.unparsable_lines import UnparsableLines
from penstock.errors import SourceError

__all__ = ["csv"]

_LONGEST_ROW: Final = 1000
"""So many lines a row may have: a quote that nobody closes must not swallow the rest of the file."""

_LONGEST_NUMBER: Final = 4000
"""Python makes no longer integers of a text."""
_BEGIN_NUMBERS: Final = frozenset(["", *"0123456789+-. nNiI"])
"""What a float can begin with, be it ``nan`` or ``inf``."""


def csv(
    path: str,
    header: Sequence[str] = (),
    delimiter: str = ",",
    as_text: Sequence[str] = (),
    follow: bool = False,
    only_new: bool = False,
    every_s: float = 0.0,
    encoding: str = "utf-8",
) -> TextFile | AwaitedText:
    r"""Give each row of a table of comma-separated values as a mapping, its numbers parsed.

    ``5`` becomes an int, ``5.0`` and ``nan`` a float, nothing ``None``, and all else stays text. Values in quotes may
    hold delimiters and line ends; quoted numbers are numbers. A row with too few or too many values, or with a wrong
    quote, is unparsable: counted, logged with file and line, and left out. Empty lines are no rows.

    ::

        sources:
          scan: {use: csv, path: scan.csv, as_text: [sample]}

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
    ...     _ = file.write("sample,x,I0\n007,1,0.5\n")
    ...     file.flush()
    ...     list(csv(file.name, as_text=["sample"]))
    [[{'sample': '007', 'x': 1, 'I0': 0.5}]]

    Parameters
    ----------
    path, follow, every_s, encoding
        As of the source ``lines``.
    header
        Names of the columns, for a file whose first row has data already.
    delimiter
        What stands between two values.
    as_text
        Names of columns in which digits are no numbers, such as ``007``.
    only_new
        As of the source ``lines``; needs a ``header``, since that of the file is passed over.

    Raises
    ------
    ValueError
        If an argument is wrong, or contradicts another.
    """
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise ValueError(f"delimiter is {delimiter!r}; write one character that is no quote and no line end")
    for name, names in (("header", header), ("as_text", as_text)):
        if isinstance(names, str):
            raise ValueError(f"{name} is a text; write a list, [{names}]")
    if only_new and not header:
        raise ValueError("with only_new the header of the file is not read; add header: [names of the columns]")
    if doubled := _doubled(header):
        raise ValueError(f'header has "{doubled}" twice; give each column a name of its own')
    if header and (unknown := [name for name in as_text if name not in header]):
        raise ValueError(f'as_text has "{unknown[0]}", which is no column; there are {", ".join(header)}')
    unparsable = UnparsableLines(path)
    parser = _Rows(unparsable, list(header), delimiter, frozenset(as_text))
    return text_source(path, parser, unparsable, follow=follow, only_new=only_new, every_s=every_s, encoding=encoding)


class _Rows:
    """Parses rows, which may go over several lines."""

    def __init__(self, unparsable: UnparsableLines, header: list[str], delimiter: str, as_text: frozenset[str]) -> None:
        self._unparsable = unparsable
        self._given = header
        self._delimiter = delimiter
        self._as_text = as_text
        self._open: list[str] = []
        self._open_first = 1
        self._use(header)

    def parsed(self, first: int, lines: list[str]) -> list[Any]:
        if self._open and first != self._open_first + len(self._open):
            self._lose_open()  # a line of the row was not decodable
        if self._open:
            first, lines = self._open_first, self._open + lines
            self._open = []
        items: list[Any] = []
        at = 0
        while at < len(lines):
            at = self._take(first, lines, at, items)
        return items

    def begin(self) -> list[Any]:
        self.rest()
        self._use(self._given)
        return []

    def rest(self) -> list[Any]:
        if self._open:
            self._lose_open()
        return []

    def _lose_open(self) -> None:
        # None of its lines is taken for a row: they may be text that was meant to stand in quotes.
        self._unparsable.lose(self._open_first, f"a quote is opened and not closed within {len(self._open)} lines")
        self._open = []

    def _take(self, first: int, lines: list[str], begin: int, items: list[Any]) -> int:
        """Read rows from line ``begin`` on until one is wrong or not whole; return where to go on."""
        reader = rows_of.reader((f"{line}\n" for line in lines[begin:]), delimiter=self._delimiter, strict=True)
        at = begin
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return len(lines)
            except rows_of.Error as error:
                if "unexpected end" not in str(error):
                    self._unparsable.lose(first + at, f"no row: {error}")
                    return begin + reader.line_num
                self._open, self._open_first = lines[at : at + _LONGEST_ROW], first + at
                if len(self._open) == _LONGEST_ROW:
                    self._lose_open()
                    return at + _LONGEST_ROW
                return len(lines)
            if row:
                self._add(first + at, row, items)
            at = begin + reader.line_num

    def _add(self, number: int, row: list[str], items: list[Any]) -> None:
        if not self._names:
            self._use(self._checked(number, row))
        elif len(row) != len(self._names):
            self._unparsable.lose(number, f"{len(row)} values, not {len(self._names)} as in the header")
        else:
            items.append({name: value(text) for name, value, text in zip(self._names, self._values, row, strict=True)})

    def _checked(self, number: int, row: list[str]) -> list[str]:
        names = [name.strip() for name in row]
        where = f"{self._unparsable.file}, line {number}"
        if "" in names:
            raise SourceError(f"{where}: column {names.index('') + 1} has no name in the header; add header: [names]")
        if doubled := _doubled(names):
            raise SourceError(f'{where}: "{doubled}" stands twice in the header; add header: [other names]')
        if unknown := sorted(self._as_text - {*names}):
            raise SourceError(f'{where}: as_text has "{unknown[0]}", which is no column; there are {", ".join(names)}')
        return names

    def _use(self, names: list[str]) -> None:
        self._names = names
        self._values: list[Callable[[str], Any]] = [str if name in self._as_text else _value for name in names]


def _value(text: str) -> Any:
    """Return the number that a text is, ``None`` for nothing, else the text."""
    if text.isdecimal() or (text[1:].isdecimal() and text[0] in "+-"):
        return int(text) if len(text) < _LONGEST_NUMBER else text
    if text[:1] not in _BEGIN_NUMBERS:  # the usual text; an exception would cost more than all else here
        return text
    try:
        number = float(text)
    except ValueError:
        return text or None
    return text if "_" in text else number  # 1_000 is a number in Python only


def _doubled(names: Sequence[str]) -> str:
    return next((name for at, name in enumerate(names) if name in names[:at]), "")
