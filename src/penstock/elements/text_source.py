"""Sources of plain values out of text, line by line: a finite file, a file that grows, a pipe or a terminal.

What the lines mean is the affair of a parser. A line that means nothing is counted and never ends the run.
"""

import os
import stat
import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, ClassVar, Protocol

from penstock.elements.line_splitter import LineSplitter, check_encoding
from penstock.elements.pace import Pace, check_interval
from penstock.elements.ready_bytes import CHUNK, followed, of_descriptor
from penstock.elements.unparsable_lines import UnparsableLines
from penstock.errors import SourceError

__all__ = ["STDIN", "AwaitedText", "LineParser", "TextFile", "text_source"]

STDIN = "-"
"""The path that stands for standard input."""


class LineParser(Protocol):
    """What makes items of lines."""

    def parsed(self, first: int, lines: list[str]) -> list[Any]:
        """Return the items of consecutive lines, ``first`` being the number of the first, from 1."""

    def begin(self) -> list[Any]:
        """Learn that another file begins, which goes on where the last one ended; return what is complete by that."""

    def rest(self) -> list[Any]:
        """Return what was still to come, at the end of all."""


class _Text:
    """What both have in common."""

    in_chunks: ClassVar[bool] = True
    folder: str = "."
    """Where a relative path starts; given by whoever runs it."""

    def __init__(self, path: str, parser: LineParser, unparsable: UnparsableLines, encoding: str) -> None:
        self._path = path
        self._parser = parser
        self._lost = unparsable
        self._splitter = LineSplitter(unparsable, encoding)

    @property
    def unparsable(self) -> int:
        """How many lines meant nothing so far."""
        return self._lost.count

    @property
    def troubles(self) -> deque[str]:
        """The last 100 of them, each with file, line and reason."""
        return self._lost.texts

    @property
    def losses(self) -> UnparsableLines:
        """What meant nothing, for whoever keeps the books."""
        return self._lost

    @property
    def _file(self) -> Path:
        return Path(self.folder, self._path).expanduser()

    def _items(self, chunk: bytes) -> list[Any]:
        return [item for first, lines in self._splitter.feed(chunk) for item in self._parser.parsed(first, lines)]

    def _last_items(self) -> list[Any]:
        return [item for first, lines in self._splitter.finish() for item in self._parser.parsed(first, lines)]

    def _failure(self, error: OSError) -> SourceError:
        return SourceError(f"{self._path}: cannot be read: {error.strerror or error}; name a file you may read")


class TextFile(_Text):
    """A file that is there, as fast as it can be read; it ends with the file. Each value is a list of items."""

    def __iter__(self) -> Iterator[list[Any]]:
        """Read it.

        Raises
        ------
        SourceError
            If it cannot be read, or is no regular file.
        """
        try:
            with self._file.open("rb", buffering=0) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise SourceError(f"{self._path} is no regular file; add follow: true, which waits for what comes")
                while chunk := file.read(CHUNK):
                    if items := self._items(chunk):
                        yield items
        except OSError as error:
            raise self._failure(error) from error
        if items := self._last_items() + self._parser.rest():
            yield items


class AwaitedText(_Text):
    """Text that comes in its own time, or is given at a pace. Each value is a list of items.

    Parameters
    ----------
    path, parser, unparsable, encoding
        As of the other.
    follow
        Whether more may be written to the file.
    only_new
        Whether what is there already is passed over.
    every_s
        At which interval single items are given, in s; 0 gives them as they come.
    """

    def __init__(
        self,
        path: str,
        parser: LineParser,
        unparsable: UnparsableLines,
        encoding: str,
        *,
        follow: bool = False,
        only_new: bool = False,
        every_s: float = 0.0,
    ) -> None:
        super().__init__(path, parser, unparsable, encoding)
        self._follow = follow
        self._only_new = only_new
        self._every_s = every_s

    async def __aiter__(self) -> AsyncIterator[list[Any]]:
        """Wait and read.

        Raises
        ------
        SourceError
            If it cannot be read.
        """
        pace = Pace(self._every_s)
        async with aclosing(self._lists()) as lists:
            async for items in lists:
                if not self._every_s:
                    yield items
                    continue
                for item in items:
                    await pace.beat()
                    yield [item]

    async def _lists(self) -> AsyncGenerator[list[Any], None]:
        try:
            async with aclosing(self._chunks()) as chunks:
                async for chunk in chunks:
                    items = self._another() if chunk is None else self._items(chunk)
                    if items:
                        yield items
        except OSError as error:
            raise self._failure(error) from error
        if items := self._last_items() + self._parser.rest():
            yield items

    async def _chunks(self) -> AsyncGenerator[bytes | None, None]:
        if self._path == STDIN:
            if sys.__stdin__ is None:  # closed before we began: something else has its number by now
                raise SourceError("there is no standard input; name a file, or start with something to read")
            async with aclosing(of_descriptor(0)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        path = self._file
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) and self._follow:
            async with aclosing(followed(path, only_new=self._only_new)) as parts:
                async for part in parts:
                    yield part
            return
        # A pipe that is followed outlives those who write to it, as long as there is one who could: we ourselves.
        way = os.O_RDWR if stat.S_ISFIFO(mode) and self._follow else os.O_RDONLY
        descriptor = os.open(path, way | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            async with aclosing(of_descriptor(descriptor)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            os.close(descriptor)

    def _another(self) -> list[Any]:
        items = self._last_items() + self._parser.begin()
        self._splitter.begin()
        return items


def text_source(
    path: str,
    parser: LineParser,
    unparsable: UnparsableLines,
    *,
    follow: bool = False,
    only_new: bool = False,
    every_s: float = 0.0,
    encoding: str = "utf-8",
) -> TextFile | AwaitedText:
    """Return what reads a text: without a wait if there is nothing to wait for.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """
    check_encoding(encoding)
    check_interval(every_s)
    if not path:
        raise ValueError('path is empty; name a file, or write "-" for standard input')
    if only_new and not follow:
        raise ValueError("only_new is for a file that grows; add follow: true")
    if follow and path == STDIN:
        raise ValueError("standard input is waited for until its end; leave out follow")
    if path == STDIN or follow or every_s:
        return AwaitedText(path, parser, unparsable, encoding, follow=follow, only_new=only_new, every_s=every_s)
    return TextFile(path, parser, unparsable, encoding)
