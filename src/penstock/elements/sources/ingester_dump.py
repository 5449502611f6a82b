"""A dump of a dranspose ingester as a source: what it sent of one stream, through the same decoder as live."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
from msgspec.structs import replace

from penstock.core import Kind, Message
from penstock.core.decoder import Decoder, Traits
from penstock.core.image_header import json_object
from penstock.elements.cadence import Cadence
from penstock.elements.decoders import new_decoder
from penstock.elements.decoding import Decoding
from penstock.elements.recording_file import DumpFile
from penstock.elements.source import Reading, Source
from penstock.errors import CheckError, RemoteProtocolError, SourceError
from penstock.formats.ingester_dump import DumpedEvent, DumpedStream

__all__ = ["FRAMES", "PROTOCOLS", "IngesterDumpSource", "packets_of"]

PROTOCOLS: Final[Mapping[str, str]] = {
    "EIGER_LEGACY": "eiger",
    "PCAP": "pandabox-zmq",
    "PCAP_RAW": "pandabox",
    "STINS": "stins",
    "albaem": "albaem",
    "contrast": "contrast",
    "lecroy_9fwdWp6Rq7": "lecroy",
    "sardana": "sardana",
    "xspress": "xspress3",
}
"""Type of a stream in a dump → the protocol whose packets its frames are."""
FRAMES: Final = "frames"
"""Instead of a protocol: the frames themselves, as bytes."""

Parts = Sequence[bytes]


class IngesterDumpSource(Source):
    """Decode one stream of a dump; the same file gives the same messages, every time.

    ::

        sources:
          xrd: {use: ingester-dump, file: dump_xrd.cbors, every_s: 0.02}

    Messages that bring no time of their own have the time at which the ingester made the event, or 0 (1970) in older
    dumps. A file that is cut off ends the stream and is reported as one unparsable packet.

    Parameters
    ----------
    file
        The dump; ``.gz`` is read too.
    stream
        Which stream of it; by default the one that is called as the source is, or the only one.
    protocol
        What decodes it; by default the one that belongs to the type that stands in the dump. ``frames`` gives an
        event's frames as they are, each an array of bytes. Or ``module:class`` of a decoder of your own.
    number
        ``instrument``: the number that the instrument gives is the message's key. ``event``: the number of the event
        is, for streams of one scan that have none of their own.
    every_s
        At which interval messages are given, in s; by default as fast as they are read. None is left out.

    Raises
    ------
    SourceError
        If there is no such protocol.
    ValueError
        If another argument is none of these.
    """

    is_repeatable = True

    def __init__(
        self,
        file: str,
        *,
        stream: str = "",
        protocol: str = "",
        number: Literal["instrument", "event"] = "instrument",
        every_s: float = 0.0,
    ) -> None:
        if number not in ("instrument", "event"):
            raise ValueError(f"number is {number!r}; write instrument, or event")
        self.file = file
        self._wanted = stream
        self._protocol = protocol
        self._by_event = number == "event"
        self._cadence = Cadence(every_s)
        self._name = self._typ = ""
        self._decoder: _DumpedDecoder | None = None
        self._opened: DumpFile | None = None
        self._events: Iterator[DumpedEvent] = iter(())
        self._has_given = False

    @property
    def traits(self) -> Traits:  # type: ignore[override]  # those of the protocol, which the file may name
        """Those of the protocol, after a look at the file."""
        if self._decoder is None:
            self.open()
            self.close()
        assert self._decoder is not None, "it was opened"
        return self._decoder.traits

    def open(self) -> None:
        """Open the file.

        Raises
        ------
        SourceError
            If it is missing or no dump, or it is not known which stream is meant or what decodes it.
        """
        self.close()
        opened = DumpFile(Path(self.folder, self.file).expanduser())
        try:
            streams = opened.first_streams
            self._name = self._wanted or self._only(streams)
            self._typ = streams.get(self._name, "")
            self._decoder = _DumpedDecoder(self._inner(), by_event=self._by_event)
        except SourceError:
            opened.close()
            raise
        self._opened, self._events, self._has_given = opened, iter(opened), False

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()
        self._opened = None

    def wait_s(self, now_ns: int) -> float | None:
        """Return how long it is until the next message is due, if there is a rate."""
        return self._cadence.wait_s(now_ns)

    def read(self, now_ns: int) -> Reading:
        """Decode the next events; see the base."""
        if self._decoder is None or self._opened is None:
            return Reading(ended=True)
        decoding, builder = Decoding(self._decoder, self.builder), self.builder
        for event in self._events:
            dumped = event.streams.get(self._name)
            if dumped is None:
                continue
            self._has_given = True
            before, may_go_on = builder.added, True
            self._decoder.event = event.number
            for packet in self._packets(dumped, event, decoding):
                may_go_on = decoding.feed(packet, event.created_ns or 0)
            self._cadence.gave(builder.added - before)
            if not may_go_on or not self._cadence.is_due(now_ns):
                return decoding.reading()
        decoding.finish(0)
        if self._opened.trouble:
            decoding.lose(f"{self.file}: {self._opened.trouble}")
        self.close()
        if not self._has_given:
            raise SourceError(f"the ingester's dump {self.file} has no stream {self._name}")
        return decoding.reading(ended=True)

    def _packets(self, dumped: DumpedStream, event: DumpedEvent, decoding: Decoding) -> list[Parts]:
        self._typ = self._typ or dumped.typ
        if dumped.typ != self._typ:
            decoding.lose(f"{self.file}: event {event.number} is of type {dumped.typ}, those before of {self._typ}")
            return []
        try:
            return [dumped.frames] if self._protocol == FRAMES else packets_of(dumped.typ, dumped.frames)
        except RemoteProtocolError as error:
            decoding.lose(f"{self.file}: event {event.number}: {error}")
            return []

    def _only(self, streams: Mapping[str, str]) -> str:
        if self.stream in streams or not streams:
            return self.stream
        if len(streams) > 1:
            raise SourceError(
                f"the ingester's dump {self.file} has the streams {', '.join(streams)}; write which, such as "
                f"stream: {next(iter(streams))}"
            )
        return next(iter(streams))

    def _inner(self) -> Decoder:
        if self._protocol == FRAMES:
            return _Frames()
        protocol = self._protocol or PROTOCOLS.get(self._typ, "")
        if not protocol:
            said = f"is of type {self._typ}, which" if self._typ else "says late what type it is, so that it"
            raise SourceError(
                f"the ingester's dump {self.file}: stream {self._name} {said} tells no decoder; write protocol: frames "
                "for its frames as they are, or another protocol"
            )
        try:
            return new_decoder(protocol, Path(self.folder))
        except CheckError as error:
            raise SourceError(
                f"the ingester's dump {self.file}: {error}; protocol: frames gives the frames as they are"
            ) from error


def packets_of(typ: str, frames: Parts) -> list[Parts]:
    r"""Return the packets, as the instrument sent them, that an ingester put together into the frames of one event.

    >>> packets_of("PCAP_RAW", [b" 1 2"])
    [[b' 1 2\n']]

    Raises
    ------
    RemoteProtocolError
        If they cannot be told apart.
    """
    if typ == "PCAP_RAW":
        return [[frame if frame.endswith(b"\n") else frame + b"\n"] for frame in frames]
    if typ != "lecroy_9fwdWp6Rq7":
        return [frames]
    packets: list[Parts] = []
    at = 0
    while at < len(frames):  # a trace is three frames: what it is, its samples, and their times
        size = 3 if json_object(frames[at]).get("htype") == "traces" else 1
        packets.append(frames[at : at + size])
        at += size
    return packets


class _Frames(Decoder):
    """Takes frames as they are."""

    traits = Traits(has_start=False, has_end=False)

    def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Iterator[Message]:
        arrays = [np.frombuffer(part, np.uint8) for part in parts]
        yield Message(timestamp_ns=received_ns, array=arrays[0] if arrays else None, more=tuple(arrays[1:]))


class _DumpedDecoder(Decoder):
    """A protocol's decoder, and the numbers of events if they are to be the messages' keys."""

    def __init__(self, inner: Decoder, *, by_event: bool) -> None:
        self._inner = inner
        self._by_event = by_event
        self.event = 0
        """The one whose frames come next."""
        self.is_byte_stream = inner.is_byte_stream  # type: ignore[misc]  # as the protocol's
        # Numbers of events have gaps that are meant: an event need not have all streams.
        self.traits = replace(inner.traits, number="", first=None) if by_event else inner.traits  # type: ignore[misc]

    @property
    def heartbeats(self) -> int:  # type: ignore[override]  # those of the protocol
        """Packets that rightly carry nothing."""
        return self._inner.heartbeats

    def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Iterator[Message]:
        messages = self._inner.feed(parts, received_ns)
        return map(self._numbered, messages) if self._by_event else messages

    def finish(self) -> Iterator[Message]:
        return self._inner.finish()

    def _numbered(self, message: Message) -> Message:
        return replace(message, key=self.event) if message.kind is Kind.DATA else message
