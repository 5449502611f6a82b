"""Reads one stream of a store server: what is there is fetched, and what comes is sent without being asked for."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.stream_address import StreamAddress
from penstock.errors import IntegrityError, PenstockError, RemoteProtocolError, StateError
from penstock.streams.at_hand import AtHand
from penstock.streams.remote_connection import RemoteConnection
from penstock.streams.remote_feed import FetchCall, FollowCall
from penstock.streams.store import StoredBlock, StreamInfo, StreamReader
from penstock.wire import stream_requests as say

__all__ = ["RemoteReader", "read_value"]

T = TypeVar("T")


class RemoteReader(StreamReader):
    """A reader of one stream; after a connection broke it goes on where it was."""

    def __init__(self, connection: RemoteConnection, address: StreamAddress, at_hand: AtHand) -> None:
        self.address = address
        self._connection = connection
        self._at_hand = at_hand
        at_hand.begin()
        self._follow: FollowCall | None = None
        self._fd = -1
        self._informed = 0
        """How many messages had arrived when that was last asked."""
        self._lock = threading.Lock()  # of the descriptor, and of what is open
        self._is_closed = False

    @property
    def info(self) -> StreamInfo:
        """How the stream is, as of now."""
        value, _ = self._connection.request(say.Info(str(self.address))).done()
        info = read_value(value, StreamInfo)
        self._informed = info.count + info.removed
        return info

    def blocks(self, position: int = 0) -> Iterator[StoredBlock]:
        """Yield what is there now; what was sent already as it came is not asked for again.

        If anything was, and ``info`` has told of no more, what has not been told of yet is not asked for either:
        ``wait`` will see it come.
        """
        follow, begin = self._follow, position
        if follow is not None:
            for stored in follow.taken(position):
                yield stored
                position = stored.position + len(stored.block)
            if position > begin and not follow.has_more(position) and position >= self._informed:
                return
        yield from self._fetched(say.Fetch(str(self.address), "position", position))

    def get(self, first_id: int, last_id: int | None = None) -> Iterator[StoredBlock]:
        """Yield the messages of some ids that are there; what a claim has brought is not asked for again."""
        last_id = first_id if last_id is None else last_id
        at_hand = self._at_hand.take(first_id, last_id)
        if not at_hand:
            return self._fetched(say.Fetch(str(self.address), "id", first_id, last_id))
        behind = int(at_hand[-1].block.ids[-1]) + 1
        if behind > last_id:
            return iter(at_hand)
        return chain(at_hand, self._fetched(say.Fetch(str(self.address), "id", behind, last_id)))

    def ids(self, first_id: int = 1, limit: int = 1 << 20) -> NDArray[np.uint64]:
        """(n,), the ids that are there, ascending, from ``first_id`` on."""
        _, body = self._connection.request(say.Ids(str(self.address), first_id, limit)).done()
        if len(body) % 8 or len(body) > 8 * limit:
            raise RemoteProtocolError(f"{self.address}: {len(body)} bytes are not at most {limit} ids")
        return body.view("<u8")

    def between(self, first_ns: int, last_ns: int) -> Iterator[StoredBlock]:
        """Yield the messages of some time, in the order of arrival."""
        return self._fetched(say.Fetch(str(self.address), "time", first_ns, last_ns))

    def wait(self, position: int, timeout_s: float | None = None) -> bool:
        """Wait until more than ``position`` messages have arrived, or the stream has ended; return whether that is so.

        While the server is away it goes on waiting.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self._make_quiet()
            follow = self._following(position)
            left_s = None if end is None else max(end - time.monotonic(), 0.0)
            trouble = self._await(follow, position, left_s)
            if trouble is None and follow.is_beyond(position):
                return True
            if trouble is not None:
                self._let_go_of(follow)
                if not isinstance(trouble, IntegrityError):
                    raise trouble
            elif not left_s:  # what is on its way was not waited for
                return self._is_there(position)
            if self._is_there(position):
                return True

    def fileno(self) -> int:
        """Return a descriptor that can be read when something has changed; ``wait`` with 0 s makes it quiet again."""
        with self._lock:
            self._check_open()
            if self._fd < 0:
                self._fd = os.eventfd(1, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        if self._follow is None:
            info = self.info
            self._following(info.count + info.removed)
        return self._fd

    def close(self) -> None:
        """Let go, and end a ``wait`` of another thread; arrays that somebody holds stay valid."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._at_hand.end()
            follow = self._follow
        if follow is not None:
            self._let_go_of(follow)
            with follow.changed:
                follow.changed.notify_all()
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _fetched(self, request: say.Fetch) -> Iterator[StoredBlock]:
        call = FetchCall(self.address, self._connection.tell, request)
        self._connection.send(call)
        return self._until_done(call)

    def _until_done(self, call: FetchCall) -> Iterator[StoredBlock]:
        try:
            yield from call.blocks()
        finally:
            if not call.is_done:
                self._connection.forget(call.number)
                self._connection.tell(call.number, say.Close(call.number))

    def _is_there(self, position: int) -> bool:
        info = self.info
        return info.count + info.removed > position or info.state in ("finished", "aborted")

    def _await(self, follow: FollowCall, position: int, timeout_s: float | None) -> PenstockError | None:
        """Wait until there is more, or the time has passed; return why nothing comes any more, if that is so."""
        with follow.changed:
            follow.changed.wait_for(
                lambda: self._is_closed or follow.is_beyond(position) or follow.trouble is not None, timeout_s
            )
            if self._is_closed:
                raise StateError(f"{self.address}: this reader is closed")
            return follow.trouble

    def _following(self, position: int) -> FollowCall:
        """Return the feed that tells of all that comes; begin it where it is wanted."""
        with self._lock:
            self._check_open()
            follow, is_new = self._follow, self._follow is None
            if follow is None:
                follow = self._follow = FollowCall(self.address, self._connection.tell, position, self._notify)
        if is_new:
            self._connection.send(follow)
        else:
            follow.drop_before(position)
        return follow

    def _let_go_of(self, follow: FollowCall) -> None:
        with self._lock:
            if self._follow is follow:
                self._follow = None
        self._connection.forget(follow.number)
        self._connection.tell(0, say.Close(follow.number))

    def _check_open(self) -> None:
        if self._is_closed:
            raise StateError(f"{self.address}: this reader is closed")

    def _notify(self) -> None:
        with self._lock, suppress(BlockingIOError):
            if self._fd >= 0:
                os.eventfd_write(self._fd, 1)

    def _make_quiet(self) -> None:
        with self._lock, suppress(BlockingIOError):
            if self._fd >= 0:
                os.eventfd_read(self._fd)


def read_value(data: msgspec.Raw | NDArray[np.uint8], kind: type[T]) -> T:
    """Read what a server says beside its answer.

    Raises
    ------
    RemoteProtocolError
        If it is something else.
    """
    try:
        return msgspec.msgpack.decode(data if isinstance(data, msgspec.Raw) else data.data, type=kind)
    except (msgspec.MsgspecError, ValueError) as error:
        raise RemoteProtocolError(f"{kind.__name__} was expected of the server: {error}") from error
