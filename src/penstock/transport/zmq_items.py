"""ZeroMQ sockets between pipelines: ends that bind or connect, to several addresses, and never wait by themselves.

Thin: parts come and go as they are. Who waits for room or for messages, and until when, is said by whoever uses them.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from penstock.errors import PenstockError, RemoteProtocolError, SinkError, SourceError
from penstock.extra import extra
from penstock.transport.address import check_address

with extra("run"):
    import zmq

from penstock.transport.malloc import KEPT_BYTES, prefer_reuse
from penstock.transport.zmq import REFUSED, events_of, why_not_bound

__all__ = ["MOST_MESSAGE_BYTES", "ZmqInlet", "ZmqOutlet"]

MOST_MESSAGE_BYTES: Final = 1 << 30
"""Of one part: who sends more is hung up on by ZeroMQ, before memory is taken for it."""
AHEAD: Final = 1000
"""Messages in ZeroMQ's queue of one peer, at either end, before their size is known; what ZeroMQ has by default."""
LEAST_AHEAD: Final = 4
REUSE_BYTES: Final = 1 << 16
"""From here on freed memory is kept for the next message: to have pages cleared takes twice as long as to fill them."""
ZERO_COPY_BYTES: Final = 1 << 16
"""Bytes from here on are sent from where they are. Arrays never, because whoever made them may write on in them."""

_CLOCK_MS: Final = 2
_NOBLOCK: Final = int(zmq.NOBLOCK)  # as numbers: the enumeration is translated anew at every call
_MORE: Final = int(zmq.SNDMORE)
_RCVMORE: Final = int(zmq.RCVMORE)
_view: Callable[[zmq.Frame], memoryview] = memoryview  # type: ignore[assignment]  # a frame has the buffer protocol
_REACHED: Final = zmq.EVENT_HANDSHAKE_SUCCEEDED
_LOST: Final = zmq.EVENT_DISCONNECTED
_TYPES: Final = {"pull": zmq.PULL, "sub": zmq.SUB, "push": zmq.PUSH, "pub": zmq.XPUB}


