"""A recording as a source: what an instrument sent once, through the same decoder as live, at a chosen rate."""

from collections.abc import Iterator
from pathlib import Path

from penstock.core.decoder import Decoder, Traits
from penstock.elements.cadence import Cadence
from penstock.elements.decoders import new_decoder
from penstock.elements.decoding import Decoding
from penstock.elements.recording_file import RecordingFile
from penstock.elements.source import Reading, Source
from penstock.errors import CheckError, SourceError
from penstock.formats.recording import Record
from penstock.protocols import DECODERS

__all__ = ["RecordingSource"]


class RecordingSource(Source):
    """Decode a raw recording; the same file gives the same messages, every time.

    Messages that bring no time of their own have the time of reception that was recorded, or 0 (1970) in a plain
    recording. A file that is cut off ends the stream and is reported as one unparsable packet.

    Parameters
    ----------
    file
        The recording; ``.gz`` is read too.
    protocol
        What it was recorded from, such as ``contrast``, or ``module:class`` of a decoder, whose module is looked for
        beside the pipeline first. A timed recording says so itself.
    every_s
        At which interval messages are given, in s; by default as fast as they are read. None is left out, and several
        that came together are given together.

    Raises
    ------
    SourceError
        If there is no such protocol.
    ValueError
        If the interval is negative.
    """

    is_repeatable = True

    def __init__(self, file: str, *, protocol: str = "", every_s: float = 0.0) -> None:
        self.file = file
        self._cadence = Cadence(every_s)
        self._protocol = protocol
        # The folder in which a decoder of the user's is looked for is known later.
        self._decoder: Decoder | None = (
            _decoder(protocol, file, self.folder) if protocol and ":" not in protocol else None
        )
        self._opened: RecordingFile | None = None
        self._records: Iterator[Record] = iter(())

    @property
    def traits(self) -> Traits:  # type: ignore[override]  # those of the protocol, which the file may name
        """Those of the protocol; of a timed recording that says it itself, after a look at the file."""
        if self._decoder is None:
            self.open()
        return self._decoder.traits if self._decoder is not None else Traits()

    def open(self) -> None:
        """Open the file.

        Raises
        ------
        SourceError
            If it is missing or no recording, or its protocol is not known.
        """
        self.close()
        self._opened = RecordingFile(Path(self.folder, self.file).expanduser())
        self._records = iter(self._opened)
        try:
            protocol = self._protocol or self._opened.traits.protocol
            self._decoder = self._decoder or _decoder(protocol, self.file, self.folder)
        except SourceError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()
        self._opened = None

    def wait_s(self, now_ns: int) -> float | None:
        """Return how long it is until the next message is due, if there is a rate."""
        return self._cadence.wait_s(now_ns)

    def read(self, now_ns: int) -> Reading:
        """Decode the next records; see the base."""
        if self._decoder is None or self._opened is None:
            return Reading(ended=True)
        decoding, builder = Decoding(self._decoder, self.builder), self.builder
        for record in self._records:
            before = builder.added
            may_go_on = decoding.feed(record.parts, record.received_ns or 0)
            self._cadence.gave(builder.added - before)
            if not may_go_on or not self._cadence.is_due(now_ns):
                return decoding.reading()
        decoding.finish(0)
        if self._opened.trouble:
            decoding.lose(f"{self.file}: {self._opened.trouble}")
        self.close()
        return decoding.reading(ended=True)


def _decoder(protocol: str, file: str, folder: str) -> Decoder:
    if not protocol:
        names = " or ".join(sorted(DECODERS))
        raise SourceError(f"the recording {file} does not say what it was recorded from; add protocol: {names}")
    try:
        return new_decoder(protocol, Path(folder))
    except CheckError as error:
        raise SourceError(f"the recording {file}: {error}") from error
