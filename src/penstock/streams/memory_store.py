"""The store that lies in the memory of one process, for its threads: nothing to clean up, and nothing left at the end.

It can be given a bound. Then the oldest blocks of all its streams make room for new ones, whoever has read them or not.
"""

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from time import time_ns
from typing import Any, ClassVar

from penstock.core.group_record import GroupReport
from penstock.core.id_ranges import of_ids
from penstock.core.retention import Piece, Retained, removals, retained_address, retention_address
from penstock.core.stream_address import StreamAddress
from penstock.core.stream_metadata import changed_metadata, plain_json
from penstock.errors import ConflictError, StateError, StreamError
from penstock.streams.appendable import check_is_stream, has_ended
from penstock.streams.declared_end import declared_address
from penstock.streams.group_report import report_of
from penstock.streams.ids_there import IdsThere
from penstock.streams.kept_group import KeptGroup
from penstock.streams.kept_retention import (
    RetainingStore,
    pin_group,
    pinned_groups,
    retention_to_use,
    unread_by_pinned,
)
from penstock.streams.member import become_member, group_name
from penstock.streams.membership import Membership
from penstock.streams.memory_groups import MemoryGroups
from penstock.streams.memory_log import StoredBytes
from penstock.streams.memory_logs import MemoryLogs
from penstock.streams.memory_reader import MemoryReader
from penstock.streams.memory_writer import MemoryWriter
from penstock.streams.store import Level, MetadataMode, StreamInfo, Sync

__all__ = ["MemoryStore"]


