"""A memory store whose writers fail when a test says so, before or after they have written."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.core.encoding import Encoding
from penstock.core.stream_address import StreamAddress
from penstock.streams.memory_store import MemoryStore
from penstock.streams.memory_writer import MemoryWriter
from penstock.streams.store import StreamWriter, Sync

__all__ = ["FailingStore"]

Plan = Callable[[Block], Exception | None]


def nothing(block: Block) -> Exception | None:
    """Let it be written."""


class FailingStore(MemoryStore):
    """``before`` and ``after`` return what to raise where a block is appended."""

    can_sync = True  # so that what asks for it can be tried

    def __init__(self, *, before: Plan = nothing, after: Plan = nothing, **options: Any) -> None:
        super().__init__(**options)
        self.before, self.after = before, after
        self.blocks: list[int] = []
        """How many messages each block had that was written."""
        self.syncs = 0
        self.sync_error: Exception | None = None

    def write(self, address: StreamAddress, *, sync: Sync = "interval") -> Any:
        return FailingWriter(self, super().write(address, sync=sync))


class FailingWriter(StreamWriter):
    """A writer of a failing store."""

    def __init__(self, store: FailingStore, writer: MemoryWriter) -> None:
        self._store = store
        self._writer = writer

    @property
    def last_id(self) -> int:
        return self._writer.last_id

    @property
    def synced(self) -> int:
        return self._writer.synced

    @property
    def written(self) -> int:
        return self._writer.written

    def append(self, block: Block, encodings: Sequence[Encoding | None] = ()) -> None:
        error = self._store.before(block)
        if error is not None:
            raise error
        self._writer.append(block, encodings)
        self._store.blocks.append(len(block))
        error = self._store.after(block)
        if error is not None:
            raise error

    def present(self, ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        return self._writer.present(ids)

    def sync(self) -> None:
        self._store.syncs += 1
        if self._store.sync_error is not None:
            raise self._store.sync_error

    def finish(self, next_stream: str = "") -> None:
        self._writer.finish(next_stream)

    def abort(self, reason: str) -> None:
        self._writer.abort(reason)

    def close(self) -> None:
        self._writer.close()
