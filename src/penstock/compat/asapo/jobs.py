"""What takes time is done on other threads, so that the loop's own never waits for a disk; what it found comes back.

What stores has threads of its own: queries that look at everything are not in its way.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

__all__ = ["Jobs"]

T = TypeVar("T")

STORING, LOOKING = 4, 4
"""Threads."""
END_S: Final = 10.0


class Jobs:
    """Used on the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._storing = ThreadPoolExecutor(STORING, "ASAPO stores")
        self._looking = ThreadPoolExecutor(LOOKING, "ASAPO looks")
        self._open: set[asyncio.Future[Any]] = set()  # Any: each has its own
        self._is_closed = False

    def then(self, work: Callable[[], T], done: Callable[[T], None], *, stores: bool = False) -> None:
        """Do something, which must raise nothing, and call with what it returned.

        Parameters
        ----------
        stores
            Whether it stores something, and others wait for that.
        """
        if self._is_closed:
            return
        future = self._loop.run_in_executor(self._storing if stores else self._looking, work)
        self._open.add(future)
        future.add_done_callback(partial(self._is_done, done))

    def later(self, after_s: float, call: Callable[[], None]) -> None:
        """Call after a while, unless this was closed."""
        self._loop.call_later(after_s, lambda: None if self._is_closed else call())

    async def close(self) -> None:
        """Take nothing any more, and wait for what has begun."""
        self._is_closed = True
        if self._open:
            await asyncio.wait(self._open, timeout=END_S)
        for pool in (self._storing, self._looking):
            pool.shutdown(wait=False, cancel_futures=True)

    def _is_done(self, done: Callable[[T], None], future: "asyncio.Future[T]") -> None:
        self._open.discard(future)
        if not future.cancelled():
            done(future.result())