class MemoryStore(RetainingStore):
    """Durable streams that last as long as this object.

    Appending copies a block once; reading gives views of that copy. Removed and deleted blocks stay in memory as long
    as somebody holds arrays of them.

    Parameters
    ----------
    most_bytes
        What all blocks together may take, with their ids, timestamps and metadata; ``None`` for no bound. When there
        is no room, the oldest blocks are removed. A single block that is larger is refused.
    now_ns
        The clock, nanoseconds UTC.
    """

    level: ClassVar[Level] = Level.GROUPS
    can_sync: ClassVar[bool] = False

    def __init__(self, *, most_bytes: int | None = None, now_ns: Callable[[], int] = time_ns) -> None:
        self._logs = MemoryLogs(most_bytes, now_ns)
        self._now_ns = now_ns
        self._metadata: dict[StreamAddress, dict[str, Any]] = {}
        self._users: weakref.WeakSet[MemoryReader | MemoryWriter] = weakref.WeakSet()
        self._groups = MemoryGroups()
        self._is_closed = False

    def write(self, address: StreamAddress, *, sync: Sync = "interval") -> MemoryWriter:  # noqa: ARG002
        """Write a stream, a new one or on behind what there is; ``sync`` changes nothing, as memory survives nothing.

        A writer that nobody holds any more counts as closed.
        """
        check_is_stream(address)
        with self._logs.lock:
            self._check_open()
            log = self._logs.at(address)
            if log.end is not None:
                raise has_ended(address, log.end.value, log.info().reason)
            if log.writer:
                raise ConflictError(f"{address} is written by {log.writer}; one at a time can")
            if not log.is_there:
                self._logs.create(log)
            writer = MemoryWriter(self._logs, log)
            log.open(writer, f"{threading.current_thread().name} of process {os.getpid()}")
            self._users.add(writer)
            return writer

    def read(self, address: StreamAddress) -> MemoryReader:
        """Read a stream; one that is not there yet may come, also after it was deleted."""
        check_is_stream(address)
        with self._logs.lock:
            self._check_open()
            reader = MemoryReader(self._logs, self._logs.at(address))
            self._users.add(reader)
            return reader

    def streams(self, within: StreamAddress | None = None) -> Sequence[StreamInfo]:
        """List streams, those first that were created first."""
        with self._logs.lock:
            return [log.info() for log in self._logs.within(within)]

    def delete(self, address: StreamAddress) -> bool:
        """Remove exactly this stream and its metadata; return whether it was there."""
        check_is_stream(address)
        with self._logs.lock:
            log = self._logs.at(address)
            if log.writer:
                raise ConflictError(f"{address} is written by {log.writer}; it can be deleted when that has closed it")
            self._metadata.pop(address, None)
            with suppress(StreamError):  # of a name so long that nothing can have been said
                self._metadata.pop(declared_address(address), None)
                self._metadata.pop(retention_address(address), None)
            self._groups.delete(address)
            return self._logs.remove(log)

    def group(
        self, address: StreamAddress, name: str, *, survives_power_loss: bool = False, **rules: Any
    ) -> Membership:
        """Become a member of a group; ``survives_power_loss`` changes nothing, as memory survives nothing."""
        del survives_power_loss
        there = IdsThere(self.read(address))
        return become_member(self._groups.group(address, group_name(name)), there, left=there.close, **rules)

    def kept_group(self, address: StreamAddress, name: str) -> KeptGroup:
        """Return where a group is kept, for who hands out messages by rules of its own; the caller closes it."""
        return self._groups.group(address, group_name(name))

    def groups(self, address: StreamAddress) -> Sequence[str]:
        """List the groups of a stream."""
        return self._groups.names(address)

    def group_report(self, address: StreamAddress, name: str) -> GroupReport | None:
        """Return how a group is without becoming a member; ``None`` if it is not there."""
        with self.read(address) as reader:
            return report_of(self._groups.group(address, name), IdsThere(reader))

    def delete_group(self, address: StreamAddress, name: str) -> bool:
        """Forget a group; return whether it was there."""
        if name in pinned_groups(self, address):
            pin_group(self, address, name, is_pinned=False)
        return self._groups.delete(address, name)

    def retain(
        self,
        address: StreamAddress,
        *,
        age_s: float | None = None,
        nbytes: int | None = None,
        count: int | None = None,
        keep: int | None = None,
        even_unread: bool = False,
    ) -> Retained:
        """Remove the oldest blocks of a stream that exceed a limit; see `RetainingStore.retain`."""
        check_is_stream(address)
        retention = retention_to_use(self, address, age_s=age_s, nbytes=nbytes, count=count, even_unread=even_unread)
        with self._logs.lock:
            self._check_open()
            log = self._logs.at(address)
            entries = self._logs.blocks_of(log)
        # Not under the lock, which groups take while they are held; what comes meanwhile is not among the entries.
        numbers, retained = removals(
            [_piece(number, entry) for number, entry in enumerate(entries)],
            retention,
            self._now_ns(),
            ids_of=lambda number: of_ids(entries[number].stored.block.ids),
            unread=lambda: unread_by_pinned(self, address),
            keep=keep,
        )
        gone = set(entries[: len(numbers)])
        with self._logs.lock:  # the bound may have removed some already
            self._logs.remove_oldest(log, sum(entry in gone for entry in self._logs.blocks_of(log)))
        return retained

    def retain_all(self) -> Iterator[tuple[StreamAddress, Retained | StreamError]]:
        """Remove what is too much of all streams of which something was said; see `RetainingStore.retain_all`."""
        with self._logs.lock:
            sources = {address.parent for address in self._metadata if retained_address(address) is not None}
            addresses = [log.address for source in sources for log in self._logs.within(source)]
        for address in addresses:
            try:
                yield address, self.retain(address)
            except StreamError as error:
                yield address, error

    def metadata(self, address: StreamAddress) -> Mapping[str, Any] | None:
        """Return what was said of a beamtime, source or stream; ``None`` if nothing was."""
        with self._logs.lock:
            found = self._metadata.get(address)
        return None if found is None else dict(plain_json(found, str(address)))

    def set_metadata(
        self, address: StreamAddress, value: Mapping[str, Any], mode: MetadataMode = "replace", *, upsert: bool = True
    ) -> None:
        """Say something of a beamtime, source or stream, which need not be there."""
        with self._logs.lock:
            self._check_open()
            old = self._metadata.get(address)
            self._metadata[address] = changed_metadata(str(address), old, value, mode, upsert=upsert)

    def close(self) -> None:
        """Let go of everything, also of readers and writers."""
        with self._logs.lock:
            self._is_closed = True
            users = list(self._users)
        for user in users:  # not under the lock: a writer that appends must be able to take it
            user.close()
        with self._logs.lock:
            self._metadata.clear()
            for log in self._logs.within(None):
                self._logs.remove(log)

    def _check_open(self) -> None:
        if self._is_closed:
            raise StateError("the store is closed")


def _piece(number: int, entry: StoredBytes) -> Piece:
    stored = entry.stored
    n = len(stored.block)
    return Piece(number=number, messages=n, nbytes=entry.nbytes, newest_ns=entry.appended_ns, end=stored.position + n)
