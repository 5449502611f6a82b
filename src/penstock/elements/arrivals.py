"""What the threads of a library hand over to who reads: a queue with a bound, and a descriptor to wait on.

It never waits: what comes while it is full is lost, and counted.
"""

import os
import threading
from collections import deque
from typing import Final, Generic, TypeVar

__all__ = ["Arrivals"]

_MOST: Final = 10_000

T = TypeVar("T")


class Arrivals(Generic[T]):
    """A queue that many threads put into, and one takes from.

    >>> arrivals = Arrivals[str](ahead_bytes=10)
    >>> for text in ("two", "words", "more"):
    ...     arrivals.put(text, len(text))
    >>> arrivals.take(), arrivals.take(), arrivals.new_losses()
    (['two', 'words'], [], 1)
    >>> arrivals.close()

    Parameters
    ----------
    ahead_bytes
        How much may lie in it. What is larger than that has room while there is nothing else.
    most
        How many things may lie in it.
    """

    def __init__(self, ahead_bytes: int, most: int = _MOST) -> None:
        self._ahead_bytes = ahead_bytes
        self._most = most
        self._lock = threading.Lock()
        self._waiting: deque[tuple[T, int]] = deque()
        self._bytes = self._lost = 0
        self._is_awake = False
        self._fd: int | None = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    @property
    def pollable(self) -> int | None:
        """A file descriptor that can be read while there is something to take, or to notice; ``None`` when closed."""
        return self._fd

    def put(self, thing: T, nbytes: int = 0) -> None:
        """Hand something over, from any thread; nothing happens once it is closed."""
        with self._lock:
            if self._fd is None:
                return
            is_full = len(self._waiting) >= self._most or self._bytes + nbytes > self._ahead_bytes
            if self._waiting and is_full:
                self._lost += 1
            else:
                self._waiting.append((thing, nbytes))
                self._bytes += nbytes
            self._wake()

    def wake(self) -> None:
        """Have the reader look, though there is nothing to take; from any thread."""
        with self._lock:
            if self._fd is not None:
                self._wake()

    def take(self, most: int = _MOST, most_bytes: int | None = None) -> list[T]:
        """Return what has come, in order; at least one thing if there is any."""
        taken: list[T] = []
        room = self._ahead_bytes if most_bytes is None else most_bytes
        with self._lock:
            while self._waiting and len(taken) < most and (room > 0 or not taken):
                thing, nbytes = self._waiting.popleft()
                self._bytes -= nbytes
                room -= nbytes
                taken.append(thing)
            if self._is_awake and not self._waiting and self._fd is not None:
                os.eventfd_read(self._fd)
                self._is_awake = False
        return taken

    def new_losses(self) -> int:
        """Return how many things have been lost since the last time."""
        with self._lock:
            lost, self._lost = self._lost, 0
        return lost

    def close(self) -> None:
        """Take nothing more, and close the descriptor; may be called twice."""
        with self._lock:
            self._waiting.clear()
            self._bytes = 0
            if self._fd is not None:
                os.close(self._fd)
            self._fd = None

    def _wake(self) -> None:
        if not self._is_awake and self._fd is not None:
            os.eventfd_write(self._fd, 1)
            self._is_awake = True
