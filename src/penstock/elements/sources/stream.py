"""A durable stream as a source: what is there, then what comes, until its producer says that this was all."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from msgspec.structs import replace

from penstock.core.block import Block
from penstock.core.decoder import Traits
from penstock.core.stream_address import StreamAddress
from penstock.elements.source import Reading, Source
from penstock.elements.stream_traits import read_traits
from penstock.errors import PenstockError, SourceError, StreamError
from penstock.streams.opened import DEFAULT_STORE, opened_store
from penstock.streams.store import Store, StoredBlock, StreamReader, StreamState

__all__ = ["StreamSource"]

FINAL = (StreamState.FINISHED, StreamState.ABORTED)


class StreamSource(Source):
    """Read a durable stream from its beginning, in the order of arrival, and follow it until it ends.

    Messages get ids of their own, from 1, as those of any source. Where they have no key, the ids that their producer
    gave become their keys, so that a join by key finds them. A stream that has ended is read as a file is: never late.
    One whose writer has gone without a word is waited for.

    Parameters
    ----------
    address
        ``beamtime/source/stream``; the stream may not be there yet.
    store
        The folder it is kept in; by default the pipeline's ``store``.

    Raises
    ------
    SourceError
        If ``address`` is none of a stream.
    """

    is_repeatable = True

    def __init__(self, address: str, *, store: Any = DEFAULT_STORE) -> None:  # str | Store
        try:
            self.address = StreamAddress.parse(address)
        except StreamError as error:
            raise SourceError(str(error)) from error
        if not self.address.is_stream:
            raise SourceError(f"{address} names no stream; write beamtime/source/stream")
        self._given = store
        self._store: Store | None = None
        self._traits: Traits | None = None
        self._reader: StreamReader | None = None
        self._blocks: Iterator[StoredBlock] = iter(())
        self._position = 0
        self._is_file = False

    @property
    def traits(self) -> Traits:  # type: ignore[override]  # those that were recorded
        """Those of the instrument that was recorded; of another stream nothing is known."""
        if self._traits is None:
            was_open = self._store is not None
            self._traits = read_traits(self._opened(), self.address)
            if not was_open:
                self.close()
        return self._traits

    @property
    def pollable(self) -> int | None:
        """What tells that there is more; nothing if the stream had ended when it was opened."""
        return None if self._reader is None or self._is_file else self._reader.fileno()

    def open(self) -> None:
        """Open the stream.

        Raises
        ------
        SourceError
            If the store cannot be had.
        """
        self.close()
        self._reader = self._opened().read(self.address)
        self._is_file = self._reader.info.state in FINAL

    def close(self) -> None:
        """Let go of stream and store."""
        if self._reader is not None:
            self._reader.close()
        if self._store is not None and self._store is not self._given:
            self._store.close()
        self._reader = self._store = None
        self._blocks, self._position = iter(()), 0

    def read(self, now_ns: int) -> Reading:  # noqa: ARG002 - its messages have their time
        """Return the next block.

        Raises
        ------
        SourceError
            If the stream was aborted, or what is stored is damaged.
        """
        if self._reader is None:
            return Reading(ended=True)
        try:
            stored = next(self._blocks, None) or self._more(self._reader)
        except StreamError as error:
            raise SourceError(f"{self.address}: {error}") from error
        if stored is not None:
            return Reading(blocks=[self._numbered(stored.block)])
        return self._end(self._reader)

    def _more(self, reader: StreamReader) -> StoredBlock | None:
        if not self._is_file:
            reader.wait(self._position, 0)  # makes the descriptor quiet before it is looked whether there is more
        self._blocks = reader.blocks(self._position)
        return next(self._blocks, None)

    def _end(self, reader: StreamReader) -> Reading:
        info = reader.info
        if info.state not in FINAL or info.count + info.removed > self._position:
            return Reading()
        if info.state is StreamState.ABORTED:
            raise SourceError(f"{self.address}: its producer gave up: {info.reason}")
        return Reading(ended=True)

    def _numbered(self, block: Block) -> Block:
        first = self._position + 1
        self._position += len(block)
        ids = np.arange(len(block), dtype=np.uint64) + np.uint64(first)
        return replace(block, stream=self.stream, ids=ids, keys=block.ids if block.keys is None else block.keys)

    def _opened(self) -> Store:
        if self._store is None:
            try:
                self._store = opened_store(self._given, self.folder) if isinstance(self._given, str) else self._given
            except (PenstockError, OSError) as error:
                raise SourceError(f"{self.address}: {error}") from error
        return self._store
