"""A recorded source again: the blocks that were read live, with the ids that they had."""

from collections.abc import Iterator
from typing import Any

from penstock.core import NS_PER_S, Kind
from penstock.core.block import Block
from penstock.core.decoder import Traits
from penstock.core.stream_address import StreamAddress
from penstock.elements.source import Reading, Source
from penstock.elements.stream_traits import read_traits
from penstock.errors import PenstockError, SourceError
from penstock.streams.opened import opened_store
from penstock.streams.store import Store, StoredBlock, StreamReader

__all__ = ["ReplayedSource"]


class ReplayedSource(Source):
    """Give a recorded stream once, up to what was recorded, as fast as it is read or in its own time.

    Parameters
    ----------
    address
        Of the stream.
    store
        A folder, or a store, which stays the caller's.
    speed
        In its own time times this: a block of data comes when as much time has passed as its last message is behind
        the stream's first one, by their timestamps. 0: as fast as it goes.
    """

    is_repeatable = True

    def __init__(self, address: str, *, store: Any = "", speed: float = 0.0) -> None:  # str | Store
        self.address = StreamAddress.parse(address)
        self._given = store
        self._speed = speed
        self._store: Store | None = None
        self._traits: Traits | None = None
        self._reader: StreamReader | None = None
        self._blocks: Iterator[StoredBlock] = iter(())
        self._next: Block | None = None
        self._zero: tuple[int, int] | None = None
        """What the clock said when the first block of data was due, and what its first message says."""

    @property
    def traits(self) -> Traits:  # type: ignore[override]  # those that were recorded
        """Those of the instrument that was recorded."""
        if self._traits is None:
            was_open = self._store is not None
            self._traits = read_traits(self._opened(), self.address)
            if not was_open:
                self.close()
        return self._traits

    def open(self) -> None:
        """Open the stream.

        Raises
        ------
        SourceError
            If the store cannot be had.
        """
        self._reader = self._opened().read(self.address)
        self._blocks = self._reader.blocks()
        self._zero = None
        self._fetch()

    def close(self) -> None:
        """Let go of stream and store."""
        if self._reader is not None:
            self._reader.close()
        if self._store is not None and self._store is not self._given:
            self._store.close()
        self._reader = self._store = None
        self._blocks, self._next = iter(()), None

    def wait_s(self, now_ns: int) -> float | None:
        """Return for how long the next block's time has not come, if it goes by its own time."""
        if not self._speed or self._next is None or self._next.kind is not Kind.DATA:
            return None  # a header may go by another clock
        if self._zero is None:
            self._zero = now_ns, int(self._next.timestamps[0])
        began_ns, first_ns = self._zero
        due_ns = began_ns + (int(self._next.timestamps[-1]) - first_ns) / self._speed
        return max(0.0, (due_ns - now_ns) / NS_PER_S)

    def read(self, now_ns: int) -> Reading:  # noqa: ARG002 - what was recorded has its time
        """Return the next block."""
        block = self._next
        if block is None:
            return Reading(ended=True)
        self._fetch()
        return Reading(blocks=[block], ended=self._next is None)

    def _fetch(self) -> None:
        try:
            stored = next(self._blocks, None)
        except PenstockError as error:
            raise SourceError(f"{self.address}: {error}") from error
        if stored is None:
            self._next = None
            return
        block = stored.encoded_block
        self._next = Block(
            stream=self.stream, kind=block.kind, ids=block.ids, keys=block.keys, timestamps=block.timestamps,
            metadata=block.metadata, columns=block.columns,
        )  # fmt: skip

    def _opened(self) -> Store:
        if self._store is None:
            try:
                self._store = opened_store(self._given, self.folder) if isinstance(self._given, str) else self._given
            except (PenstockError, OSError) as error:
                raise SourceError(f"{self.address}: {error}") from error
        return self._store
