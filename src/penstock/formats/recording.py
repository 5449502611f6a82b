"""Raw recordings: what an instrument sent, part by part, byte for byte, in a file.

Two forms are read. Both are CBOR items one after the other:

* *plain*: each item is a list of the parts (byte strings) of one message. It has no times.
* *timed*, ours, which is also what is written: first a tagged map that says what was recorded, then per message a list
  of the time of reception and the list of parts, at last a map that says how many there were.

``docs/reference/recording.md`` gives every byte. Files are opened elsewhere: bytes go in and come out.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from penstock.errors import RemoteProtocolError
from penstock.extra import extra
from penstock.formats.cbor_items import item_end, loads

with extra("run"):
    import cbor2

__all__ = ["Record", "RecordingReader", "RecordingTraits", "encode_closing", "encode_opening", "encode_record"]

SELF_DESCRIBED = bytes.fromhex("d9d9f7")
"""CBOR's own magic number, tag 55799 (RFC 8949, 3.4.6)."""
VERSION = 1
_DUMPED_TAG = 42877
"""Of an event in the dump of dranspose's ingesters, which somebody may take for a recording."""


class RecordingTraits(msgspec.Struct, frozen=True, kw_only=True):
    """What a timed recording says of itself; all empty in a plain one."""

    protocol: str = ""
    """Name of the protocol, such as ``xspress3``."""
    socket: str = ""
    """How it was received: ``pull``, ``sub`` or ``tcp``."""
    address: str = ""
    """From where."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One message as it came, or one piece of a byte stream."""

    parts: tuple[bytes, ...]
    received_ns: int | None = None
    """Nanoseconds UTC; ``None`` in a plain recording."""


def encode_opening(traits: RecordingTraits) -> bytes:
    """Return how a timed recording begins."""
    fields = {"penstock": "recording", "version": VERSION, **msgspec.structs.asdict(traits)}
    return SELF_DESCRIBED + _dumps(fields)


def encode_record(parts: Sequence[bytes | memoryview], received_ns: int | None = None) -> bytes:
    """Return one message of a timed recording, or of a plain one if it has no time."""
    raw = [bytes(part) for part in parts]
    return _dumps(raw if received_ns is None else [received_ns, raw])


def encode_closing(records: int) -> bytes:
    """Return how a timed recording ends, so that a missing piece of it can be told."""
    return _dumps({"records": records})


def _dumps(item: Any) -> bytes:  # anything CBOR knows
    return cbor2.dumps(item)


class RecordingReader:
    """Read a recording from its first byte on, in pieces of any size."""

    def __init__(self) -> None:
        self.traits = RecordingTraits()
        """Known after the first record."""
        self.records = 0
        """Read so far."""
        self.is_timed = False
        """Whether records have times; known after the first."""
        self._buffer = bytearray()
        self._at = 0
        self._offset = 0
        self._is_closed = False

    def feed(self, piece: bytes) -> Iterator[Record]:
        """Yield the records that are whole by now.

        Raises
        ------
        RemoteProtocolError
            If the bytes are no recording. What follows cannot be found then; do not read on.
        """
        self._buffer += piece
        while (end := item_end(self._buffer, self._at, self._offset)) is not None:
            item = bytes(memoryview(self._buffer)[self._at : end])
            position = self._offset + self._at
            self._at = end
            record = self._record(item, position)
            if record is not None:
                self.records += 1
                yield record
        self._offset += self._at
        del self._buffer[: self._at]
        self._at = 0

    def finish(self) -> str:
        """Return what is missing at the end, in words; empty if nothing is.

        A plain recording that was cut between two messages cannot be told from a whole one.
        """
        if self._buffer:
            cut = self._offset + len(self._buffer)
            return f"it is cut off in the middle of record {self.records + 1}, at byte {cut}"
        if self.is_timed and not self._is_closed:
            return f"it ends after record {self.records} without being closed, so that more may have been there"
        return ""

    def _record(self, item: bytes, position: int) -> Record | None:
        if self._is_closed:
            raise RemoteProtocolError(f"byte {position}: something follows the end of the recording")
        if position == 0 and item.startswith(SELF_DESCRIBED):
            self._open(loads(item[len(SELF_DESCRIBED) :], position))
            return None
        decoded = loads(item, position)
        if self.is_timed:
            return self._timed(decoded, position)
        return Record(_parts(decoded, position))

    def _open(self, opening: Any) -> None:
        if not isinstance(opening, Mapping) or opening.get("penstock") != "recording":
            dumped = isinstance(opening, cbor2.CBORTag) and opening.tag == _DUMPED_TAG
            remedy = "; it is an ingester's dump, which the source ingester-dump reads" if dumped else ""
            raise RemoteProtocolError(f"the file is CBOR, but no recording of what an instrument sent{remedy}")
        if opening.get("version") != VERSION:
            raise RemoteProtocolError(f"a recording of version {opening.get('version')!r:.20}; {VERSION} can be read")
        known = {name: opening.get(name, "") for name in RecordingTraits.__struct_fields__}
        try:
            self.traits = msgspec.convert(known, RecordingTraits)
        except msgspec.ValidationError as error:
            raise RemoteProtocolError(f"the recording's first item is wrong: {error}") from error
        self.is_timed = True

    def _timed(self, item: Any, position: int) -> Record | None:
        if isinstance(item, Mapping):
            self._is_closed = True
            said = item.get("records")
            if said != self.records:
                raise RemoteProtocolError(
                    f"byte {position}: {said!r:.20} records were written, {self.records} are there"
                )
            return None
        if not isinstance(item, list) or len(item) != 2 or type(item[0]) is not int or not -(2**63) <= item[0] < 2**63:
            raise RemoteProtocolError(f"byte {position}: not a list of a time and the parts of a message")
        return Record(_parts(item[1], position), item[0])


def _parts(item: Any, position: int) -> tuple[bytes, ...]:
    if not isinstance(item, list) or not item or not all(isinstance(part, bytes) for part in item):
        raise RemoteProtocolError(f"byte {position}: not a list of the parts of one message")
    return tuple(item)
