"""Dumps of dranspose's ingesters: for each event what the ingester sent to workers, in a file of CBOR items.

An item is tag 42877 of a list of the event's number, a map from stream to tag 42878 of a list of type and frames, and,
in newer files, a date-time text (tag 0) of when it was made; before the first tag stands CBOR's own magic number, tag
55799. Event 0 is what the instruments said before the data. Streams that had nothing for an event are not in its map.
What the frames hold is not looked at. Files are opened elsewhere: bytes go in and come out.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import msgspec

from penstock.core.timestamp import Timestamp
from penstock.errors import RemoteProtocolError
from penstock.extra import extra
from penstock.formats.cbor_items import item_end, loads

with extra("run"):
    import cbor2

__all__ = ["DumpReader", "DumpedEvent", "DumpedStream", "encode_event"]

EVENT_TAG = 42877
STREAM_TAG = 42878
_SELF_DESCRIBED_TAG = 55799
_TIME_TAG = 0
_MAX_NUMBER = 2**63 - 1


class DumpedStream(msgspec.Struct, frozen=True, gc=False):
    """What one stream gave to one event."""

    typ: str
    """What kind of instrument it is, by dranspose's name, such as ``STINS``."""
    frames: tuple[bytes, ...]


class DumpedEvent(msgspec.Struct, frozen=True, gc=False):
    """One event, as far as one ingester knew it."""

    number: int
    """From 0, in the order of the trigger map."""
    streams: Mapping[str, DumpedStream]
    """By name, in the order of the file."""
    created_ns: int | None = None
    """When the ingester made it, nanoseconds UTC; ``None`` in older files."""


def encode_event(event: DumpedEvent) -> bytes:
    """Return one item of a dump, as dranspose 0.2 reads it; the time is rounded down to microseconds."""
    streams = {
        name: cbor2.CBORTag(STREAM_TAG, [stream.typ, list(stream.frames)]) for name, stream in event.streams.items()
    }
    content: list[Any] = [event.number, streams]
    if event.created_ns is not None:
        text = Timestamp(event.created_ns // 1000 * 1000).isoformat()
        content.append(cbor2.CBORTag(_TIME_TAG, text[:-4] + "Z"))
    return bytes(cbor2.dumps(cbor2.CBORTag(_SELF_DESCRIBED_TAG, cbor2.CBORTag(EVENT_TAG, content))))


class DumpReader:
    """Read a dump from its first byte on, in pieces of any size.

    >>> event = DumpedEvent(3, {"xrd": DumpedStream("STINS", (b"{}", b"pixels"))})
    >>> reader = DumpReader()
    >>> [read.streams["xrd"].frames for read in reader.feed(encode_event(event))]
    [(b'{}', b'pixels')]
    >>> reader.finish()
    ''
    """

    def __init__(self) -> None:
        self.events = 0
        """Read so far."""
        self._buffer = bytearray()
        self._offset = 0

    def feed(self, piece: bytes) -> Iterator[DumpedEvent]:
        """Yield the events that are whole by now.

        Raises
        ------
        RemoteProtocolError
            If the bytes are no dump. What follows cannot be found then; do not read on.
        """
        self._buffer += piece
        at = 0
        try:
            while (end := item_end(self._buffer, at, self._offset)) is not None:
                item, position = bytes(memoryview(self._buffer)[at:end]), self._offset + at
                event = _event(loads(item, position), position)
                at = end
                self.events += 1
                yield event
        finally:
            self._offset += at
            del self._buffer[:at]

    def finish(self) -> str:
        """Return what is missing at the end, in words; empty if nothing is.

        A dump that was cut between two events cannot be told from a whole one.
        """
        if not self._buffer:
            return ""
        cut = self._offset + len(self._buffer)
        return f"it is cut off in the middle of item {self.events + 1}, at byte {cut}"


def _event(item: Any, position: int) -> DumpedEvent:
    if isinstance(item, cbor2.CBORTag) and item.tag == _SELF_DESCRIBED_TAG:
        item = item.value
    if not isinstance(item, cbor2.CBORTag) or item.tag != EVENT_TAG:
        raise RemoteProtocolError(f"byte {position}: no event of an ingester's dump, which has tag {EVENT_TAG}")
    content = item.value
    if not isinstance(content, list | tuple) or len(content) not in (2, 3):
        raise RemoteProtocolError(f"byte {position}: an event that is no list of number, streams and time")
    number, streams, *created = content
    if type(number) is not int or not 0 <= number <= _MAX_NUMBER:
        raise RemoteProtocolError(f"byte {position}: {number!r:.40} is no number of an event")
    if not isinstance(streams, Mapping):
        raise RemoteProtocolError(f"byte {position}: event {number} has no map of streams")
    found = {_name(name, number, position): _stream(each, name, position) for name, each in streams.items()}
    return DumpedEvent(number, MappingProxyType(found), _time(created, position))


def _name(name: Any, number: int, position: int) -> str:
    if not isinstance(name, str):
        raise RemoteProtocolError(f"byte {position}: event {number} has a stream that is named {name!r:.40}")
    return name


def _stream(item: Any, name: Any, position: int) -> DumpedStream:
    content = item.value if isinstance(item, cbor2.CBORTag) and item.tag == STREAM_TAG else None
    if not isinstance(content, list | tuple) or len(content) != 2 or not isinstance(content[0], str):
        raise RemoteProtocolError(f"byte {position}: stream {name} is no list of type and frames with tag {STREAM_TAG}")
    typ, frames = content
    if not isinstance(frames, list | tuple) or not all(isinstance(frame, bytes) for frame in frames):
        raise RemoteProtocolError(f"byte {position}: stream {name} has frames that are no byte strings")
    return DumpedStream(typ, tuple(frames))


def _time(created: list[Any], position: int) -> int | None:
    if not created or created[0] is None:
        return None
    (time,) = created
    if not isinstance(time, datetime):
        raise RemoteProtocolError(f"byte {position}: {time!r:.40} is no time")
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return Timestamp.from_iso(time.isoformat()).ns
