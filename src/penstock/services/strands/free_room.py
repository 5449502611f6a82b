"""Room for what a strand gives: how many items it may work on until an edge behind it is full."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Final

from penstock.services.strands.edge import Edge, waker
from penstock.services.strands.gate import Gate

__all__ = ["UNBOUNDED", "FreeRoom"]

UNBOUNDED: Final = 1 << 62
"""Items of one turn of a loop that only a pause ends."""


class FreeRoom:
    """Room on all edges that make a strand wait when they are full.

    Parameters
    ----------
    edges
        Behind it; those that give items up when they are full always have room.
    gate
        Of the strand: whoever is halted waits no more.
    """

    def __init__(self, edges: Sequence[Edge], gate: Gate) -> None:
        self._edges = [edge for edge in edges if edge.when_full == "block"]
        self._gate = gate

    @property
    def count(self) -> int:
        """How many items may be worked on now; none if it is less than 1."""
        return min((edge.room for edge in self._edges), default=UNBOUNDED)

    def wait(self, event: threading.Event) -> int:
        """Return how many may be worked on now, waiting in this thread until there is room, perhaps less.

        Parameters
        ----------
        event
            The thread's own.
        """
        count = self.count
        if count <= 0:
            event.clear()
            if self._asks(event.set) and not self._gate.is_halted:
                event.wait()
            count = self.count
        return count

    async def wait_awaiting(self) -> int:
        """Do as ``wait`` on an event loop."""
        count = self.count
        if count <= 0:
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            if self._asks(waker(loop, future)):
                await future
            count = self.count
        return count

    def _asks(self, wake: Callable[[], None]) -> bool:
        """Have somebody woken when the first full edge has room; return false if there is room."""
        full = next((edge for edge in self._edges if edge.room <= 0), None)
        return full is not None and full.when_room(wake)
