"""Reads one stream of a memory store: views of what lies there, and an eventfd to wait for more."""

import os
from collections.abc import Iterator
from select import POLLIN, poll
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from penstock.errors import StateError
from penstock.streams.block_index import BlockIndex
from penstock.streams.id_order import by_id
from penstock.streams.memory_log import MemoryLog, StoredBytes
from penstock.streams.memory_logs import MemoryLogs
from penstock.streams.store import StoredBlock, StreamInfo, StreamReader

__all__ = ["MemoryReader"]


class MemoryReader(StreamReader):
    """A reader of one stream; the writer tells it by an eventfd that there is more."""

    def __init__(self, logs: MemoryLogs, log: MemoryLog) -> None:
        self._lock = logs.lock
        self._log = log
        self._fd = -1  # an eventfd, made when somebody waits
        self._is_told = False
        self._is_waiting = False
        self._is_closed = False

    @property
    def info(self) -> StreamInfo:
        """How the stream is, as of now."""
        with self._lock:
            return self._log.info()

    def blocks(self, position: int = 0) -> Iterator[StoredBlock]:
        """Yield what is there now, in the order of arrival; blocks that are removed meanwhile are left out."""
        with self._lock:
            return self._follow(self._log.index, position)

    def get(self, first_id: int, last_id: int | None = None) -> Iterator[StoredBlock]:
        """Yield the messages of some ids that are there, ids ascending, without copying them."""
        last_id = first_id if last_id is None else last_id
        with self._lock:
            found = self._log.with_ids(first_id, last_id)
        return by_id(found, first_id, last_id)

    def ids(self, first_id: int = 1, limit: int = 1 << 20) -> NDArray[np.uint64]:
        """(n,), the ids that are there, ascending, from ``first_id`` on."""
        with self._lock:
            return self._log.ids(first_id, limit)

    def between(self, first_ns: int, last_ns: int) -> Iterator[StoredBlock]:
        """Yield the messages of some time, in the order of arrival; copied only where they do not lie side by side."""
        with self._lock:
            found = list(self._log.between(first_ns, last_ns))
        return filter(None, (_of_time(stored, first_ns, last_ns) for stored in found))

    def wait(self, position: int, timeout_s: float | None = None) -> bool:
        """Wait until more than ``position`` messages have arrived, or the stream has ended."""
        end = None if timeout_s is None else monotonic() + timeout_s
        with self._lock:
            poller = self._begin_waiting()
        try:
            while not self._has_more(position):
                left_ms = None if end is None else 1000 * (end - monotonic())
                if left_ms is not None and left_ms <= 0:
                    return False
                poller.poll(left_ms)
            return True
        finally:
            with self._lock:
                self._is_waiting = False
                self._close_if_done()

    def fileno(self) -> int:
        """Return a descriptor that can be read when something has changed; ``wait`` with 0 s makes it quiet again."""
        with self._lock:
            self._listen()
            return self._fd

    def close(self) -> None:
        """Let go, and end a ``wait`` of another thread; arrays that somebody holds stay valid."""
        with self._lock:
            self._is_closed = True
            self.notify()
            self._close_if_done()

    def notify(self) -> None:
        """Make the descriptor readable; called under the store's lock."""
        if self._fd >= 0 and not self._is_told:
            self._is_told = True
            os.eventfd_write(self._fd, 1)

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def _follow(self, index: BlockIndex[StoredBytes], position: int) -> Iterator[StoredBlock]:
        end = index.arrived
        while position < end:
            with self._lock:
                found = index.at(position)
            if found is None or found[0] >= end:
                return
            begin, entry = found
            skipped = max(position - begin, 0)
            # Cut also where all of it is meant: metadata are decoded for each who reads, and may be changed by them.
            yield entry.stored.take(slice(skipped, None))
            position = begin + len(entry.stored.block)

    def _has_more(self, position: int) -> bool:
        """Tell what ``wait`` asks, having made the descriptor quiet."""
        with self._lock:
            if self._is_told:
                self._is_told = False
                os.eventfd_read(self._fd)
            if self._is_closed:
                raise StateError(f"{self._log.address}: this reader is closed")
            return self._log.index.arrived > position or self._log.end is not None

    def _begin_waiting(self) -> poll:
        self._listen()
        self._is_waiting = True
        poller = poll()
        poller.register(self._fd, POLLIN)
        return poller

    def _listen(self) -> None:
        if self._is_closed:
            raise StateError(f"{self._log.address}: this reader is closed")
        if self._fd < 0:
            self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._log.listeners.add(self)
            self.notify()  # something may have changed since the caller looked

    def _close_if_done(self) -> None:
        """Give the descriptor back, unless somebody waits for it."""
        if self._is_closed and not self._is_waiting and self._fd >= 0:
            self._log.listeners.discard(self)
            os.close(self._fd)
            self._fd = -1


def _of_time(stored: StoredBlock, first_ns: int, last_ns: int) -> StoredBlock | None:
    timestamps = stored.block.timestamps
    rows = np.flatnonzero((timestamps >= first_ns) & (timestamps <= last_ns))
    if not len(rows):
        return None
    first, last = int(rows[0]), int(rows[-1])
    return stored.take(slice(first, last + 1) if last - first == len(rows) - 1 else rows)
