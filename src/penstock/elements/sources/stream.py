"""A durable stream as a source: what is there, then what comes, until its producer says that this was all.

Alone it reads all of the stream; as a member of a group, what no other member has, and acknowledges what is accounted
for.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.core.decoder import Traits
from penstock.core.stream_address import StreamAddress
from penstock.elements.source import Reading, Source
from penstock.elements.stream_traits import read_traits
from penstock.errors import PenstockError, SourceError, StreamError
from penstock.extra import extra
from penstock.streams.group_blocks import GroupBlocks
from penstock.streams.membership import GroupStore
from penstock.streams.opened import DEFAULT_STORE, opened_store
from penstock.streams.store import Store, StoredBlock, StreamReader, StreamState

with extra("run"):
    from annotated_types import Ge

__all__ = ["StreamSource"]

FINAL = (StreamState.FINISHED, StreamState.ABORTED)


class StreamSource(Source):
    """Read a durable stream from its beginning, in the order of arrival, and follow it until it ends.

    In a group each message goes to one member, and is acknowledged when all that came of it is accounted for. What a
    pipeline had when it was killed is given to the others, or to the next run; so a message may come again, and it is
    never lost. It ends when the stream has ended and no other member has anything.

    Messages get ids of their own, from 1, as those of any source. Where they have no key, the ids that their producer
    gave become their keys, so that a join by key finds them. A stream that has ended is read as a file is: never late.
    One whose writer has gone without a word is waited for.

    Parameters
    ----------
    address
        ``beamtime/source/stream``; the stream may not be there yet.
    store
        A folder, from the pipeline's, or ``tcp://HOST:PORT``; by default the pipeline's ``store``.
    group
        The name of the group; empty for none.
    attempts
        How often a message is given to a member of the group, until it is a dead letter; 0: without limit.
    lease_s
        How long a member that is not heard of keeps what it has, in s.

    Raises
    ------
    SourceError
        If ``address`` is none of a stream.
    """

    def __init__(
        self,
        address: str,
        *,
        store: Any = DEFAULT_STORE,  # str | Store
        group: str = "",
        attempts: Annotated[int, Ge(0)] = 0,
        lease_s: Annotated[float, Ge(0.05)] = 30.0,
    ) -> None:
        try:
            self.address = StreamAddress.parse(address)
        except StreamError as error:
            raise SourceError(str(error)) from error
        if not self.address.is_stream:
            raise SourceError(f"{address} names no stream; write beamtime/source/stream")
        self._given_store = store
        self._store: Store | None = None
        self._traits: Traits | None = None
        self._reader: StreamReader | None = None
        self._blocks: Iterator[StoredBlock] = iter(())
        self._position = 0
        self._is_file = False
        self._is_closed = False
        self._group, self._attempts, self._lease_s = group, attempts, lease_s
        self._member: GroupBlocks | None = None
        self._given: dict[int, tuple[NDArray[np.uint64], int]] = {}
        """By the first id given here, the ids in the stream and the epoch of the claim, of blocks not settled."""
        self.wants_settled = bool(group)

    @property
    def is_repeatable(self) -> bool:  # type: ignore[override]  # it depends
        """Whether one that is made anew gives the same: alone, but not as a member of a group."""
        return not self._group

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
        store = self._opened()
        self._reader = store.read(self.address)
        if not self._group:
            self._is_file = self._reader.info.state in FINAL
            return
        if not isinstance(store, GroupStore):
            raise SourceError(f"{self.address}: a {type(store).__name__} has no groups; leave group out")
        try:
            member = store.group(self.address, self._group, attempts=self._attempts, lease_s=self._lease_s)
        except (PenstockError, OSError) as error:
            raise SourceError(f"{self.address}, group {self._group}: {error}") from error
        self._member = GroupBlocks(self._reader, member)

    def close(self) -> None:
        """Let go of stream and store; a member of a group keeps what is not settled, until it leaves."""
        if self._member is not None:
            self._is_closed = True
            return
        if self._reader is not None:
            self._reader.close()
        if self._store is not None and self._store is not self._given_store:
            self._store.close()
        self._reader = self._store = None
        self._blocks, self._position = iter(()), 0

    def settle(self, first_id: int, last_id: int) -> None:  # noqa: ARG002 - it is that of the block
        """Acknowledge a block.

        Raises
        ------
        SourceError
            If that cannot be written.
        """
        ids, epoch = self._given.pop(first_id)
        assert self._member is not None, "only a member of a group is told"
        try:
            self._member.acknowledge(ids, epoch)
        except (PenstockError, OSError) as error:
            raise SourceError(f"{self.address}, group {self._group}: {error}") from error

    def leave(self) -> None:
        """Write what was acknowledged, and give the rest back to the group."""
        member, self._member = self._member, None
        try:
            if member is not None:
                member.leave()
        finally:
            self._given.clear()
            self.close()

    def read(self, now_ns: int) -> Reading:  # noqa: ARG002 - its messages have their time
        """Return the next block.

        Raises
        ------
        SourceError
            If the stream was aborted, or what is stored is damaged.
        """
        if self._reader is None or self._is_closed:
            return Reading(ended=True)
        if self._member is not None:
            return self._read_in_group(self._member)
        try:
            stored = next(self._blocks, None) or self._more(self._reader)
        except StreamError as error:
            raise SourceError(f"{self.address}: {error}") from error
        if stored is not None:
            return Reading(blocks=[self._numbered(stored.encoded_block)])
        return self._end(self._reader)

    def _read_in_group(self, member: GroupBlocks) -> Reading:
        try:
            found = member.next()
            if found is None:
                return self._group_end(member)
        except (PenstockError, OSError) as error:
            raise SourceError(f"{self.address}, group {self._group}: {error}") from error
        block, epoch = found
        self._given[self._position + 1] = block.ids, epoch
        return Reading(blocks=[self._numbered(block)])

    def _group_end(self, member: GroupBlocks) -> Reading:
        ended = member.end
        if ended is None:
            return Reading()
        if ended.state is StreamState.ABORTED:
            raise SourceError(f"{self.address}: its producer gave up: {ended.reason}")
        return Reading(ended=True)

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
                self._store = self._own_or_given()
            except (PenstockError, OSError) as error:
                raise SourceError(f"{self.address}: {error}") from error
        return self._store

    def _own_or_given(self) -> Store:
        given = self._given_store
        return opened_store(given, self.folder) if isinstance(given, str) else given
