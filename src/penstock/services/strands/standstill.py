"""A strand that stands still: who is held waits here, with nothing in its hands that may lie on an edge."""

import threading
from collections.abc import Callable

from penstock.services.strands.feed import BufferFeed, EdgeFeed, SourceFeed
from penstock.services.strands.gate import Gate
from penstock.services.strands.parallel_feed import ParallelFeed

__all__ = ["Standstill"]


class Standstill:
    """Where a strand waits while its gate is shut, and how it is woken.

    Parameters
    ----------
    feed
        Gets the gate. What was taken from an edge is put back before anybody waits; workers are heard meanwhile.
    is_of_feed
        As of `Gate`.

    Attributes
    ----------
    event
        Wakes the strand's thread, for whatever reason.
    is_parked
        Whether it waits here; not where workers are heard, which goes on.
    on_parked
        Told, in the strand's own thread, when that has become so.
    """

    def __init__(self, feed: SourceFeed | EdgeFeed | BufferFeed | ParallelFeed, *, is_of_feed: bool) -> None:
        self.event = threading.Event()
        self.is_parked = False
        self.on_parked: Callable[[], None] = _nothing
        self._feed = feed
        self.gate = Gate(self.wait, self.wake, is_of_feed=is_of_feed)
        feed.gate = self.gate

    def wake(self) -> None:
        """Let whoever waits look again; from any thread."""
        self.event.set()
        if isinstance(self._feed, ParallelFeed):
            self._feed.wake()

    def wait(self) -> None:
        """Wait in the strand's thread while the gate is shut, perhaps less."""
        if isinstance(self._feed, ParallelFeed):
            self._feed.wait_held()  # workers are heard meanwhile
            return
        if isinstance(self._feed, EdgeFeed):
            self._feed.put_back()
        self._park()
        self.event.clear()
        if self.gate.is_shut and not self.gate.is_halted:
            self.event.wait()
        self.is_parked = False

    async def wait_awaiting(self) -> None:
        """Do as ``wait`` on an event loop."""
        if isinstance(self._feed, ParallelFeed):
            await self._feed.wait_held_awaiting()
            return
        if isinstance(self._feed, EdgeFeed):
            self._feed.put_back()
        self._park()
        await self.gate.opened()
        self.is_parked = False

    def _park(self) -> None:
        self.is_parked = True
        self.on_parked()


def _nothing() -> None: ...
