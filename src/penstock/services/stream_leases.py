"""Who writes which stream for whom: a writer goes with its connection, and comes back to who opened it.

A client whose connection broke opens its writer again, and sends again what was not answered. The old connection may
still be there, as nobody told it; the writer is taken from it.
"""

import threading
from collections import OrderedDict, deque
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, StateError
from penstock.streams.append_again import Appender, append_again
from penstock.streams.appendable import has_ended
from penstock.streams.store import Encoding, Store, StreamReader, StreamState, StreamWriter, Sync
from penstock.wire.stream_requests import Marks

__all__ = ["Holder", "WriterLease", "WriterLeases"]

_MOST_SETTLING_S: Final = 10.0
_MOST_OWNERS: Final = 1024
_MOST_REMEMBERED: Final = 1024
"""Appends of one owner; a client has far fewer unanswered."""

Sent = tuple[int, int, int, int]
"""First id, last id, number of messages and check sum of a block."""


class Holder(Protocol):
    """A connection, as leases know it."""

    def drop(self, why: str) -> None:
        """End it."""

    def has_left(self) -> bool:
        """Tell whether the other side has closed it, though what it sent may not be handled yet."""


class WriterLease:
    """The writer of one stream, lent to one connection at a time; each call makes sure that it still is."""

    def __init__(
        self, store: Store, address: StreamAddress, writer: StreamWriter | None, owner: str, who: str, holder: Holder
    ) -> None:
        self.address = address
        self.owner = owner
        self.who = who
        self.lock = threading.Lock()
        self.holder = holder
        self.is_closed = False
        self.left = threading.Event()
        """Set when it is closed."""
        self.remembered: deque[Sent] = deque(maxlen=_MOST_REMEMBERED)
        self._store = store
        self._writer = writer
        """``None``: the stream has ended, and only what was said before may be said again."""

    def append(
        self, holder: Holder, block: Block, encodings: tuple[Encoding | None, ...], crc: int, *, is_again: bool
    ) -> Marks:
        """Append a block; one that may be there already is compared."""
        with self.lock:
            self._check(holder)
            sent = (int(block.ids[0]), int(block.ids[-1]), len(block), crc) if len(block) else None
            if not is_again and self._writer is not None:
                self._writer.append(block, encodings)
            elif sent is None or sent not in self.remembered:
                with self._store.read(self.address) as reader:
                    append_again(self._writer or _Ended(reader), reader, block, encodings)
            if sent is not None:
                self.remembered.append(sent)
            return self._marks()

    def present(self, holder: Holder, ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """(n,), which ids are there."""
        with self.lock:
            self._check(holder)
            if self._writer is not None:
                return self._writer.present(ids)
            with self._store.read(self.address) as reader:
                return _Ended(reader).present(ids)

    def sync(self, holder: Holder) -> Marks:
        """Wait until all of it would survive a loss of power."""
        with self.lock:
            self._check(holder)
            if self._writer is not None:
                self._writer.sync()
            return self._marks()

    def marks(self, holder: Holder) -> Marks:
        """Tell how far it has come."""
        with self.lock:
            self._check(holder)
            return self._marks()

    def end(self, holder: Holder, state: str, text: str) -> Marks:
        """Finish or abort the stream."""
        with self.lock:
            self._check(holder)
            if self._writer is None:
                self._check_ended_so(state, text)
            elif state == StreamState.FINISHED:
                self._writer.finish(text)
            else:
                self._writer.abort(text)
            return self._marks()

    def close(self, holder: Holder) -> bool:
        """Let go, if it is still lent to that connection; return whether it was."""
        with self.lock:
            if self.holder is not holder or self.is_closed:
                return False
            self.is_closed = True
            try:
                if self._writer is not None:
                    self._writer.close()
            finally:
                self.left.set()
            return True

    def _check(self, holder: Holder) -> None:
        if self.is_closed or self.holder is not holder:
            raise StateError(f"{self.address}: this writer is closed, or its owner has opened it again")

    def _check_ended_so(self, state: str, text: str) -> None:
        info = self._store.info(self.address)
        said = info.next_stream if info.state is StreamState.FINISHED else info.reason
        if (info.state.value, said) != (state, text):
            raise ConflictError(f"{self.address} was {info.state.value} ({said!r}), and cannot be {state} ({text!r})")

    def _marks(self) -> Marks:
        if self._writer is not None:
            return Marks(self._writer.written, self._writer.synced, self._writer.last_id)
        info = self._store.info(self.address)
        arrived = info.count + info.removed
        return Marks(arrived, arrived if self._store.can_sync else 0, info.last_id)


class _Ended(Appender):
    """In the place of the writer of a stream that has ended."""

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader

    def present(self, ids: NDArray[np.uint64], /) -> NDArray[np.bool_]:
        there = [np.isin(ids, stored.block.ids) for stored in self._reader.get(int(ids[0]), int(ids[-1]))]
        return np.logical_or.reduce(there) if there else np.zeros(len(ids), np.bool_)

    def append(self, block: Block, encodings: object = (), /) -> None:
        info = self._reader.info
        raise has_ended(info.address, info.state.value, info.reason)


class WriterLeases:
    """All writers of a server."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._leases: dict[StreamAddress, WriterLease] = {}
        self._remembered: OrderedDict[tuple[str, StreamAddress], deque[Sent]] = OrderedDict()

    def open(
        self, holder: Holder, address: StreamAddress, sync: Sync, owner: str, who: str, *, is_again: bool
    ) -> WriterLease:
        """Lend a writer; to its owner also while another connection has it, which is dropped.

        Raises
        ------
        ConflictError, StateError, StoreFullError
            As ``Store.write`` does.
        """
        with self._lock:
            lease = self._leases.get(address)
        if lease is not None and owner and lease.owner == owner:
            with lease.lock:
                if not lease.is_closed:
                    before, lease.holder = lease.holder, holder
                    if before is not holder:
                        before.drop("its client has connected again")
                    return lease
        return self._new(holder, address, sync, owner, who, is_again=is_again)

    def settle(self, address: StreamAddress) -> None:
        """Wait until a writer is closed whose client has left: who saw it go must not find the stream still written."""
        with self._lock:
            lease = self._leases.get(address)
        if lease is not None and lease.holder.has_left():
            lease.left.wait(_MOST_SETTLING_S)

    def close(self, holder: Holder, lease: WriterLease) -> None:
        """Let go of a writer, unless it was taken over."""
        if lease.close(holder):
            with self._lock:
                if self._leases.get(lease.address) is lease:
                    del self._leases[lease.address]

    def _new(
        self, holder: Holder, address: StreamAddress, sync: Sync, owner: str, who: str, *, is_again: bool
    ) -> WriterLease:
        writer: StreamWriter | None = None
        try:
            writer = self._store.write(address, sync=sync)
        except ConflictError as error:
            with self._lock:
                other = self._leases.get(address)
            if other is None:
                raise
            raise ConflictError(f"{address} is written by {other.who}; one at a time can") from error
        except StateError:
            if not is_again:
                raise
        lease = WriterLease(self._store, address, writer, owner, who, holder)
        with self._lock:
            lease.remembered = self._remembered.setdefault((owner, address), lease.remembered)
            self._remembered.move_to_end((owner, address))
            if len(self._remembered) > _MOST_OWNERS:
                self._remembered.popitem(last=False)
            if writer is not None:
                self._leases[address] = lease
        return lease
