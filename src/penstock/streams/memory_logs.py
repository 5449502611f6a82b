"""All streams of a memory store, in the order in which they were created, and the bound that they share."""

import threading
import weakref
from collections import deque
from collections.abc import Callable

from penstock.core.stream_address import StreamAddress
from penstock.streams.memory_log import MemoryLog, StoredBytes

__all__ = ["MemoryLogs"]


class MemoryLogs:
    """Streams by address. Every call, also of a stream's own, is made under ``lock``.

    Parameters
    ----------
    most_bytes, now_ns
        As ``MemoryStore`` takes them.
    """

    def __init__(self, most_bytes: int | None, now_ns: Callable[[], int]) -> None:
        self.most_bytes = most_bytes
        self._now_ns = now_ns
        # One lock for all: nothing long is done under it, and a bound concerns all streams at once.
        self.lock = threading.RLock()
        self._known: weakref.WeakValueDictionary[StreamAddress, MemoryLog] = weakref.WeakValueDictionary()
        self._there: dict[StreamAddress, MemoryLog] = {}
        self._oldest: deque[tuple[MemoryLog, StoredBytes]] = deque()
        self._nbytes = 0
        self._created = 0

    def at(self, address: StreamAddress) -> MemoryLog:
        """Return a stream, which may not be there yet; whoever holds it will see it come."""
        log = self._known.get(address)
        if log is None:
            log = self._known[address] = MemoryLog(address)
        return log

    def within(self, address: StreamAddress | None) -> list[MemoryLog]:
        """Return the streams that are there, all or those at or below an address, in the order of their creation."""
        found = [log for log in self._there.values() if address is None or log.address in address]
        return sorted(found, key=lambda log: log.order)

    def create(self, log: MemoryLog) -> None:
        """Let a stream be there, created after all others; once more when its first message comes."""
        self._there[log.address] = log
        self._created += 1
        log.create(self._created, self._now_ns())

    def put(self, log: MemoryLog, entry: StoredBytes) -> None:
        """Add a block to a stream, and remove the oldest of all streams as the bound demands."""
        if not log.index.arrived:
            self.create(log)
        self._nbytes += entry.nbytes
        while self.most_bytes is not None and self._nbytes > self.most_bytes:
            self._nbytes -= self._oldest.popleft()[0].remove_oldest()
        self._oldest.append((log, entry))
        log.add(entry, self._now_ns())

    def blocks_of(self, log: MemoryLog) -> list[StoredBytes]:
        """Return the blocks of a stream, those first that arrived first."""
        return [entry for owner, entry in self._oldest if owner is log]

    def remove_oldest(self, log: MemoryLog, count: int) -> None:
        """Remove as many blocks of a stream, those that arrived first."""
        kept: deque[tuple[MemoryLog, StoredBytes]] = deque()
        for owner, entry in self._oldest:
            if owner is log and count:
                self._nbytes -= log.remove_oldest()
                count -= 1
            else:
                kept.append((owner, entry))
        self._oldest = kept

    def remove(self, log: MemoryLog) -> bool:
        """Remove a stream; return whether it was there."""
        if not log.is_there:
            return False
        self._nbytes -= sum(entry.nbytes for owner, entry in self._oldest if owner is log)
        self._oldest = deque(pair for pair in self._oldest if pair[0] is not log)
        del self._there[log.address]
        log.clear()
        log.notify()
        return True
