"""ZeroMQ sockets, as instruments have them: one end that receives, one that sends.

Thin: parts come and go as they are. Which process is on the other side is seen through ZeroMQ's monitor only.
"""

import errno
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

from penstock.errors import SourceError
from penstock.extra import extra
from penstock.transport.address import check_address

with extra("run"):
    import zmq
    from zmq.utils.monitor import recv_monitor_message

__all__ = ["REFUSED", "ZmqReceiver", "ZmqSender", "events_of", "why_not_bound"]

PULL_AHEAD = 1000
"""Messages a PULL socket reads ahead before their size is known; a full one holds the sender back, nothing is lost."""
SUB_AHEAD = 10_000
"""Likewise for SUB; a full one makes the publisher drop, so this is large."""
LEAST_AHEAD = 4
"""With fewer the network is idle while a frame is processed; measured with frames of 4 MB."""

_NOBLOCK = int(zmq.NOBLOCK)
"""As a number, because its enumeration is translated anew at every call."""
_view: Callable[[zmq.Frame], memoryview] = memoryview  # type: ignore[assignment]  # a frame has the buffer protocol
"""The same as ``frame.buffer``, which takes half as long again."""
_REACHED = zmq.EVENT_HANDSHAKE_SUCCEEDED
REFUSED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
_LOST = zmq.EVENT_DISCONNECTED


