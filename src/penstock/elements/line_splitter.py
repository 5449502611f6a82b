"""Bytes as they come, into lines of text. It reads nothing itself."""

import codecs
from collections.abc import Iterator
from typing import Final

from penstock.elements.unparsable_lines import UnparsableLines

__all__ = ["LONGEST_MB", "LineSplitter", "check_encoding"]

LONGEST_MB: Final = 64
"""A longer line is unparsable, so that a file without line ends cannot fill the memory."""

NumberedLines = tuple[int, list[str]]
"""The number of the first of consecutive lines, from 1, and the lines without their ends."""


class LineSplitter:
    r"""Cut bytes at ``\n`` or ``\r\n`` and decode them.

    A line with bytes that its encoding does not have is unparsable: it is counted with its number and left out. A byte
    order mark at the beginning is left out, too.

    >>> unparsable = UnparsableLines("a.txt")
    >>> splitter = LineSplitter(unparsable)
    >>> list(splitter.feed(b"one\ntw")), list(splitter.feed(b"o\n\xff\nfo")), list(splitter.finish())
    ([(1, ['one'])], [(2, ['two'])], [(4, ['fo'])])
    >>> unparsable.texts[0]
    "a.txt, line 3: not utf-8: b'\\xff'"

    Parameters
    ----------
    unparsable
        Is told what is left out.
    encoding
        Of the text; one that `check_encoding` accepts.
    """

    def __init__(self, unparsable: UnparsableLines, encoding: str = "utf-8") -> None:
        self._unparsable = unparsable
        self._encoding = encoding
        self.begin()

    def begin(self) -> None:
        """Begin another file: count from line 1, and forget what was not a whole line."""
        self._rest: list[bytes] = []
        self._rest_size = 0
        self._next = 1
        self._is_long = False

    def feed(self, chunk: bytes) -> Iterator[NumberedLines]:
        """Yield the lines that are whole now; consecutive ones together."""
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            self._keep(chunk)
            return
        whole = b"".join([*self._rest, chunk[: cut - 1]])
        self._rest, self._rest_size = [], 0
        if self._is_long:
            self._is_long = False
            first, _, whole = whole.partition(b"\n")
            self._lose_long()
            if len(first) == cut - 1:  # the long one was the only line
                self._keep(chunk[cut:])
                return
        yield from self._decoded(whole)
        self._keep(chunk[cut:])

    def finish(self) -> Iterator[NumberedLines]:
        """Yield what stands behind the last line end, if there is anything."""
        rest = b"".join(self._rest)
        self._rest, self._rest_size = [], 0
        if self._is_long:
            self._is_long = False
            self._lose_long()
        elif rest:
            yield from self._decoded(rest)

    def _keep(self, chunk: bytes) -> None:
        self._rest_size += len(chunk)
        self._is_long |= self._rest_size > LONGEST_MB * 1_000_000
        if self._is_long:
            self._rest = []
        elif chunk:
            self._rest.append(chunk)

    def _decoded(self, whole: bytes) -> Iterator[NumberedLines]:
        first = self._next
        if first == 1:
            whole = whole.removeprefix(codecs.BOM_UTF8)
        try:
            text = whole.decode(self._encoding)
        except UnicodeDecodeError:
            yield from self._decoded_singly(whole.split(b"\n"))
            return
        lines = _lines(text)
        self._next += len(lines)
        yield first, lines

    def _decoded_singly(self, lines: list[bytes]) -> Iterator[NumberedLines]:
        good: list[str] = []
        for line in lines:
            try:
                good += _lines(line.decode(self._encoding))
            except UnicodeDecodeError as error:
                if good:
                    yield self._next - len(good), good
                    good = []
                self._unparsable.lose(self._next, f"not {self._encoding}: {line[error.start : error.end]!r}")
            self._next += 1
        if good:
            yield self._next - len(good), good

    def _lose_long(self) -> None:
        self._unparsable.lose(self._next, f"longer than {LONGEST_MB} MB; is this a text with lines?")
        self._next += 1


def check_encoding(encoding: str) -> str:
    """Return an encoding in which a line end is one byte that means nothing else.

    Raises
    ------
    ValueError
        If it is none, or unknown.
    """
    try:
        is_plain = "a\n".encode(encoding) == b"a\n"
    except LookupError:
        raise ValueError(f'there is no encoding "{encoding}"; write utf-8, or latin-1') from None
    if not is_plain:
        raise ValueError(f"lines of {encoding} cannot be told apart byte by byte; convert the file to utf-8")
    return encoding


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in lines] if "\r" in text else lines
