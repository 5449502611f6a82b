"""What instruments send, kept part by part as it came, as user code of dranspose reads it; each packet is one message.

Everything is told by looking at headers only: which packet is the start, which belongs to the data, which is the end.
What comes before the start, or behind the end, is left out and counted: it is of an earlier scan, or of none. The start
and the end are messages like all others, because the trigger map counts them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import msgspec

from penstock.compat.dranspose.events import message_of_frames
from penstock.core.decoder import Decoder, Traits
from penstock.core.image_header import json_object
from penstock.core.message import Kind, Message
from penstock.core.unpickle import unpickle
from penstock.errors import RemoteProtocolError

__all__ = [
    "AlbaemRaw", "ContrastRaw", "EigerRaw", "LecroyRaw", "PandaTcpRaw", "PandaZmqRaw", "RawDecoder", "SardanaRaw",
    "StinsRaw", "XspressRaw",
]  # fmt: skip

Parts = Sequence[bytes | memoryview]
MOST_NUMBER: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class _Packet:
    """What one event gets."""

    kind: Kind
    frames: Sequence[Any]
    number: int | None = None
    """The instrument's own."""


class RawDecoder(Decoder):
    """Keep the parts of packets between start and end."""

    typ: ClassVar[str]

    def __init__(self) -> None:
        self._state = Kind.START
        """The kind of packet that was last, or is waited for: START before the scan, END behind it."""
        self._first: int | None = None
        """Number of the first packet of data, and of each after which the instrument began to count again."""
        self._base = 1
        self._next = 0

    def feed(self, parts: Parts, received_ns: int) -> Iterator[Message]:
        """Give the messages that are whole by now."""
        for packet in self.packets(parts):
            if not self._is_of_scan(packet.kind):
                self.heartbeats += 1
                continue
            # The start is data to the join, which would otherwise keep it out of the events.
            kind = Kind.END if packet.kind is Kind.END and self.ends_once else Kind.DATA
            key = self._key(packet) if self.traits.number else None
            yield message_of_frames(self.typ, packet.frames, key=key, timestamp_ns=received_ns, kind=kind)

    ends_once: ClassVar[bool] = True
    """Whether nothing of the scan can come behind the end."""

    def packets(self, parts: Parts) -> Iterator[_Packet]:
        """Give what is whole by now.

        Raises
        ------
        RemoteProtocolError
            If it is nothing that this instrument sends.
        """
        raise NotImplementedError

    def _key(self, packet: _Packet) -> int:
        """Return the place of a packet: the start's is 0, data have theirs by their number, the end follows all.

        So a packet that is lost leaves its place free, and one that comes twice has the same again.
        """
        number = packet.number
        if packet.kind is not Kind.DATA or number is None:
            key = self._next
        else:
            if self._first is None or (number <= self._first and self._next > self._base + 1):
                self._first, self._base = number, self._next
            key = self._base + number - self._first
        self._next = max(self._next, key + 1)
        return key

    def _is_of_scan(self, kind: Kind) -> bool:
        if self._state is Kind.START:
            if kind is not Kind.START:
                return False
            self._state = Kind.DATA
            return True
        if self._state is Kind.END:
            return False
        if kind is Kind.END and self.ends_once:
            self._state = Kind.END
        return kind is not Kind.START or not self.ends_once


class _JsonRaw(RawDecoder):
    """Of instruments that say in a field of a JSON header what a packet is."""

    field: ClassVar[str]
    kinds: ClassVar[Mapping[Any, Kind]]

    def packets(self, parts: Parts) -> Iterator[_Packet]:
        """Give the packet."""
        header = json_object(parts[0]) if parts else {}
        kind = self.kind_of(header)
        yield _Packet(kind, parts, self.number_of(header) if kind is Kind.DATA else None)

    def number_of(self, header: Mapping[str, Any]) -> int | None:
        """Return the number that a header of data has; ``None`` if this instrument has none."""
        if not self.traits.number:
            return None
        number = header.get(self.traits.number)
        if type(number) is not int or not 0 <= number < MOST_NUMBER:
            raise RemoteProtocolError(f"{self.traits.number} is {str(number)[:40]!r}; it is a number from 0 on")
        return number

    def kind_of(self, header: Mapping[str, Any]) -> Kind:
        """Return what a header says the packet is."""
        said = header.get(self.field)
        kind = self.kinds.get(said) if isinstance(said, str | int) else None
        if kind is None:
            raise RemoteProtocolError(f"{self.field} {str(said)[:40]!r} is none of {', '.join(map(str, self.kinds))}")
        return kind