class _End:
    """What both ends have in common: addresses, a socket, and a bound of its queue."""

    error: type[PenstockError]
    bound: int

    def __init__(self, kind: str, bind: Sequence[str], connect: Sequence[str], ahead_bytes: int) -> None:
        self.kind = kind
        self.bind = [_checked(address, self.error) for address in bind]
        """With the ports that were taken, once it is open."""
        self.connect = [_checked(address, self.error) for address in connect]
        self.ahead_bytes = ahead_bytes
        self.ahead = AHEAD
        """Messages in the queue of one peer."""
        self._largest = 0
        self._socket: Any = None  # zmq.Socket[bytes] | None, which would be asked for None at each message

    @property
    def addresses(self) -> list[str]:
        """All of them."""
        return [*self.bind, *self.connect]

    @property
    def is_open(self) -> bool:
        """Whether there is a socket."""
        return self._socket is not None

    @property
    def socket(self) -> Any:
        """The ZeroMQ socket."""
        return self._socket

    def _attach(self) -> None:
        socket = self._socket
        socket.setsockopt(zmq.IPV6, any("[" in address for address in self.addresses))
        socket.setsockopt(zmq.RECONNECT_IVL, 20)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
        socket.setsockopt(self.bound, self.ahead)
        for number, address in enumerate(self.bind):
            try:
                socket.bind(address.removesuffix(":0") + ":*" if address.endswith(":0") else address)
            except zmq.ZMQError as error:
                raise self.error(why_not_bound(address, error)) from error
            if address.endswith(":0"):
                port = socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0").rpartition(":")[2]
                self.bind[number] = f"{address.removesuffix(':0')}:{port}"
        for address in self.connect:
            try:
                socket.connect(address)
            except zmq.ZMQError as error:
                raise self.error(f"{address}: ZeroMQ cannot connect there: {error.strerror}") from error

    def _saw(self, nbytes: int) -> None:
        # ZeroMQ bounds by messages only. It takes a new bound at any time, but only a lower one; see transport.zmq.
        if self._largest < REUSE_BYTES <= nbytes:
            prefer_reuse(KEPT_BYTES, is_shared=False)
        self._largest = nbytes
        ahead = max(LEAST_AHEAD, self.ahead_bytes // max(nbytes, 1))
        if ahead < self.ahead:
            self.ahead = ahead
            self._socket.setsockopt(self.bound, ahead)


class ZmqInlet(_End):
    """A PULL or SUB socket.

    Parameters
    ----------
    kind
        ``pull`` or ``sub``.
    bind, connect
        Addresses; at a bound port 0 any free one is taken.
    topics
        Of ``sub``: what messages begin with; by default all are wanted.
    ahead_bytes
        How much may lie unread for one sender, in bytes of messages as large as those seen so far.
    behind_at
        Which byte of a message's first part says how many parts follow, if senders say so; -1: nobody says. Asking
        ZeroMQ takes as long as receiving a small message. If a sender lies, its parts come as messages of their own.

    Raises
    ------
    SourceError
        If an address cannot be one.
    """

    error = SourceError
    bound = zmq.RCVHWM

    def __init__(
        self,
        kind: Literal["pull", "sub"],
        *,
        bind: Sequence[str] = (),
        connect: Sequence[str] = (),
        topics: Sequence[bytes] = (),
        ahead_bytes: int = 256 << 20,
        behind_at: int = -1,
    ) -> None:
        super().__init__(kind, bind, connect, ahead_bytes)
        self.topics = topics
        self.behind_at = behind_at

    def open(self) -> None:
        """Bind, and begin to connect; this does not wait.

        Raises
        ------
        SourceError
            If an address is in use or cannot be had.
        """
        self._socket = zmq.Context.instance().socket(_TYPES[self.kind])
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MOST_MESSAGE_BYTES)
        if self.kind == "sub":
            for topic in self.topics or (b"",):
                self._socket.setsockopt(zmq.SUBSCRIBE, topic)
        try:
            self._attach()
        except PenstockError:
            self.close()
            raise

    @property
    def descriptor(self) -> int:
        """What an event loop watches. It tells of changes only: ask `is_ready` each time before waiting on it."""
        return int(self._socket.getsockopt(zmq.FD))

    @property
    def is_ready(self) -> bool:
        """Whether a message lies ready."""
        return bool(self._socket.getsockopt(zmq.EVENTS) & zmq.POLLIN)

    def receive(self, most: int, most_bytes: int) -> list[list[bytes | memoryview]]:
        """Return the messages that lie ready, in order, each as its parts; without waiting.

        The first part is a copy, further ones are views of ZeroMQ's memory, which they keep.

        Parameters
        ----------
        most, most_bytes
            After so many messages, or bytes, the rest is left for the next call.
        """
        found: list[list[bytes | memoryview]] = []
        socket = self._socket
        if socket is None:
            return found
        receive, total, at = socket.recv, 0, self.behind_at
        try:
            while len(found) < most and total < most_bytes:
                first = receive(_NOBLOCK)
                nbytes = len(first)
                parts: list[bytes | memoryview] = [first]
                has_more = at < 0 or (nbytes > at and first[at])
                while has_more and socket.getsockopt(_RCVMORE):
                    parts.append(part := _view(receive(0, copy=False)))
                    nbytes += len(part)
                found.append(parts)
                total += nbytes
                if nbytes > self._largest:
                    self._saw(nbytes)
        except zmq.Again:
            pass
        return found

    def receive_single(
        self, most: int, most_bytes: int, read: Callable[[zmq.Frame], Any], refuse: Callable[[int, str], None]
    ) -> tuple[int, list[Any]]:
        """Return how many messages lay ready, and what those of one part hold; where all senders are to send one.

        ZeroMQ is asked for a message together with whether another part follows, which takes as long as receiving it
        alone does. Each is read at once: so many frames at a time would have the garbage collector look at them.

        Parameters
        ----------
        most, most_bytes
            As for `receive`.
        read
            Makes an item of the part.
        refuse
            Told of how many parts a message is that is none, and what ``read`` said against it.
        """
        found: list[Any] = []
        socket = self._socket
        if socket is None:
            return 0, found
        receive, add, count, total, largest = socket.recv, found.append, 0, 0, self._largest
        try:
            while count < most and total < most_bytes:
                frame = receive(_NOBLOCK, False)
                count += 1
                nbytes = len(frame)
                total += nbytes
                if frame.more:
                    refuse(self._parts_behind(frame), "")
                    continue
                try:
                    add(read(frame))
                except RemoteProtocolError as error:
                    refuse(1, str(error))
                if nbytes > largest:
                    self._saw(nbytes)
                    largest = nbytes
        except zmq.Again:
            pass
        return count, found

    def _parts_behind(self, frame: zmq.Frame) -> int:
        count = 1
        while frame.more:
            frame = self._socket.recv(0, False)
            count += 1
        return count

    def close(self) -> None:
        """Close the socket; what was not read is lost."""
        if self._socket is not None:
            self._socket.close(0)
        self._socket = None


