"""Sends what is large to one socket, as fast as that takes it: nothing is copied, and nobody waits for a slow reader.

An event loop's own transport would copy what the socket does not take at once, and move the rest after each piece.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

__all__ = ["Pump"]

PIECE_BYTES: Final = 1 << 20
"""At once; then others have their turn."""


class Pump:
    """Sends bytes by a descriptor of its own, while the transport of the same connection sends nothing.

    Parameters
    ----------
    connected
        Descriptor of the connection; it stays its owner's.
    failed
        Called if the connection broke.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, connected: int, failed: Callable[[], None]) -> None:
        self._loop, self._failed = loop, failed
        self._socket = socket.socket(fileno=os.dup(connected))
        self._socket.setblocking(False)
        self._pieces: list[memoryview] = []
        self._done: Callable[[], None] = lambda: None
        self._is_waiting = False
        self.sent = 0
        """How much of the latest the socket has taken."""

    def send(self, pieces: list[memoryview], done: Callable[[], None]) -> None:
        """Send some bytes, and call when the socket has taken them."""
        self._pieces, self._done, self.sent = pieces, done, 0
        self._send()

    def close(self) -> None:
        """Stop, and let go of the descriptor; once more: nothing."""
        self._pieces = []
        if self._socket.fileno() >= 0:
            self._wait_no_more()
            self._socket.close()

    def _send(self) -> None:
        try:
            sent = self._socket.sendmsg([piece[:PIECE_BYTES] for piece in self._pieces])
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.close()
            self._failed()
            return
        self.sent += sent
        while self._pieces and sent >= len(self._pieces[0]):
            sent -= len(self._pieces.pop(0))
        if self._pieces:
            self._pieces[0] = self._pieces[0][sent:]
            if not self._is_waiting:
                self._is_waiting = True
                self._loop.add_writer(self._socket.fileno(), self._send)
            return
        self._wait_no_more()
        self._done()

    def _wait_no_more(self) -> None:
        if self._is_waiting:
            self._is_waiting = False
            with suppress(RuntimeError):  # the loop has ended
                self._loop.remove_writer(self._socket.fileno())
