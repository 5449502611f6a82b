"""What strands live on: threads, what wakes them, an event loop, and the clock of all of it."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from penstock.elements.clock import Clock

__all__ = ["Host", "LoopFactory", "Machine"]

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class Host(Clock, Protocol):
    """Where the strands of one run live."""

    @property
    def is_virtual(self) -> bool:
        """Whether time passes by itself only while nobody works; then nobody is to look now and then."""

    @property
    def is_over(self) -> bool:
        """Whether the time that the run was to have has passed, so that nothing more is read."""

    @property
    def is_stuck(self) -> bool:
        """Whether everybody waits for somebody else, and nothing is due."""

    def event(self) -> threading.Event:
        """Make something that a strand is woken by."""

    def loop(self) -> asyncio.AbstractEventLoop:
        """Make an event loop."""

    def thread(self, name: str, call: Callable[[], Any]) -> threading.Thread:
        """Start a thread; nobody waits for it at the end of the program."""

    def begin(self, stop_reading: Callable[[], None], tell: Callable[[], None]) -> None:
        """Let all threads work.

        Parameters
        ----------
        stop_reading
            Called, in one of the threads, when the time is over.
        tell
            Called when ``is_over`` or ``is_stuck`` has become true.
        """


class Machine:
    """The machine as it is.

    Parameters
    ----------
    loop_factory
        Makes the event loop.
    """

    is_virtual = is_over = is_stuck = False

    def __init__(self, loop_factory: LoopFactory = asyncio.new_event_loop) -> None:
        self._loop_factory = loop_factory

    def utc_ns(self) -> int:
        """Return nanoseconds since 1970 UTC."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Return nanoseconds since the machine started."""
        return time.monotonic_ns()

    def sleep(self, s: float) -> None:
        """Wait in this thread."""
        time.sleep(s)

    def event(self) -> threading.Event:
        """Make what threads are woken by."""
        return threading.Event()

    def loop(self) -> asyncio.AbstractEventLoop:
        """Make an event loop."""
        return self._loop_factory()

    def thread(self, name: str, call: Callable[[], Any]) -> threading.Thread:
        """Start a thread that works at once."""
        thread = threading.Thread(target=call, name=name, daemon=True)
        thread.start()
        return thread

    def begin(self, stop_reading: Callable[[], None], tell: Callable[[], None]) -> None:
        """Do nothing: all threads work already."""
