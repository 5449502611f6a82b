"""Blocks on their way from a store server: received ahead of who reads them, no further than a credit of bytes.

After a connection broke, a feed goes on behind what was received.
"""

import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from penstock.core.id_set import IdSet
from penstock.core.stream_address import StreamAddress
from penstock.errors import PenstockError, RemoteProtocolError
from penstock.streams.remote_call import Call
from penstock.streams.store import Encoding, StoredBlock
from penstock.wire import stream_requests as say
from penstock.wire.layout import read_block
from penstock.wire.refusals import error_of
from penstock.wire.stream_frames import Frame

__all__ = ["CREDIT", "FetchCall", "FollowCall", "Say", "read_stored"]

CREDIT: Final = 8 << 20
"""Bytes of blocks that may be on their way or received ahead, of one feed; and one block more, of any size."""

Say = Callable[[int, say.Request], None]


def read_stored(address: StreamAddress, answer: say.Stored, frame: Frame) -> StoredBlock:
    """Return a block that was sent.

    Raises
    ------
    RemoteProtocolError
        If it is none, or has no messages.
    """
    block = read_block(answer.layout, frame.body, address.stream)
    if not len(block):
        raise RemoteProtocolError(f"{address}: a block without messages was sent")
    encodings = tuple([None if fields is None else Encoding(*fields) for fields in answer.encodings])
    return StoredBlock(block=block, encodings=encodings, position=answer.position)


class _FeedCall(Call):
    """What fetching and following share: received blocks, and credit for those that were taken."""

    def __init__(self, address: StreamAddress, tell: Say) -> None:
        self.address = address
        self._tell = tell
        self.changed = threading.Condition()
        """Of all that is received."""
        self._blocks: deque[tuple[StoredBlock, int]] = deque()
        self._buffered = 0
        self._taken = 0

    @abstractmethod
    def _received(self, stored: StoredBlock) -> StoredBlock | None:
        """Note how far it has come; return what of it is new."""

    def _put(self, answer: say.Stored, frame: Frame) -> None:
        stored = read_stored(self.address, answer, frame)
        with self.changed:
            fresh = self._received(stored)
            nbytes = max(len(frame.body), 1)
            if fresh is None:
                self._taken += nbytes
            else:
                self._blocks.append((fresh, nbytes))
                self._buffered += nbytes
            self.changed.notify_all()

    def _take(self) -> StoredBlock:
        """Return the first block; under ``changed``, and ``give_credit`` follows without it."""
        stored, nbytes = self._blocks.popleft()
        self._buffered -= nbytes
        self._taken += nbytes
        return stored

    @property
    def _is_credit_due(self) -> bool:
        return self._taken >= CREDIT // 2

    def give_credit(self) -> None:
        """Let more be sent for what was taken; not from the thread that receives, which must never wait to send."""
        with self.changed:
            if not self._is_credit_due:
                return
            nbytes, self._taken = self._taken, 0
        self._tell(self.number, say.Credit(nbytes))

    def _credit(self) -> int:
        """Return the credit for a new connection."""
        self._taken = 0
        return max(CREDIT - self._buffered, 0)


