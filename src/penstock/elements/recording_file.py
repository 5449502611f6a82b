"""A recording on disk, read from its beginning to wherever it ends."""

import gzip
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from penstock.errors import RemoteProtocolError, SourceError
from penstock.formats.recording import Record, RecordingReader, RecordingTraits

__all__ = ["RecordingFile"]

PIECE = 1 << 20


class RecordingFile:
    """The records of one file, in order; ``.gz`` is read too.

    Iterate once. Whatever can be read is given; what is wrong with the rest is then in ``trouble``.

    Raises
    ------
    SourceError
        If the file is missing, or nothing in it is a recording.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trouble = ""
        """What was found wrong so far, such as a cut in the middle of a record; empty if nothing."""
        self._reader = RecordingReader()
        try:
            self._stream: BufferedReader | gzip.GzipFile | None = _open(path)
        except OSError as error:
            raise SourceError(f"the recording {path} cannot be read: {error.strerror}") from error
        self._first = self._fill()
        if not self._first and self.trouble and not self.is_timed:
            raise SourceError(f"{path} holds no recording: {self.trouble}")

    @property
    def traits(self) -> RecordingTraits:
        """What it says of itself."""
        return self._reader.traits

    @property
    def is_timed(self) -> bool:
        """Whether it says when each record was received."""
        return self._reader.is_timed

    def __iter__(self) -> Iterator[Record]:
        records, self._first = self._first, []
        while records:
            yield from records
            records = self._fill()

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    def _fill(self) -> list[Record]:
        """Read on until there is a record, or the file ends, or nothing that follows can be read."""
        records: list[Record] = []
        try:
            while not records and self._stream is not None:
                piece = self._stream.read1(PIECE)  # read() would lose what stands before the cut of a cut .gz
                if not piece:
                    self.trouble = self._reader.finish()
                    self.close()
                for record in self._reader.feed(piece):
                    records.append(record)  # noqa: PERF402 - an error behind them must not take them along
        except (RemoteProtocolError, OSError, EOFError, zlib.error) as error:
            self.trouble = str(error)
            self.close()
        return records


def _open(path: Path) -> BufferedReader | gzip.GzipFile:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")
