"""Which message is meant by the name of a file: for clients that ask for a payload so, as they would for the file.

What clients were told of just before is known at once. For all else the streams of that name are looked through, once:
after that only what is new. Of each name its hash is kept, 16 bytes a message. Used from any thread.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.compat.asapo.records import OWN, SIZE, Record, file_name, payload_of
from penstock.compat.asapo.wire import Mode
from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.streams.dataset import base_of, part_address
from penstock.streams.past_damage import blocks_past_damage
from penstock.streams.store import Store, StreamReader

__all__ = ["FileNames"]

LISTED_S: Final = 1.0
"""To list thousands of streams takes longer than all else."""
MOST_TOLD: Final = 1 << 14
MOST_BYTES: Final = 64 << 20
"""Of the names of all streams that are kept; those of the last one are in any case."""


class FileNames:
    """The names of files in a store."""

    def __init__(
        self,
        store: Store,
        *,
        most_told: int = MOST_TOLD,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._most_told, self._most_bytes, self._clock = store, most_told, most_bytes, clock
        self._lock = Lock()
        self._told: OrderedDict[tuple[str, str, str], tuple[StreamAddress, int, int]] = OrderedDict()
        self._columns: OrderedDict[StreamAddress, _Column] = OrderedDict()
        self._listed: tuple[tuple[str, str], float, list[StreamAddress]] | None = None
        """The streams that were looked through last, and until when it is not looked again which there are."""

    def note(self, address: StreamAddress, record: Record) -> None:
        """Take note of what a client is told of a message, which it may ask for by its name."""
        if not record.ingest_mode & Mode.STORE_FILE or not record.size:
            return
        key = address.beamtime, record.stream, record.name
        with self._lock:
            self._told[key] = address, record.dataset_substream, record._id
            self._told.move_to_end(key)
            if len(self._told) > self._most_told:
                self._told.popitem(last=False)

    def payload(
        self, beamtime: str, stream: str, name: str, may_be: Callable[[StreamAddress], bool]
    ) -> memoryview | None:
        """Return the payload of the message of a name that was told of last, or else is latest; ``None`` for none.

        Parameters
        ----------
        stream
            Where; empty: anywhere in the beamtime.
        may_be
            Tells which streams may be looked at.
        """
        found = self._as_told(beamtime, stream, name, may_be)
        if found is None:
            found = self._latest(beamtime, stream, name, may_be)
        return None if found is None else payload_of(found)

    def _as_told(
        self, beamtime: str, stream: str, name: str, may_be: Callable[[StreamAddress], bool]
    ) -> Message | None:
        told = self._told.get((beamtime, stream, name))
        if told is None:
            return None
        address, part, number = told
        where = part_address(address, part) if part else address
        if not may_be(where):
            return None
        with self._store.read(where) as reader:
            return _payload_named(reader, number, name)

    def _latest(self, beamtime: str, stream: str, name: str, may_be: Callable[[StreamAddress], bool]) -> Message | None:
        listed = self._listed
        if listed is not None and listed[0] == (beamtime, stream) and self._clock() < listed[1]:
            found = self._latest_of(filter(may_be, listed[2]), name)
            if found is not None:
                return found
        addresses = [info.address for info in self._store.streams(StreamAddress(beamtime))]
        if stream:
            addresses = [address for address in addresses if (base_of(address) or (address,))[0].stream == stream]
        self._listed = (beamtime, stream), self._clock() + LISTED_S, addresses
        return self._latest_of(filter(may_be, addresses), name)

    def _latest_of(self, addresses: Iterable[StreamAddress], name: str) -> Message | None:
        found: Message | None = None
        for address in addresses:
            with self._store.read(address) as reader:
                message = self._column(address).latest(reader, name)
            if message is not None and (found is None or message.timestamp_ns >= found.timestamp_ns):
                found = message
        self._make_room()
        return found

    def _column(self, address: StreamAddress) -> "_Column":
        with self._lock:
            column = self._columns.setdefault(address, _Column())
            self._columns.move_to_end(address)
            return column

    def _make_room(self) -> None:
        with self._lock:
            nbytes = sum(column.nbytes for column in self._columns.values())
            while nbytes > self._most_bytes and len(self._columns) > 1:
                nbytes -= self._columns.popitem(last=False)[1].nbytes


class _Column:
    """The names of one stream, of those messages that have a payload, in their order of arrival."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._created_ns = self._position = 0
        self._hashes: NDArray[np.int64] = np.empty(0, np.int64)
        self._ids: NDArray[np.uint64] = np.empty(0, np.uint64)

    @property
    def nbytes(self) -> int:
        return self._hashes.nbytes + self._ids.nbytes

    def latest(self, reader: StreamReader, name: str) -> Message | None:
        """Return the message of a name that arrived last; ``None`` if there is none with a payload."""
        with self._lock:
            self._take_new(reader)
            ids = self._ids[self._hashes == hash(name)]
        found = (_payload_named(reader, number, name) for number in reversed(ids.tolist()))
        return next((message for message in found if message is not None), None)

    def _take_new(self, reader: StreamReader) -> None:
        info = reader.info
        if info.created_ns != self._created_ns or info.count + info.removed < self._position:  # it was made anew
            self._created_ns, self._position = info.created_ns, 0
            self._hashes, self._ids = self._hashes[:0], self._ids[:0]
        hashes, ids = [self._hashes], [self._ids]
        for stored in blocks_past_damage(reader, lambda _: None, self._position):
            block = stored.block
            rows = [
                (row, hash(name))
                for row, said in enumerate(block.metadata or ())
                if (name := file_name(said)) and not (SIZE in said and OWN in said)  # then it was not sent
            ]
            hashes.append(np.array([found for _, found in rows], np.int64))
            ids.append(block.ids[[row for row, _ in rows]])
            self._position = stored.position + len(block)
        if len(ids) > 1:
            self._hashes, self._ids = np.concatenate(hashes), np.concatenate(ids)


def _payload_named(reader: StreamReader, number: int, name: str) -> Message | None:
    message = reader.message(number)
    if message is None or message.array is None or file_name(message.metadata) != name:
        return None
    return message