class StinsRaw(_JsonRaw):
    """STINS: frames are the JSON header and, of images, the pixels."""

    typ = "STINS"
    field = "htype"
    kinds: ClassVar[Mapping[Any, Kind]] = {"header": Kind.START, "image": Kind.DATA, "series_end": Kind.END}
    traits = Traits(number="frame", first=0, has_start=False, has_end=False, socket="pull")


class EigerRaw(_JsonRaw):
    """Eiger's stream of version 1: frames are the 9 parts of the header, the 5 of an image, the one of the end."""

    typ = "EIGER_LEGACY"
    field = "htype"
    kinds: ClassVar[Mapping[Any, Kind]] = {
        "dheader-1.0": Kind.START, "dimage-1.0": Kind.DATA, "dseries_end-1.0": Kind.END,
    }  # fmt: skip
    traits = Traits(number="frame", first=0, has_start=False, has_end=False, socket="pull")


class AlbaemRaw(_JsonRaw):
    """AlbaEM: the frame is the JSON."""

    typ = "albaem"
    field = "message_type"
    kinds: ClassVar[Mapping[Any, Kind]] = {"series-start": Kind.START, "data": Kind.DATA, "series-end": Kind.END}
    traits = Traits(number="frame_number", first=0, has_start=False, has_end=False, socket="sub")


class SardanaRaw(_JsonRaw):
    """Sardana: the frame is the JSON of a record, with its type."""

    typ = "sardana"
    field = "type"
    kinds: ClassVar[Mapping[Any, Kind]] = {
        "DataDescription": Kind.START, "RecordData": Kind.DATA, "RecordEnd": Kind.END,
    }  # fmt: skip
    traits = Traits(has_start=False, has_end=False, socket="pull")


class PandaZmqRaw(_JsonRaw):
    """PandABox over ZeroMQ: a block of points becomes a message a point, whose frame is JSON again."""

    typ = "PCAP"
    field = "message_type"
    kinds = AlbaemRaw.kinds
    traits = Traits(number="frame_number", first=0, has_start=False, has_end=False, socket="sub")

    def packets(self, parts: Parts) -> Iterator[_Packet]:
        """Give the points of a block."""
        if len(parts) != 1:
            raise RemoteProtocolError(f"a packet of {len(parts)} parts; 1 would be right")
        block = json_object(parts[0])
        kind = self.kind_of(block)
        columns = {name: value for name, value in block.items() if isinstance(value, list)}
        if kind is not Kind.DATA or not columns:
            yield _Packet(kind, parts, self.number_of(block) if kind is Kind.DATA else None)
            return
        lengths = {len(column) for column in columns.values()}
        first = self.number_of(block)
        if len(lengths) != 1 or first is None:
            raise RemoteProtocolError(f"a block whose columns have {sorted(lengths)} values; all have equally many")
        for k in range(lengths.pop()):
            point = {**block, **{name: column[k] for name, column in columns.items()}, "frame_number": first + k}
            yield _Packet(Kind.DATA, [msgspec.json.encode(point)], first + k)


class ContrastRaw(RawDecoder):
    """Contrast: the frame is the pickle; heartbeats are left out."""

    typ = "contrast"
    kinds: ClassVar[Mapping[Any, Kind]] = {"started": Kind.START, "running": Kind.DATA, "finished": Kind.END}
    traits = Traits(has_start=False, has_end=False, pickled=True, socket="sub")

    def packets(self, parts: Parts) -> Iterator[_Packet]:
        """Give the packet."""
        if len(parts) != 1:
            raise RemoteProtocolError(f"a packet of {len(parts)} parts; 1 would be right")
        said = unpickle(parts[0])
        status = said.get("status") if isinstance(said, dict) else None
        if status == "heartbeat":
            self.heartbeats += 1
            return
        if not isinstance(status, str) or status not in self.kinds:
            raise RemoteProtocolError(f"status {str(status)[:40]!r} is none of {', '.join(self.kinds)}, heartbeat")
        yield _Packet(self.kinds[status], parts)


