"""Whether a strand may take its next item, and where the one waits that came after it was held.

An open gate costs nothing: compiled loops ask for its truth in C, between an item and whoever works on it, and as long
as it is open it has none of its own. What is shut is of another class, whose truth waits.
"""

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from types import CodeType
from typing import Final

from penstock.services.strands.on_loop import call_on

__all__ = ["Gate", "GivenUpError"]


class GivenUpError(Exception):
    """The run was halted while an item waited for its strand to be released."""


class Gate:
    """The way into one strand, open at first.

    Any thread may shut and open it; only the strand's own waits at it.

    Attributes
    ----------
    ident
        Of the strand's thread, once it lives.
    wait_once
        Waits in that thread until somebody calls ``wake``, perhaps less.
    wake
        Called when it is opened, or the run halted; from any thread.
    has_first
        Whether an item waits that has just come from the strand's feed.
    given_up
        How many items that had just come from the feed waited for good, because the run was halted: 1 at most.
    """

    __slots__ = (
        "_wakes", "given_up", "has_first", "ident", "is_halted", "is_of_feed", "wait_once", "wake", "was_shut",
    )  # fmt: skip
    is_shut = False

    def __init__(self, wait_once: Callable[[], None], wake: Callable[[], None], *, is_of_feed: bool) -> None:
        self.wait_once = wait_once
        self.wake = wake
        self.is_of_feed = is_of_feed
        """Whether what waits where a compiled loop asks has just come from the feed."""
        self.ident = 0
        self.has_first = self.is_halted = self.was_shut = False
        self.given_up = 0
        self._wakes: list[Callable[[], None]] = []

    def shut(self) -> None:
        """Let nothing more through."""
        self.was_shut = True
        self.__class__ = _Shut  # which has the same slots

    def open(self) -> None:
        """Let everything through."""
        self.__class__ = Gate
        self._wake_all()

    def halt(self) -> None:
        """Let nobody wait any more; whoever does gives its item up."""
        self.is_halted = True
        self._wake_all()

    def _wake_all(self) -> None:
        self.wake()
        wakes, self._wakes = self._wakes, []
        for wake in wakes:
            wake()

    def wait(self, *, is_first: bool) -> None:
        """Wait in the strand's thread, with an item, while it is shut and nobody halts.

        Parameters
        ----------
        is_first
            Whether the item has just come from the feed.
        """
        self.has_first = is_first
        try:
            while self.is_shut and not self.is_halted:
                self.wait_once()
        finally:
            self.has_first = False

    def pass_item(self, *, is_first: bool) -> None:
        """Wait as ``wait``.

        Raises
        ------
        GivenUpError
            If the run is halted meanwhile.
        """
        self.has_first = is_first
        try:
            while self.is_shut and not self.is_halted:
                self.wait_once()
            if self.is_shut:
                self.given_up += is_first
                raise GivenUpError
        finally:
            self.has_first = False

    async def pass_awaiting(self) -> None:
        """Wait on an event loop, with an item that has just come from the feed; who is cancelled gives it up.

        Raises
        ------
        GivenUpError
            If the run is halted meanwhile.
        """
        self.has_first = True
        try:
            await self.wait_awaiting()
            if self.is_shut:
                raise GivenUpError
        except (asyncio.CancelledError, GivenUpError):
            self.given_up += 1
            raise
        finally:
            self.has_first = False

    async def wait_awaiting(self) -> None:
        """Wait on an event loop while it is shut and nobody halts."""
        while self.is_shut and not self.is_halted:
            await self.opened()

    async def opened(self) -> None:
        """Wait on an event loop until it is opened, perhaps less."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._wakes.append(partial(call_on, loop, partial(_resolve, future)))
        if self.is_shut and not self.is_halted:
            await future

    @property
    def left(self) -> int:
        """How many items from the feed have been given up here, or will be if it is halted: 1 at most."""
        return max(int(self.has_first), self.given_up)

    def has_item(self) -> bool:
        """Whether an item of a compiled loop waits here, exactly: the loop has counted it, and is not at it."""
        if not self.was_shut:
            return False
        frame = sys._current_frames().get(self.ident)
        while frame is not None:
            if frame.f_code is _ASKED:
                return True
            frame = frame.f_back
        return False


class _Shut(Gate):
    """A gate that is shut."""

    __slots__ = ()
    is_shut = True

    def __bool__(self) -> bool:
        # Asked by ``itertools.compress`` when it has an item, before it hands it on.
        self.pass_item(is_first=self.is_of_feed)
        return True


_ASKED: Final[CodeType] = _Shut.__bool__.__code__


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
