"""Writes one stream of a memory store: each block is copied once, into memory that nobody can write afterwards."""

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.errors import StateError, StoreFullError
from penstock.streams.appendable import check_appendable, conflict, has_ended
from penstock.streams.memory_log import MemoryLog, StoredBytes
from penstock.streams.memory_logs import MemoryLogs
from penstock.streams.store import Encoding, StoredBlock, StreamState, StreamWriter
from penstock.wire.layout import ALIGNMENT, pack_block, read_block

__all__ = ["MemoryWriter"]


class MemoryWriter(StreamWriter):
    """The writer of one stream; may be used from several threads."""

    def __init__(self, logs: MemoryLogs, log: MemoryLog) -> None:
        self._logs = logs
        self._log = log
        self._appending = threading.Lock()  # so that blocks are copied without keeping readers waiting
        self._is_closed = False

    @property
    def last_id(self) -> int:
        """The largest id so far; 0 for none."""
        with self._logs.lock:
            return self._log.last_id

    @property
    def synced(self) -> int:
        """0: nothing here survives a loss of power."""
        return 0

    @property
    def written(self) -> int:
        """How many messages readers can see, or could before they were removed."""
        with self._logs.lock:
            return self._log.index.arrived

    def append(self, block: Block, encodings: Sequence[Encoding | None] = ()) -> None:
        """Write messages; readers see all of them when it returns, or none."""
        with self._appending:
            with self._logs.lock:
                self._check_open()
                check_appendable(self._log.address, block, encodings)
                if not len(block):
                    return
                if int(block.ids[0]) <= self._log.last_id and (present := self._log.contains(block.ids)).any():
                    raise conflict(self._log.address, block.ids[present])
            stored, nbytes = self._copied(block)
            with self._logs.lock:
                self._check_open()
                position = self._log.index.arrived
                entry = StoredBlock(block=stored, encodings=tuple(encodings), position=position)
                self._logs.put(self._log, StoredBytes(entry, nbytes))

    def present(self, ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """(n,), which of some ids are there already, also of messages that were removed."""
        with self._logs.lock:
            return self._log.contains(ids)

    def sync(self) -> None:
        """Return at once: nothing here survives a loss of power."""

    def finish(self, next_stream: str = "") -> None:
        """Say that this was all."""
        self._end(StreamState.FINISHED, next_stream)

    def abort(self, reason: str) -> None:
        """Say that the rest will never come."""
        self._end(StreamState.ABORTED, reason)

    def close(self) -> None:
        """Let go of the stream, which somebody else may write from now on."""
        with self._appending, self._logs.lock:
            if not self._is_closed:
                self._is_closed = True
                self._log.let_go()

    def _end(self, state: StreamState, text: str) -> None:
        with self._appending, self._logs.lock:
            if self._is_closed and self._log.end is None:
                raise StateError(f"{self._log.address}: this writer is closed; it cannot end the stream")
            self._log.end_as(state, text)

    def _check_open(self) -> None:
        if self._log.end is not None:
            raise has_ended(self._log.address, self._log.end.value, self._log.info().reason)
        if self._is_closed:
            raise StateError(f"{self._log.address}: this writer is closed")

    def _copied(self, block: Block) -> tuple[Block, int]:
        """Return a copy that nobody can write, and the bytes it takes."""
        packed = pack_block(block)
        nbytes = packed.places.end
        most = self._logs.most_bytes
        if most is not None and nbytes > most:
            raise StoreFullError(f"{self._log.address}: a block of {nbytes} bytes; the store may take {most} in all")
        try:
            memory = np.empty(nbytes + ALIGNMENT, np.uint8)
        except MemoryError as error:
            raise StoreFullError(f"{self._log.address}: there is no memory for a block of {nbytes} bytes") from error
        start = -memory.ctypes.data % ALIGNMENT
        layout = packed.write(memory[start : start + nbytes])
        memory.flags.writeable = False  # of the owner, so that no view of it can be made writable again
        return read_block(layout, memory[start : start + nbytes], self._log.address.stream), nbytes