class ZmqReceiver:
    """A PULL or SUB socket that connects.

    Parameters
    ----------
    kind
        ``pull`` or ``sub`` (to everything).
    address
        Of the instrument.
    connect_s
        How long it may take until it is reached for the first time, in s; 0 waits for ever. Once reached, a broken
        connection is made again by ZeroMQ, for ever.
    ahead_bytes
        How much may lie unread in memory, in bytes of messages as large as those seen so far.
    """

    def __init__(
        self, kind: Literal["pull", "sub"], address: str, *, connect_s: float = 30.0, ahead_bytes: int = 256 << 20
    ) -> None:
        self.kind = kind
        self.address = check_address(address)
        self.connect_s = connect_s
        self.ahead_bytes = ahead_bytes
        self.is_reached = False
        """Whether the other side has ever answered."""
        self._refusal = ""
        self._ahead = 0
        self._largest = 0
        self._deadline = 0.0
        self._socket: zmq.Socket[bytes] | None = None
        self._monitor: Any = None

    @property
    def socket(self) -> "zmq.Socket[bytes] | None":
        """What a poller waits on; ``None`` while closed."""
        return self._socket

    def open(self) -> None:
        """Begin to connect; this does not wait.

        Raises
        ------
        SourceError
            If ZeroMQ does not take the address.
        """
        socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PULL if self.kind == "pull" else zmq.SUB)
        self._socket = socket
        self._monitor = socket.get_monitor_socket(_REACHED | REFUSED | _LOST)
        self._ahead = PULL_AHEAD if self.kind == "pull" else SUB_AHEAD
        socket.setsockopt(zmq.RCVHWM, self._ahead)
        # RCVBUF is left to the kernel: 4 MB brought nothing with frames of 4 MB, and what is set ends its own tuning.
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.IPV6, "[" in self.address)  # else a name might resolve to where nobody listens
        socket.setsockopt(zmq.RECONNECT_IVL, 20)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
        if self.kind == "sub":
            socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._deadline = time.monotonic() + self.connect_s
        try:
            socket.connect(self.address)
        except zmq.ZMQError as error:
            self.close()
            raise SourceError(f"{self.address}: ZeroMQ cannot connect there: {error.strerror}") from error

    def receive(self) -> list[bytes | memoryview] | None:
        """Return the parts of the next message, ``None`` if there is none now.

        Nothing is copied but the first of several parts, which is a header in every protocol there is.

        Raises
        ------
        SourceError
            If the instrument has not been reached within ``connect_s``.
        """
        socket = self._socket
        if socket is None:
            return None
        try:
            frame = socket.recv(_NOBLOCK, copy=False)
        except zmq.Again:
            self._look()
            return None
        parts: list[bytes | memoryview] = []
        while frame.more:
            parts.append(_view(frame) if parts else frame.bytes)  # of a header a copy costs less than a view
            frame = socket.recv(copy=False)
        parts.append(last := _view(frame))
        self.is_reached = True
        size = len(last) if len(parts) < 3 else max(map(len, parts))  # an Eiger's pixels are in the middle
        if size > self._largest:
            self._bound(socket, size)
        return parts

    def wait(self, timeout_s: float) -> None:
        """Wait until a message lies ready, or the time has passed."""
        if self._socket is not None:
            self._socket.poll(int(timeout_s * 1000))

    def close(self) -> None:
        """Close the socket; what was not read is lost."""
        if self._socket is not None:
            self._socket.disable_monitor()
            self._monitor.close(0)
            self._socket.close(0)
        self._socket = self._monitor = None

    def _bound(self, socket: "zmq.Socket[bytes]", size: int) -> None:
        # ZeroMQ bounds by messages only, and 1000 frames of 4 MB would be 4 GB. It takes a new bound at any time, but
        # only a lower one: with a higher one its two ends wait for each other (seen with libzmq 4.3.5).
        self._largest = size
        ahead = max(LEAST_AHEAD, self.ahead_bytes // max(size, 1))
        if ahead < self._ahead:
            self._ahead = ahead
            socket.setsockopt(zmq.RCVHWM, ahead)

    def _look(self) -> None:
        """Learn from the monitor whether the other side is there."""
        if self.is_reached:
            return
        for event in events_of(self._monitor):
            if event["event"] & _REACHED:
                self.is_reached = True
            elif event["event"] & REFUSED:
                self._refusal = "something answers there, but it does not speak ZeroMQ; "
        if not self.is_reached and self.connect_s and time.monotonic() > self._deadline:
            raise SourceError(
                f"{self.address} was not reached within {self.connect_s:g} s; {self._refusal}"
                "see whether the instrument is on and address and port are right, or give it longer with connect_s"
            )


class ZmqSender:
    """A PUSH or PUB socket that binds and loses nothing: it waits for its peers and for room.

    Parameters
    ----------
    kind
        ``push`` or ``pub``.
    address
        Where to bind; port 0 takes any free one.
    """

    def __init__(self, kind: Literal["push", "pub"], address: str) -> None:
        self.kind = kind
        self.address = check_address(address)
        """With the port that was taken, once it is open."""
        self.peers = 0
        """How many are connected, and for PUB have subscribed."""
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._socket: zmq.Socket[bytes] | None = None
        self._monitor: Any = None

    def open(self) -> None:
        """Bind.

        Raises
        ------
        SourceError
            If the port is in use, or the address is not this machine's.
        """
        # XPUB is PUB that tells who subscribes, and that can wait for a slow subscriber instead of dropping.
        self._context = zmq.Context()  # its own, because ending it is what waits until all is sent
        socket = self._context.socket(zmq.PUSH if self.kind == "push" else zmq.XPUB)
        self._socket = socket
        if self.kind == "pub":
            socket.setsockopt(zmq.XPUB_NODROP, 1)
            socket.setsockopt(zmq.XPUB_VERBOSER, 1)
        else:
            self._monitor = socket.get_monitor_socket(_REACHED | _LOST)
        socket.setsockopt(zmq.IPV6, "[" in self.address)  # else a name might resolve to where nobody listens
        try:
            socket.bind(self.address.removesuffix(":0") + ":*" if self.address.endswith(":0") else self.address)
        except zmq.ZMQError as error:
            self.close(0)
            raise SourceError(why_not_bound(self.address, error)) from error
        if self.address.endswith(":0"):
            port = socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0").rpartition(":")[2]
            self.address = f"{self.address.removesuffix(':0')}:{port}"

    def wait_for_peers(self, count: int, timeout_s: float) -> bool:
        """Wait until ``count`` peers are there; return whether they are."""
        deadline = time.monotonic() + timeout_s
        while self.look() < count:
            left = deadline - time.monotonic()
            waiter = self._socket if self.kind == "pub" else self._monitor
            if left <= 0 or waiter is None:
                return False
            waiter.poll(int(min(left, 0.2) * 1000) + 1)
        return True

    def look(self) -> int:
        """Return how many peers there are now."""
        if self._socket is None:
            return 0
        if self.kind == "push":
            for event in events_of(self._monitor):
                self.peers += 1 if event["event"] & _REACHED else -1
            return self.peers
        while True:
            try:
                self.peers += 1 if self._socket.recv(zmq.NOBLOCK)[:1] == b"\x01" else -1
            except zmq.Again:
                return self.peers

    def send(self, parts: Sequence[bytes], timeout_s: float) -> bool:
        """Send one message as soon as there is room; return false if there was none in time."""
        if self._socket is None:
            return False
        try:
            self._socket.send_multipart(parts, zmq.NOBLOCK)
        except zmq.Again:
            if self._socket.poll(int(timeout_s * 1000), zmq.POLLOUT):
                return self._retry(parts)
            return False
        return True

    def _retry(self, parts: Sequence[bytes]) -> bool:
        try:
            self._socket.send_multipart(parts, zmq.NOBLOCK)  # type: ignore[union-attr]
        except zmq.Again:
            return False
        return True

    def close(self, linger_s: float) -> None:
        """Close and wait until all is sent; what has no room within ``linger_s`` is lost."""
        if self._socket is not None:
            if self._monitor is not None:
                self._socket.disable_monitor()
                self._monitor.close(0)
            self._socket.close(int(linger_s * 1000))
        if self._context is not None:
            self._context.term()
        self._context = self._socket = self._monitor = None


def events_of(monitor: Any) -> Any:
    """Yield what a monitor has to tell now."""
    while monitor is not None and monitor.poll(0):
        yield recv_monitor_message(monitor)


def why_not_bound(address: str, error: zmq.ZMQError) -> str:
    """Return why an address cannot be bound, and what would be right."""
    if error.errno == zmq.EADDRINUSE:
        port = address.rpartition(":")[2]
        return (
            f"{address} is in use by another program (`ss -ltnp 'sport = :{port}'` says which); "
            "stop it, or choose another port, or port 0 for any free one"
        )
    if error.errno in (errno.ENODEV, errno.EADDRNOTAVAIL):
        return f"{address} is not an address of this machine; write tcp://127.0.0.1:PORT, or tcp://*:PORT for all"
    return f"{address}: ZeroMQ cannot bind there: {error.strerror}"
