"""Memory for payloads that are being received: who announces much and sends nothing must keep nobody else waiting.

What is small is not counted, as there are only so many connections; of what is counted, giants have a share only.
"""

from collections import deque
from typing import Final, Generic, Protocol, TypeVar

__all__ = ["GIANT_BYTES", "SMALL_BYTES", "Room"]

SMALL_BYTES: Final = 1 << 20
GIANT_BYTES: Final = 64 << 20
GIANTS_SHARE: Final = 0.75


class Asks(Protocol):
    """Who wants memory."""

    is_closed: bool


A = TypeVar("A", bound=Asks)


class Room(Generic[A]):
    """Takes and gives numbers of bytes; who has to wait is told later, those of one kind in their order.

    Parameters
    ----------
    most_bytes
        In all. Of each kind, one is always let in.

    Examples
    --------
    >>> class Peer:
    ...     is_closed = False
    >>> room, first, second = Room[Peer](256 << 20), Peer(), Peer()
    >>> room.take(first, 200 << 20), room.take(second, 200 << 20), room.take(second, 8 << 20), room.take(second, 100)
    (True, False, True, True)
    >>> room.give_back(200 << 20) == [second]
    True
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = {True: int(most_bytes * GIANTS_SHARE), False: most_bytes}
        self._taken = {True: 0, False: 0}
        """By giants, and by others."""
        self._waiting: dict[bool, deque[tuple[A, int]]] = {True: deque(), False: deque()}

    def take(self, who: A, nbytes: int) -> bool:
        """Take memory; false if it will be given later."""
        if nbytes <= SMALL_BYTES:
            return True
        is_giant = nbytes > GIANT_BYTES
        if self._waiting[is_giant] or not self._fits(nbytes):
            self._waiting[is_giant].append((who, nbytes))
            return False
        self._taken[is_giant] += nbytes
        return True

    def give_back(self, nbytes: int) -> list[A]:
        """Give memory back; return who has been given some of it."""
        if nbytes <= SMALL_BYTES:
            return []
        self._taken[nbytes > GIANT_BYTES] -= nbytes
        given: list[A] = []
        for is_giant, waiting in self._waiting.items():
            while waiting and (waiting[0][0].is_closed or self._fits(waiting[0][1])):
                who, wanted = waiting.popleft()
                if not who.is_closed:
                    self._taken[is_giant] += wanted
                    given.append(who)
        return given

    def _fits(self, nbytes: int) -> bool:
        is_giant = nbytes > GIANT_BYTES
        taken = self._taken[True] + (0 if is_giant else self._taken[False])
        return not self._taken[is_giant] or taken + nbytes <= self._most[is_giant]
