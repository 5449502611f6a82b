"""A recording as a source: what an instrument sent once, through the same decoder as live, as fast as it is read."""

import gzip
import zlib
from pathlib import Path
from typing import IO, cast

from penstock.core.decoder import Decoder, Traits
from penstock.elements.decoding import Decoding
from penstock.elements.source import Reading, Source
from penstock.errors import RemoteProtocolError, SourceError
from penstock.formats.recording import Record, RecordingReader
from penstock.protocols import DECODERS, decoder_named

__all__ = ["RecordingSource"]

PIECE = 1 << 20


class RecordingSource(Source):
    """Decode a raw recording; the same file gives the same messages, every time.

    Messages that bring no time of their own have the time of reception that was recorded, or 0 (1970) in a plain
    recording. A file that is cut off ends the stream and is reported as one unparsable packet.

    Parameters
    ----------
    file
        The recording; ``.gz`` is read too.
    protocol
        What it was recorded from, such as ``contrast``, or ``module:class`` of a decoder. A timed recording says so
        itself.

    Raises
    ------
    SourceError
        If there is no such protocol.
    """

    def __init__(self, file: str, *, protocol: str = "") -> None:
        self.file = file
        self._decoder: Decoder | None = _decoder(protocol, file) if protocol else None
        self._stream: IO[bytes] | None = None
        self._reader = RecordingReader()
        self._records: list[Record] = []
        self._end = ""
        self._is_read = False

    @property
    def traits(self) -> Traits:  # type: ignore[override]
        """Those of the protocol, once it is known."""
        return self._decoder.traits if self._decoder is not None else Traits()

    def open(self) -> None:
        """Open the file.

        Raises
        ------
        SourceError
            If it is missing or no recording, or its protocol is not known.
        """
        path = Path(self.folder, self.file).expanduser()
        try:
            self._stream = _open(path)
        except OSError as error:
            raise SourceError(f"the recording {path} cannot be read: {error.strerror}") from error
        self._fill()
        if not self._records and self._end:
            self.close()
            raise SourceError(f"{path} holds no recording: {self._end}")
        if self._decoder is None:
            self._decoder = _decoder(self._reader.traits.protocol, self.file)

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    def read(self, now_ns: int) -> Reading:  # noqa: ARG002 - a recording has its own time
        """Decode the next records; see the base."""
        if self._decoder is None or self._is_read:
            return Reading(ended=True)
        decoding = Decoding(self._decoder, self.builder)
        received_ns = 0
        while not decoding.is_full:
            if not self._records:
                self._fill()
            if not self._records:
                self._is_read = True
                decoding.finish(received_ns)
                if self._end:
                    decoding.lose(f"{self.file}: {self._end}")
                return decoding.reading(ended=True)
            record = self._records.pop()
            received_ns = record.received_ns or 0
            decoding.feed(record.parts, received_ns)
        return decoding.reading()

    def _fill(self) -> None:
        """Read on until there is a record, or the file ends."""
        records: list[Record] = []
        try:
            while not records and self._stream is not None and not self._end:
                piece = self._stream.read(PIECE)
                if not piece:
                    self._end = self._reader.finish()
                    self.close()
                for record in self._reader.feed(piece):
                    records.append(record)  # noqa: PERF402 - an error behind them must not take them along
        except (RemoteProtocolError, OSError, EOFError, zlib.error) as error:
            self._end = str(error)
            self.close()
        self._records = records[::-1]


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path))  # noqa: SIM115 - closed by the source
    return path.open("rb")


def _decoder(protocol: str, file: str) -> Decoder:
    if not protocol:
        names = " or ".join(sorted(DECODERS))
        raise SourceError(f"the recording {file} does not say what it was recorded from; add protocol: {names}")
    try:
        return decoder_named(protocol)()
    except ValueError as error:
        raise SourceError(f"the recording {file}: {error}") from error
