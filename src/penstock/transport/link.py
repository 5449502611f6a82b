"""One TCP connection between two of our own processes, plain or TLS: whole messages out, bytes in where they belong.

One thread may receive while others send. Nothing waits for ever: each call has a time after which it gives up.
"""

import select
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

__all__ = ["Link", "Piece", "TlsLink", "connect_link"]

Piece = bytes | memoryview
_MOST_PIECES: Final = 64


class Link:
    """A connection over plain TCP.

    Parameters
    ----------
    connected
        The socket; it belongs to this from now on.
    receive_s, send_s
        After how long ``receive_into`` and ``send`` raise ``TimeoutError``, if nothing moves at all.
    """

    def __init__(self, connected: socket.socket, *, receive_s: float, send_s: float) -> None:
        self._socket = connected
        self.receive_s = receive_s
        self._send_s = send_s
        connected.setblocking(False)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        with suppress(OSError):  # a local socket has none
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def receive_into(self, space: memoryview) -> int:
        """Receive what is there, or wait for something; return how many bytes, 0 once the other side has closed.

        Raises
        ------
        TimeoutError
            If nothing came.
        OSError
            If the connection broke.
        """
        while True:
            try:
                return self._receive_now(space)
            except (BlockingIOError, ssl.SSLWantReadError):
                self._wait(select.POLLIN, self.receive_s)

    def send(self, pieces: Sequence[Piece]) -> None:
        """Send all of it, in order. Only one thread at a time may be in here.

        Raises
        ------
        TimeoutError
            If the other side took nothing for so long; the connection cannot be used any more.
        OSError
            If the connection broke.
        """
        left = [memoryview(piece).cast("B") for piece in pieces if len(piece)]
        while left:
            try:
                sent = self._send_now(left)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                self._wait(select.POLLOUT, self._send_s)
                continue
            while left and sent >= len(left[0]):
                sent -= len(left.pop(0))
            if sent:
                left[0] = left[0][sent:]

    def shutdown(self) -> None:
        """Let whoever receives or sends, also in another thread, find the connection closed."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def is_hung_up(self) -> bool:
        """Tell whether the other side has closed it, or it broke, though bytes may be left to be received."""
        poller = select.poll()
        poller.register(self._socket, select.POLLRDHUP)
        return bool(poller.poll(0))

    def stop_receiving(self) -> None:
        """Let whoever receives find the end; what is to be sent can be."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """Close it; nobody may be in a call."""
        self.shutdown()
        self._socket.close()

    def _receive_now(self, space: memoryview) -> int:
        return self._socket.recv_into(space)

    def _send_now(self, left: list[memoryview]) -> int:
        return self._socket.sendmsg(left[:_MOST_PIECES])

    def _wait(self, event: int, timeout_s: float) -> None:
        poller = select.poll()
        try:
            poller.register(self._socket, event)
        except ValueError as error:
            raise OSError("the connection is closed") from error
        if not poller.poll(1000 * timeout_s):
            raise TimeoutError(f"nothing moved for {timeout_s:g} s")


class TlsLink(Link):
    """A connection over TLS."""

    # OpenSSL's objects must not be used by two threads at once, so nobody waits while holding them.

    def __init__(self, connected: ssl.SSLSocket, *, receive_s: float, send_s: float) -> None:
        super().__init__(connected, receive_s=receive_s, send_s=send_s)
        self._tls = connected
        self._using = threading.Lock()

    def _receive_now(self, space: memoryview) -> int:
        with self._using:
            return self._tls.recv_into(space)

    def _send_now(self, left: list[memoryview]) -> int:
        with self._using:
            return self._tls.send(left[0])

    def is_hung_up(self) -> bool:
        """Tell whether the other side has closed it, or it broke, though bytes may be left to be received."""
        poller = select.poll()
        poller.register(self._socket, select.POLLRDHUP)
        return bool(poller.poll(0))

    def stop_receiving(self) -> None:
        """Let whoever receives find the end; TLS has no half of a connection, so sending ends as well."""
        self.shutdown()


def connect_link(
    place: tuple[str, int], *, tls: ssl.SSLContext | None, connect_s: float, receive_s: float, send_s: float
) -> Link:
    """Connect, with the handshake of TLS if there is a context; the name of the host must be on its certificate.

    Raises
    ------
    OSError
        If it cannot be reached, or its certificate is not to be trusted.
    """
    end = time.monotonic() + connect_s
    connected = socket.create_connection(place, timeout=connect_s)
    if tls is None:
        return Link(connected, receive_s=receive_s, send_s=send_s)
    try:
        connected.settimeout(max(end - time.monotonic(), 0.1))
        return TlsLink(tls.wrap_socket(connected, server_hostname=place[0]), receive_s=receive_s, send_s=send_s)
    except BaseException:
        connected.close()
        raise
