"""How the strand of a parallel stage waits until somebody has something to say: in this process, or by a link.

Whoever is in this process wakes it, from any thread; what comes by a link is found by a poll, if it runs as a thread.
"""

import asyncio
import os
import select
import threading
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

from penstock.services.strands.edge import waker

__all__ = ["Waking"]


class Waking:
    """What wakes one strand.

    As a thread it is opened, sleeps, and is closed. On an event loop it is armed, and sleeps; what is said before it is
    armed is to be heard after that.
    """

    def __init__(self) -> None:
        self.is_woken = False
        """Whether somebody has woken it since it last slept."""
        self._lock = threading.Lock()
        self._fd = -1
        self._poll = select.poll()
        self._polled: set[int] = set()
        self._readable: Collection[int] | None = None
        """What was found to have something to read; ``None`` if nobody has looked."""
        self._resolve: Callable[[], None] | None = None
        self._woken: asyncio.Future[None] | None = None

    def wake(self) -> bool:
        """End its sleep, or the next one; return false if that was asked for already. From any thread."""
        if self.is_woken:
            return False
        self.is_woken = True
        with self._lock:
            if self._fd >= 0:
                os.eventfd_write(self._fd, 1)
        if self._resolve is not None:
            self._resolve()
        return True

    # As a thread

    @property
    def is_open(self) -> bool:
        """Whether it can sleep as a thread."""
        return self._fd >= 0

    def open(self) -> None:
        """Let it sleep as a thread."""
        with self._lock:
            self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self.is_woken = False  # by whoever did it before there was anything to wake
        self._poll.register(self._fd, select.POLLIN)

    def sleep(self, wait_s: float | None, links: Callable[[], Iterable[int]]) -> None:
        """Wait until somebody wakes it, or a link has something.

        Parameters
        ----------
        wait_s
            For how long at most, in s; 0: not at all; ``None``: for ever.
        links
            Returns the links, if it waits.
        """
        self._readable = None
        if wait_s is None or wait_s > 0:
            self._watch({*links()})
            self._readable = [fd for fd, _ in self._poll.poll(None if wait_s is None else wait_s * 1000)]
        if self._readable is None or self._fd in self._readable:
            with suppress(BlockingIOError):
                os.eventfd_read(self._fd)
        # Only now: whoever wakes between the two would have its wake read, and all later ones be thought needless.
        self.is_woken = False

    def may_have_come(self, links: Iterable[int]) -> bool:
        """Return whether one of these links may have something, as far as was seen at the end of the last sleep."""
        readable, polled = self._readable, self._polled
        return readable is None or any(fd in readable or fd not in polled for fd in links)

    def close(self) -> None:
        """Let it sleep no more."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _watch(self, links: set[int]) -> None:
        if links == self._polled:
            return
        for fd in self._polled - links:
            with suppress(KeyError):
                self._poll.unregister(fd)
        for fd in links:
            self._poll.register(fd, select.POLLIN)
        self._polled = links

    # On an event loop

    def arm(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the next sleep end for whoever wakes it from now on."""
        self._woken = loop.create_future()
        self._resolve = waker(loop, self._woken)
        self.is_woken = False

    async def sleep_awaiting(self, loop: asyncio.AbstractEventLoop, wait_s: float | None) -> None:
        """Wait until somebody wakes it, as ``sleep``; it is armed."""
        assert self._woken is not None, "somebody may wake it"
        if wait_s is None or wait_s > 0:
            timer = None if wait_s is None else loop.call_later(wait_s, self.wake)
            await self._woken
            if timer is not None:
                timer.cancel()
        else:
            await asyncio.sleep(0)
