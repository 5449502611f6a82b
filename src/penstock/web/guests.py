"""Who is connected to the web process, how many of whom, and how long each may take: so that nobody locks others out.

It decides and closes; it opens nothing, and knows no protocol. Time comes in as a number of seconds.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["Guest", "Guests"]

MOST: Final = 500
"""Connections at a time, with room left below the 1,024 descriptors that most systems allow a process."""
MOST_OF_ONE: Final = 400
"""Of them from one address. Below ``MOST``, so that one machine cannot take all of them."""
MOST_REFUSED: Final = 100
"""That wait to be told so; more are cut off without a word."""
HEAD_S: Final = 10.0
"""Until the head of a request must be there, from the connection or the answer before it on."""
REFUSED_S: Final = 2.0
"""The same, of who will be refused."""
BODY_S: Final = 60.0
"""From then on until the rest of the request must be there."""
WINDOW_S: Final = 10.0
LEAST_BYTES_PER_S: Final = 64 << 10
"""Of what waits for a reader it must take so much, over each window; otherwise its answer stays in memory for ever."""

Doing = Literal["waiting", "asking", "served", "following", "refused"]
"""*Waiting* for a request, sending one, waiting for its answer; or following changes over a WebSocket."""


@dataclass(slots=True, eq=False)
class Guest:
    """One connection."""

    transport: asyncio.Transport
    address: str
    doing: Doing
    since_s: float
    unsent: int = 0
    """Bytes, when the window began."""
    window_s: float = 0.0
    """When it began."""

    def turns(self, doing: Doing, now_s: float) -> None:
        """Note what it does from now on."""
        self.doing, self.since_s = doing, now_s


class Guests:
    """All connections of one server; see the constants for how many, and how long each may take.

    Parameters
    ----------
    most, most_of_one
        At a time, and of them from one address.
    """

    def __init__(self, most: int = MOST, most_of_one: int = MOST_OF_ONE) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._all: dict[asyncio.Transport, Guest] = {}
        self._counts: Counter[str] = Counter()
        """By address; who is refused does not count."""

    def __len__(self) -> int:
        return self._counts.total()

    @property
    def unsent_bytes(self) -> int:
        """What has been written for all of them, and not been taken."""
        return sum(transport.get_write_buffer_size() for transport in self._all)

    def guest(self, transport: asyncio.Transport) -> Guest | None:
        """Return who has this connection; ``None`` if it was closed."""
        return self._all.get(transport)

    def enter(self, transport: asyncio.Transport, address: str, now_s: float) -> str:
        """Let somebody in, at the cost of a connection that only waits if it must be; return why not, or nothing.

        Who is not let in shall be told so; it has a moment to hear it.
        """
        why = ""
        if self._counts[address] >= self._most_of_one and not self._make_room(address):
            why = f"{address} has {self._most_of_one} connections, all in use; close one of them, and try again"
        elif len(self) >= self._most and not self._make_room(None):
            why = f"there are {self._most} connections, all in use; try again"
        if why and len(self._all) - len(self) >= MOST_REFUSED:
            transport.abort()
            return why
        self._all[transport] = Guest(transport, address, "refused" if why else "waiting", now_s)
        if not why:
            self._counts[address] += 1
        return why

    def leave(self, transport: asyncio.Transport) -> None:
        """Forget a connection that has ended, or will have in a moment; may be called again."""
        guest = self._all.pop(transport, None)
        if guest is not None and guest.doing != "refused":
            self._counts[guest.address] -= 1
            if not self._counts[guest.address]:
                del self._counts[guest.address]

    def sweep(self, now_s: float) -> None:
        """End connections that have taken too long; call it once a second or so."""
        for guest in list(self._all.values()):
            if self._is_stuck(guest, now_s) or now_s - guest.since_s > _patience_s(guest.doing):
                # Not closed in good order, which would wait for what nobody takes. Its end brings it out of the list.
                guest.transport.abort()

    def _make_room(self, address: str | None) -> bool:
        """Close the connection that has waited longest for a request, of one address or of all."""
        waiting = (
            guest
            for guest in self._all.values()
            if guest.doing == "waiting" and address in (None, guest.address)
            and not guest.transport.get_write_buffer_size()
        )  # fmt: skip
        longest = min(waiting, key=lambda guest: guest.since_s, default=None)
        if longest is None:
            return False
        longest.transport.close()
        self.leave(longest.transport)
        return True

    @staticmethod
    def _is_stuck(guest: Guest, now_s: float) -> bool:
        unsent = guest.transport.get_write_buffer_size()
        if not guest.unsent or not unsent:
            guest.unsent, guest.window_s = unsent, now_s
            return False
        if now_s - guest.window_s < WINDOW_S:
            return False
        if guest.unsent - unsent < (now_s - guest.window_s) * LEAST_BYTES_PER_S:
            return True
        guest.unsent, guest.window_s = unsent, now_s
        return False


def _patience_s(doing: Doing) -> float:
    """Return how long it may do that; an answer takes as long as it is taken, and changes are followed for days."""
    return {"waiting": HEAD_S, "refused": REFUSED_S, "asking": BODY_S}.get(doing, float("inf"))
