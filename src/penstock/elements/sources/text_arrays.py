"""Columns of numbers in a text, as arrays of so many rows each."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.elements.text_source import AwaitedText, TextFile, text_source
from penstock.elements.unparsable_lines import UnparsableLines

__all__ = ["text_arrays"]


def text_arrays(
    path: str,
    columns: Mapping[str, int],
    n: int = 1000,
    delimiter: str = "",
    follow: bool = False,
    only_new: bool = False,
    every_s: float = 0.0,
) -> TextFile | AwaitedText:
    r"""Give columns of a text of numbers as arrays, ``n`` rows at a time, and what is left at the end of the file.

    Each item is a mapping of arrays (rows,), float64. A row that lacks a column, or has something else than a number in
    it, is unparsable: counted, logged with file and line, and left out. Empty lines are no rows, nor is what follows
    a ``#``.

    ::

        sources:
          trace: {use: text-arrays, path: trace.txt, columns: {t: 0, volts: 2}, n: 500}

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
    ...     _ = file.write("# t x volts\n0 7 1.5\n1 7 2.5\n2 7 3.5\n")
    ...     file.flush()
    ...     for blocks in text_arrays(file.name, columns={"t": 0, "volts": 2}, n=2):
    ...         print(*blocks)
    {'t': array([0., 1.]), 'volts': array([1.5, 2.5])}
    {'t': array([2.]), 'volts': array([3.5])}

    Parameters
    ----------
    path, follow, only_new
        As of the source ``lines``.
    columns
        Name and place of each column, counted from 0.
    n
        How many rows an array has. While a file is followed, what has come since the last ``n`` waits for more.
    delimiter
        What stands between two values; by default any spaces or tabs.
    every_s
        At which interval to give an item, in s; by default as fast as they are read.

    Raises
    ------
    ValueError
        If an argument is wrong, or contradicts another.
    """
    if not columns:
        raise ValueError("there is no column; write columns: {t: 0, volts: 2}")
    for name, index in columns.items():
        if index < 0:
            raise ValueError(f"column {name} is {index}; write its place, counted from 0")
    if n < 1:
        raise ValueError(f"n is {n}; write how many rows an array has, at least 1")
    if delimiter and (len(delimiter) != 1 or delimiter in "#\r\n"):
        raise ValueError(f"delimiter is {delimiter!r}; write one character, or leave it out for spaces and tabs")
    unparsable = UnparsableLines(path)
    parser = _Columns(unparsable, dict(columns), n, delimiter or None)
    return text_source(path, parser, unparsable, follow=follow, only_new=only_new, every_s=every_s)


class _Columns:
    """Parses many lines at once, and one by one where one is wrong."""

    def __init__(self, unparsable: UnparsableLines, columns: dict[str, int], n: int, delimiter: str | None) -> None:
        self._unparsable = unparsable
        self._names = list(columns)
        self._places = list(columns.values())
        self._n = n
        self._delimiter = delimiter
        self._rows: list[NDArray[np.float64]] = []
        self._there = 0

    def parsed(self, first: int, lines: list[str]) -> list[Any]:
        rows = (line.partition("#")[0] for line in lines)
        numbered = [(number, text) for number, text in enumerate(rows, first) if text.strip()]
        if not numbered:
            return []
        try:
            found = [self._loaded([text for _, text in numbered])]
        except ValueError:
            found = [row for number, text in numbered if (row := self._singly(number, text)) is not None]
        self._rows += found
        self._there += sum(map(len, found))
        return self._blocks() if self._there >= self._n else []

    def begin(self) -> list[Any]:
        return []

    def rest(self) -> list[Any]:
        rows, self._rows, self._there = self._rows, [], 0
        return [self._item(np.concatenate(rows))] if rows else []

    def _loaded(self, texts: list[str]) -> NDArray[np.float64]:
        return np.loadtxt(texts, dtype=np.float64, delimiter=self._delimiter, usecols=self._places, ndmin=2)

    def _singly(self, number: int, text: str) -> NDArray[np.float64] | None:
        try:
            return self._loaded([text])
        except ValueError:
            self._unparsable.lose(number, self._reason(text))
            return None

    def _reason(self, text: str) -> str:
        values = text.split(self._delimiter)
        for name, place in zip(self._names, self._places, strict=True):
            if place >= len(values):
                return f"{len(values)} values, so there is no column {place} ({name})"
            try:
                float(values[place])
            except ValueError:
                return f"column {place} ({name}) is {values[place]!r}, no number"
        return "no row of numbers"

    def _blocks(self) -> list[Any]:
        rows = np.concatenate(self._rows)
        cut = len(rows) - len(rows) % self._n
        self._rows, self._there = [rows[cut:].copy()] if cut < len(rows) else [], len(rows) - cut
        return [self._item(rows[at : at + self._n]) for at in range(0, cut, self._n)]

    def _item(self, rows: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        # Copies, so that a column that is kept does not keep all the others.
        return {name: rows[:, at].copy() for at, name in enumerate(self._names)}
