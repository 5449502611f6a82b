"""Where a thread that reads user code leaves messages for whoever reads the source: bounded, and never both at once."""

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Condition

from penstock.core.message import Message

__all__ = ["ValueShelf"]

MOST = 4096
"""Messages that lie here at most, beside those that come together."""
MOST_BYTES = 8 << 20
"""Likewise bytes of arrays."""


class ValueShelf:
    """A queue between two threads with a file descriptor that tells when something lies in it."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        """Can be read while there is something to take, the end included."""
        self.on_room: Callable[[], None] | None = None
        """Called, by whoever takes, when there is room again."""
        self._lock = Condition()
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._has_ended = self._is_closed = False
        self._error: BaseException | None = None

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be put now."""
        return not self._is_closed and (len(self._messages) >= MOST or self._bytes >= MOST_BYTES)

    def put(self, messages: Sequence[Message]) -> bool:
        """Leave messages; wait while it is full. Return whether anybody will take them."""
        nbytes = sum(buffer.nbytes for message in messages for buffer in message.buffers)
        with self._lock:
            self._lock.wait_for(lambda: not self.is_full)
            if self._is_closed:
                return False
            if not self._messages and messages:
                os.eventfd_write(self.fd, 1)
            self._messages.extend(messages)
            self._bytes += nbytes
            return True

    def end(self, error: BaseException | None = None) -> None:
        """Say that nothing more will come, and what went wrong if something did."""
        with self._lock:
            if not self._is_closed:
                self._has_ended, self._error = True, error
                os.eventfd_write(self.fd, 1)

    def take(self, most: int, most_bytes: int) -> tuple[list[Message], bool]:
        """Return what lies here, up to so much, and whether that was all there will ever be.

        Raises
        ------
        BaseException
            What went wrong, once everything before it is taken.
        """
        with self._lock:
            was_full = self.is_full
            found: list[Message] = []
            nbytes = 0
            while self._messages and len(found) < most and nbytes < most_bytes:
                message = self._messages.popleft()
                nbytes += sum(buffer.nbytes for buffer in message.buffers)
                found.append(message)
            self._bytes -= nbytes
            if not (self._messages or self._has_ended):
                with suppress(BlockingIOError):
                    os.eventfd_read(self.fd)
            if was_full and not self.is_full:
                self._lock.notify()
                if self.on_room is not None:
                    self.on_room()
            has_ended = self._has_ended and not self._messages
            if has_ended and self._error is not None and not found:
                raise self._error
            return found, has_ended and self._error is None

    def close(self) -> None:
        """Take nothing more; who waits for room is let go."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                os.close(self.fd)
                self._lock.notify_all()
                if self.on_room is not None:
                    self.on_room()
