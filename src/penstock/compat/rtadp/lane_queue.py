"""The queue before an analysis into which users' own receivers put data, and from which a source gives it on.

It has room for a limited number of items; who puts more waits, as long as the run goes on.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from queue import Empty, Full
from typing import Any, Final

__all__ = ["LaneQueue"]

ROOM: Final = 1000


class LaneQueue:
    """Put by any thread as into ``queue.Queue``, and iterated by one event loop, which gets lists of what is there.

    Parameters
    ----------
    room
        How many items it holds.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._items: deque[Any] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._waiting: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put an item, when there is room.

        Raises
        ------
        queue.Full
            If there was none in time, or nothing is read any more.
        """
        with self._changed:
            wait_s = timeout if block else 0.0
            if not self._changed.wait_for(lambda: self._is_closed or len(self._items) < self._room, wait_s):
                raise Full
            if self._is_closed:
                raise Full
            self._items.append(item)
            self._wake()

    def put_nowait(self, item: Any) -> None:
        """Put an item, if there is room.

        Raises
        ------
        queue.Full
            If there is none.
        """
        self.put(item, block=False)

    def get_nowait(self) -> Any:
        """Take an item away, so that it is never processed.

        Raises
        ------
        queue.Empty
            If there is none.
        """
        with self._changed:
            if not self._items:
                raise Empty
            item = self._items.popleft()
            self._changed.notify()
            return item

    def qsize(self) -> int:
        """Return how many items wait."""
        return len(self._items)

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._items

    def close(self) -> None:
        """Take nothing more, and let whoever waits for room go."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            self._wake()

    async def chunks(self) -> AsyncIterator[list[Any]]:
        """Yield lists of what was put."""
        while True:
            loop = asyncio.get_running_loop()
            with self._changed:
                found = list(self._items)
                self._items.clear()
                self._changed.notify_all()
                future: asyncio.Future[None] = loop.create_future()
                self._waiting = None if found or self._is_closed else (loop, future)
                is_over = self._is_closed and not found
            if is_over:
                return
            if found:
                yield found
            else:
                await future

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            loop, future = waiting
            with suppress(RuntimeError):  # its loop has ended with the run
                loop.call_soon_threadsafe(_set, future)


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
