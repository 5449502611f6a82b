"""Credits: how many more messages may be sent before the other side has said that it took some.

They are what keeps two processes that send to each other from waiting for each other. Without I/O.
"""

from penstock.errors import StateError

__all__ = ["Credits"]


class Credits:
    """A bound on the messages in flight on one way of a link.

    Parameters
    ----------
    limit
        How many may be in flight, at least 1. With no more than ``Link.room`` says, sending never waits.
    """

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"a limit of {limit} credits; nothing could ever be sent")
        self.limit = limit
        self._in_flight = 0

    @property
    def available(self) -> int:
        """How many messages may be sent now."""
        return self.limit - self._in_flight

    @property
    def in_flight(self) -> int:
        """How many were sent and not yet given back."""
        return self._in_flight

    def take(self, count: int = 1) -> bool:
        """Note that messages are about to be sent; false, and nothing noted, if they may not."""
        if count < 1:
            raise ValueError(f"{count} credits cannot be taken")
        if count > self.limit - self._in_flight:
            return False
        self._in_flight += count
        return True

    def give(self, count: int = 1) -> None:
        """Note that the other side took messages.

        Raises
        ------
        StateError
            If these are more than are in flight; nothing is noted.
        """
        if count < 1:
            raise ValueError(f"{count} credits cannot be given back")
        if count > self._in_flight:
            raise StateError(f"{count} credits came back, and {self._in_flight} messages are in flight")
        self._in_flight -= count
