"""The monitoring socket of a process: messages go out without waiting, and what nobody takes is counted.

ZeroMQ keeps the first 1000 for a monitor that is not there yet.
"""

import threading
from typing import Any, Final

from penstock.elements.losses import Losses
from penstock.extra import extra

with extra("run"):
    import zmq

__all__ = ["Outlet"]

LINGER_MS: Final = 300
"""How long the last messages may take when it is closed."""
AHEAD: Final = 1000
"""Messages that ZeroMQ keeps, as rta-dp has it."""


class Outlet:
    """A PUSH socket that connects, for any thread of one process; opened when the first message goes.

    Parameters
    ----------
    address
        Where the monitor listens; empty: everything is passed over.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.losses = Losses(f"monitoring {address}")
        """What nobody took."""
        self._lock = threading.Lock()  # a socket is one thread's at a time
        self._socket: Any = None  # zmq.Socket[bytes]
        self._is_closed = False

    def send(self, message: bytes) -> bool:
        """Send, or count that nobody takes it; return whether it went."""
        with self._lock:
            if self._is_closed or not self.address:
                return False
            if self._socket is None:
                self._socket = zmq.Context.instance().socket(zmq.PUSH)
                self._socket.linger = LINGER_MS
                self._socket.sndhwm = AHEAD
                self._socket.connect(self.address)
            try:
                self._socket.send(message, zmq.NOBLOCK)
            except zmq.Again:
                self.losses.add("nobody listens there, or too slowly")
                return False
            return True

    def send_string(self, message: str) -> None:
        """Send a text, as users' classes do that write messages of their own."""
        self.send(message.encode())

    def close(self) -> None:
        """Send nothing more; what is on its way has a little time. May be called twice."""
        with self._lock:
            self._is_closed = True
            socket, self._socket = self._socket, None
            if socket is not None:
                socket.close()