class FetchCall(_FeedCall):
    """What is there now, by position, id or time.

    Parameters
    ----------
    by, first, last
        As the wire has them.
    """

    def __init__(self, address: StreamAddress, tell: Say, request: say.Fetch) -> None:
        super().__init__(address, tell)
        self._request = request
        self._next = request.first
        self._seen: IdSet | None = IdSet() if request.by == "time" else None
        self._is_done = False
        self._error: PenstockError | None = None

    @property
    def is_done(self) -> bool:
        """Whether all of it was received."""
        return self._is_done

    def head(self, *, is_again: bool) -> say.Fetch:
        """Return the request, from where it has come on."""
        with self.changed:
            by, first, last = self._request.by, self._next, self._request.last
            if by == "id" and is_again and first > last:
                first, last = 1, 0
            return say.Fetch(str(self.address), by, first, last, self._credit())

    def answered(self, answer: say.Answer, frame: Frame) -> bool:
        """Take a block, or the end."""
        if isinstance(answer, say.Stored):
            self._put(answer, frame)
            return False
        if isinstance(answer, say.Refusal):
            self.failed(error_of(answer))
        else:
            with self.changed:
                self._is_done = True
                self.changed.notify_all()
        return True

    def failed(self, error: PenstockError) -> None:
        """Take that the rest will not come."""
        with self.changed:
            self._error, self._is_done = error, True
            self.changed.notify_all()

    def blocks(self) -> Iterator[StoredBlock]:
        """Yield what is received, until all is."""
        while True:
            stored: StoredBlock | None = None
            with self.changed:
                # Also for what is dropped, because it was there before a connection broke, credit must be given.
                self.changed.wait_for(lambda: self._blocks or self._is_done or self._is_credit_due)
                if self._blocks:
                    stored = self._take()
                elif self._is_done:
                    if self._error is not None:
                        raise self._error
                    return
            self.give_credit()
            if stored is not None:
                yield stored

    def _received(self, stored: StoredBlock) -> StoredBlock | None:
        block = stored.block
        if self._request.by == "position":
            self._next = stored.position + len(block)
        elif self._request.by == "id":
            self._next = int(block.ids[-1]) + 1
        elif self._seen is not None:
            is_new = ~self._seen.contains(block.ids)
            self._seen.add_all(block.ids)
            if not is_new.all():
                return stored.take(np.flatnonzero(is_new)) if is_new.any() else None
        return stored


class FollowCall(_FeedCall):
    """What is there from a position on, and all that comes; never at an end.

    Parameters
    ----------
    notify
        Called without any lock whenever something was received.
    """

    is_kept = True

    def __init__(self, address: StreamAddress, tell: Say, position: int, notify: Callable[[], None]) -> None:
        super().__init__(address, tell)
        self._next = position
        self._arrived = 0
        self._notify = notify
        self.is_ended = False
        self.trouble: PenstockError | None = None
        """Why nothing comes any more."""

    def is_beyond(self, position: int) -> bool:
        """Tell whether more messages are known to have arrived, or the stream to have ended."""
        return self._arrived > position or self.is_ended

    def has_more(self, position: int) -> bool:
        """Tell whether more messages are known to have arrived; also if nothing is heard any more."""
        return self._arrived > position or self.trouble is not None

    def head(self, *, is_again: bool) -> say.Follow:
        """Return the request, from where it has come on."""
        del is_again
        with self.changed:
            return say.Follow(str(self.address), self._next, self._credit())

    def answered(self, answer: say.Answer, frame: Frame) -> bool:
        """Take a block, or how far the stream has come."""
        if isinstance(answer, say.Stored):
            self._put(answer, frame)
        elif isinstance(answer, say.Arrived):
            self._take_word(answer)
        else:
            self.failed(
                error_of(answer)
                if isinstance(answer, say.Refusal)
                else RemoteProtocolError(f"{type(answer).__name__} is no answer of a feed")
            )
            return True
        self._notify()
        return False

    def failed(self, error: PenstockError) -> None:
        """Take that nothing comes any more."""
        with self.changed:
            self.trouble = error
            self.changed.notify_all()
        self._notify()

    def taken(self, position: int) -> Iterator[StoredBlock]:
        """Yield what was received from a position on; nothing if that begins behind it. What is older is dropped."""
        self.drop_before(position)
        while True:
            with self.changed:
                if not self._blocks or self._blocks[0][0].position > position:
                    return
                stored = self._take()
            self.give_credit()
            skipped = position - stored.position
            position = stored.position + len(stored.block)
            yield stored.take(slice(skipped, None)) if skipped else stored

    def drop_before(self, position: int) -> None:
        """Drop blocks of which nothing will be wanted any more."""
        with self.changed:
            while self._blocks and self._blocks[0][0].position + len(self._blocks[0][0].block) <= position:
                self._take()
        self.give_credit()

    def _received(self, stored: StoredBlock) -> StoredBlock | None:
        self._next = stored.position + len(stored.block)
        self._arrived = max(self._arrived, self._next)
        return stored

    def _take_word(self, answer: say.Arrived) -> None:
        with self.changed:
            if answer.position < self._next and answer.position < self._arrived:  # it was deleted, and begins anew
                while self._blocks:
                    self._take()
                self._next = answer.position
            self._next = max(self._next, answer.sent)
            self._arrived, self.is_ended = answer.position, answer.is_ended
            self.changed.notify_all()
