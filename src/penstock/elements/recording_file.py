"""Files of CBOR items on disk, read from their beginning to wherever they end: recordings, and ingesters' dumps."""

import gzip
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from penstock.errors import RemoteProtocolError, SourceError
from penstock.formats.ingester_dump import DumpedEvent, DumpReader
from penstock.formats.recording import Record, RecordingReader, RecordingTraits

__all__ = ["DumpFile", "RecordingFile"]

PIECE = 1 << 20
Item = TypeVar("Item")
Read = TypeVar("Read", covariant=True)


class ItemReader(Protocol[Read]):
    """What finds items in bytes."""

    def feed(self, piece: bytes) -> Iterator[Read]:
        """Yield the items that are whole by now."""

    def finish(self) -> str:
        """Return what is missing at the end, in words."""


class _ItemFile(Generic[Item]):
    what = ""
    """What such a file is called."""

    def __init__(self, path: Path, reader: ItemReader[Item]) -> None:
        self.path = path
        self.trouble = ""
        """What was found wrong so far, such as a cut in the middle of an item; empty if nothing."""
        self._items = reader
        try:
            self._stream: BufferedReader | gzip.GzipFile | None = _open(path)
        except OSError as error:
            raise SourceError(f"the {self.what} {path} cannot be read: {error.strerror}") from error
        self._first = self._fill()
        if not self._first and self.trouble and not self._is_known:
            raise SourceError(f"{path} holds no {self.what}: {self.trouble}")

    @property
    def _is_known(self) -> bool:
        """Whether its beginning says what it is."""
        return False

    def __iter__(self) -> Iterator[Item]:
        items, self._first = self._first, []
        while items:
            yield from items
            items = self._fill()

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    def _fill(self) -> list[Item]:
        """Read on until there is an item, or the file ends, or nothing that follows can be read."""
        items: list[Item] = []
        try:
            while not items and self._stream is not None:
                piece = self._stream.read1(PIECE)  # read() would lose what stands before the cut of a cut .gz
                if not piece:
                    self.trouble = self._items.finish()
                    self.close()
                for item in self._items.feed(piece):
                    items.append(item)  # noqa: PERF402 - an error behind them must not take them along
        except (RemoteProtocolError, OSError, EOFError, zlib.error) as error:
            self.trouble = str(error)
            self.close()
        return items


class RecordingFile(_ItemFile[Record]):
    """The records of one file, in order; ``.gz`` is read too.

    Iterate once. Whatever can be read is given; what is wrong with the rest is then in ``trouble``.

    Raises
    ------
    SourceError
        If the file is missing, or nothing in it is a recording.
    """

    what = "recording"

    def __init__(self, path: Path) -> None:
        self._reader = RecordingReader()
        super().__init__(path, self._reader)

    @property
    def traits(self) -> RecordingTraits:
        """What it says of itself."""
        return self._reader.traits

    @property
    def is_timed(self) -> bool:
        """Whether it says when each record was received."""
        return self._reader.is_timed

    @property
    def _is_known(self) -> bool:
        return self.is_timed


class DumpFile(_ItemFile[DumpedEvent]):
    """The events of one ingester's dump, in order; otherwise as `RecordingFile`.

    Raises
    ------
    SourceError
        If the file is missing, or nothing in it is a dump.
    """

    what = "ingester's dump"

    def __init__(self, path: Path) -> None:
        super().__init__(path, DumpReader())

    @property
    def first_streams(self) -> dict[str, str]:
        """The type of each stream in the events that stand at the beginning, up to 1 MB of them; before iterating."""
        return {name: stream.typ for event in self._first for name, stream in event.streams.items()}


def _open(path: Path) -> BufferedReader | gzip.GzipFile:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")