class XspressRaw(_JsonRaw):
    """Xspress3 in both framings: frames of spectra are JSON, counts and the pickled scalers, however they were sent."""

    typ = "xspress"
    field = "htype"
    kinds = StinsRaw.kinds
    traits = Traits(number="frame", first=0, has_start=False, has_end=False, pickled=True, socket="sub")

    def __init__(self) -> None:
        super().__init__()
        self._number: int | None = None
        self._image: list[bytes | memoryview] = []
        """Of the older framing: the parts of a spectrum that have come so far."""

    def packets(self, parts: Parts) -> Iterator[_Packet]:
        """Give the packet that is whole."""
        if self._image and len(parts) == 1 and not _begins(parts[0]):
            self._image.append(parts[0])
            if len(self._image) == 3:
                image, self._image = self._image, []
                yield _Packet(Kind.DATA, image, self._number)
            return
        if self._image:
            self._image = []
            raise RemoteProtocolError("a spectrum of which not all three messages came")
        for packet in super().packets(parts):
            if packet.kind is Kind.DATA and len(parts) == 1:
                self._image, self._number = [bytes(parts[0])], packet.number
            else:
                yield packet


class LecroyRaw(_JsonRaw):
    """LeCroy: frames of a sequence are its start, three parts a channel, and its end."""

    typ = "lecroy_9fwdWp6Rq7"
    field = "what"
    kinds: ClassVar[Mapping[Any, Kind]] = {0: Kind.START, 1: Kind.DATA, 2: Kind.DATA, 3: Kind.END}
    traits = Traits(has_start=False, has_end=False, pickled=True, socket="sub")

    def __init__(self) -> None:
        super().__init__()
        self._begun: bytes | None = None
        self._traces: list[bytes] = []

    def packets(self, parts: Parts) -> Iterator[_Packet]:
        """Give the sequence that is whole, or what comes before and behind all."""
        header = json_object(parts[0]) if parts else {}
        if header.get("htype") == "traces":
            if len(parts) != 3:
                raise RemoteProtocolError(f"traces of {len(parts)} parts; 3 would be right")
            self._traces += map(bytes, parts)
            return
        kind, what = self.kind_of(header), header[self.field]
        if what == 1:
            self._begun, self._traces = bytes(parts[0]), []
        elif what == 2:
            if self._begun is None:
                raise RemoteProtocolError("the end of a sequence whose start has not come")
            # In continuous mode one start stands for all sequences that follow.
            yield _Packet(Kind.DATA, [self._begun, *self._traces, bytes(parts[0])])
            self._traces = []
        else:
            yield _Packet(kind, parts)


MOST_LINE: Final = 1 << 20


class PandaTcpRaw(RawDecoder):
    """PandABox over TCP, ASCII: the frame is the header's text, then a line a point, then the line ``END``.

    The box may be armed several times in a scan, and each header and each end then counts.
    """

    typ = "PCAP_RAW"
    ends_once = False
    is_byte_stream = True
    traits = Traits(has_start=False, has_end=False, socket="tcp")

    def __init__(self) -> None:
        super().__init__()
        self._buffer = bytearray()
        self._header: list[bytes] | None = None

    def greeting(self) -> bytes:
        """Return what asks the box for ASCII."""
        return b"\n"

    def packets(self, parts: Parts) -> Iterator[_Packet]:
        """Give the lines that are whole by now."""
        for part in parts:
            self._buffer += part
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[: end + 1])
            del self._buffer[: end + 1]
            yield from self._line(line)
        if len(self._buffer) > MOST_LINE:
            self._buffer.clear()
            raise RemoteProtocolError(f"a line of more than {MOST_LINE} bytes")

    def _line(self, line: bytes) -> Iterator[_Packet]:
        if self._header is not None:
            self._header.append(line)
            if not line.strip():
                header, self._header = b"".join(self._header), None
                yield _Packet(Kind.START, [header])
        elif line.startswith(b"arm_time:"):
            self._header = [line]
        elif line.startswith(b"END"):
            yield _Packet(Kind.END, [line])
        elif line.startswith(b" "):
            yield _Packet(Kind.DATA, [line])
        elif line.strip() not in (b"OK", b""):
            raise RemoteProtocolError(f"a line that is neither header nor row: {line[:80]!r}")


def _begins(part: bytes | memoryview) -> bool:
    """Tell whether a part is a header: of the three messages of a spectrum only the first is JSON."""
    return bytes(part[:1]) == b"{" and b'"htype"' in bytes(part[:200])
