"""The event builder's way to its supervisor: what that orders, and what is told to it."""

from collections.abc import Callable
from typing import Any

from penstock.services.room_process import FOR_EVER_S
from penstock.transport.seqpacket import Link
from penstock.wire import supervision as say

__all__ = ["SupervisorLine"]


class SupervisorLine:
    """The supervisor as its event builder has it.

    Parameters
    ----------
    fd
        Of the link; closed with this.
    """

    def __init__(self, fd: int) -> None:
        self._link = Link(fd, patience_s=FOR_EVER_S)
        self.has_gone = False
        """Whether it hears nothing more, so that there is nobody to work for."""

    def fileno(self) -> int:
        """Return the descriptor that can be read when it says something."""
        return self._link.fileno()

    def hear(self, do: Callable[[Any, list[int]], None]) -> None:
        """Take everything it has said, each word with the descriptors beside that nobody has taken yet."""
        while True:
            received = self._link.try_receive()
            if received is None:
                self.has_gone = self.has_gone or self._link.is_ended
                return
            fds = list(received.fds)
            for word in say.open_orders(received.data):
                do(word, fds)

    def tell(self, *words: Any) -> None:
        """Say something."""
        try:
            self._link.send(say.seal_orders(words))
        except BrokenPipeError:
            self.has_gone = True

    def close(self) -> None:
        """Close this end."""
        self._link.close()