class ZmqOutlet(_End):
    """A PUSH or PUB socket.

    PUSH takes a message only if a queue has room: that of one of the receivers that are there, or, with one address to
    connect to, that of this address, which goes on while the receiver is started anew. PUB takes every message, and
    gives none to a subscriber whose queue is full.

    Parameters
    ----------
    kind
        ``push`` or ``pub``.
    bind, connect
        Addresses; at a bound port 0 any free one is taken.
    ahead_bytes
        How much may wait for one receiver, in bytes of messages as large as those seen so far.

    Raises
    ------
    SinkError
        If an address cannot be one.
    """

    error = SinkError
    bound = zmq.SNDHWM

    def __init__(
        self,
        kind: Literal["push", "pub"],
        *,
        bind: Sequence[str] = (),
        connect: Sequence[str] = (),
        ahead_bytes: int = 256 << 20,
    ) -> None:
        super().__init__(kind, bind, connect, ahead_bytes)
        self.peers = 0
        """How many are connected, and for PUB have subscribed, as of the last `look`."""
        self.departures = 0
        """How often one of them has gone."""
        self.had_peers = False
        """Whether there has ever been one."""
        self._refused = 0
        self._send: Any = None  # of the class behind zmq.Socket, which asks for routes and groups at each message
        self._context: Any = None
        self._monitor: Any = None

    def open(self) -> None:
        """Bind, and begin to connect; this does not wait.

        Raises
        ------
        SinkError
            If an address is in use or cannot be had.
        """
        self._context = zmq.Context()  # its own, because ending it is what waits until all is sent
        self._socket = self._context.socket(_TYPES[self.kind])
        self._send = super(zmq.Socket, self._socket).send  # type: ignore[misc]  # it is one
        if self.kind == "pub":
            self._socket.setsockopt(zmq.XPUB_VERBOSER, 1)
        else:
            self._monitor = self._socket.get_monitor_socket(_REACHED | _LOST | REFUSED)
            # With several addresses, nothing is kept for one at which nobody is while others could take it.
            self._socket.setsockopt(zmq.IMMEDIATE, len(self.addresses) > 1)
        try:
            self._attach()
        except PenstockError:
            self.close(0)
            raise

    def send(self, parts: Sequence[bytes | memoryview]) -> bool:
        """Send one message, without waiting; return false if no queue has room for it."""
        send, last = self._send, len(parts) - 1
        if not last:
            return self.send_part(parts[0])
        nbytes = 0
        try:
            for number, part in enumerate(parts):
                is_kept = type(part) is bytes and len(part) >= ZERO_COPY_BYTES
                send(part, _NOBLOCK if number == last else _NOBLOCK | _MORE, copy=not is_kept)
                nbytes += len(part)
        except zmq.Again:
            return False
        if nbytes > self._largest:
            self._saw(nbytes)
        return True

    def send_part(self, part: bytes | memoryview) -> bool:
        """Send a message of one part, as `send`."""
        nbytes = len(part)
        try:
            self._send(part, _NOBLOCK, nbytes < ZERO_COPY_BYTES or type(part) is not bytes)
        except zmq.Again:
            return False
        if nbytes > self._largest:
            self._saw(nbytes)
        return True

    def wait_for_room(self, timeout_s: float) -> None:
        """Wait until a queue has room, or the time has passed."""
        self._socket.poll(int(timeout_s * 1000) + 1, zmq.POLLOUT)

    def wait_for_peers(self, count: int, timeout_s: float) -> bool:
        """Wait until so many receivers are there, or the time has passed; return whether they are."""
        deadline = time.monotonic() + timeout_s
        while self.look() < count:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            (self._socket if self._monitor is None else self._monitor).poll(int(left * 1000) + 1, zmq.POLLIN)
        return True

    def look(self) -> int:
        """Return how many receivers there are now."""
        if self._monitor is not None:
            for event in events_of(self._monitor):
                if event["event"] & REFUSED:
                    self._refused += 1  # its connection will be lost, too
                elif event["event"] == _LOST and self._refused:
                    self._refused -= 1
                else:
                    self._count(event["event"] == _REACHED)
        elif self._socket is not None:
            while True:
                try:
                    said = self._socket.recv(_NOBLOCK)
                except zmq.Again:
                    break
                if said[:1] in (b"\x00", b"\x01"):  # anything else is no subscription, and nobody's business
                    self._count(said[:1] == b"\x01")
        return self.peers

    def close(self, linger_s: float) -> bool:
        """Close, and wait until all is sent; return false if that is not known, because the time was over before."""
        if self._context is None:
            return True
        if self._monitor is not None:
            self._socket.disable_monitor()
            self._monitor.close(0)
        began, linger_ms = time.monotonic(), int(linger_s * 1000)
        self._socket.close(linger_ms)
        self._context.term()
        self._context = self._socket = self._send = self._monitor = None
        # ZeroMQ does not say whether it gave up; if it did, it took all of the time, by a clock of milliseconds.
        return (time.monotonic() - began) * 1000 < linger_ms - _CLOCK_MS

    def _count(self, has_come: bool) -> None:
        self.peers += 1 if has_come else -1
        self.had_peers |= has_come
        self.departures += not has_come


def _checked(address: str, error: type[PenstockError]) -> str:
    try:
        return check_address(address)
    except SourceError as trouble:
        raise error(str(trouble)) from None
