"""Where a player puts messages: one face over ZeroMQ, TCP and HTTP."""

import time
from collections.abc import Sequence
from typing import Literal, Protocol

from penstock.errors import SourceError
from penstock.services.post_outlet import PostOutlet
from penstock.transport.tcp import TcpServer
from penstock.transport.zmq import ZmqSender

__all__ = ["Outlet", "SocketKind", "TcpOutlet", "ZmqOutlet", "outlet"]

SocketKind = Literal["push", "pub", "tcp", "post", "pva", "kafka", "tango"]


class Outlet(Protocol):
    """One bound address."""

    @property
    def address(self) -> str:
        """With the port that was taken."""

    def open(self) -> None:
        """Bind."""

    def wait(self, timeout_s: float) -> bool:
        """Wait for whoever is to receive; return whether it is there. Call it again to wait on."""

    def send(self, parts: Sequence[bytes], timeout_s: float) -> bool:
        """Send one message; return false if there was no room in time, and call again with the same."""

    def close(self, linger_s: float) -> None:
        """Close; wait up to ``linger_s`` until all is sent."""


class ZmqOutlet:
    """A PUSH or PUB socket and the number of peers it wants."""

    def __init__(self, kind: Literal["push", "pub"], address: str, peers: int) -> None:
        self._sender = ZmqSender(kind, address)
        self._wanted = peers

    @property
    def address(self) -> str:
        """With the port that was taken."""
        return self._sender.address

    def open(self) -> None:
        """Bind."""
        self._sender.open()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the peers."""
        return self._sender.wait_for_peers(self._wanted, timeout_s)

    def send(self, parts: Sequence[bytes], timeout_s: float) -> bool:
        """Send one message.

        Raises
        ------
        SourceError
            If it would be published to nobody.
        """
        if self._sender.kind == "pub" and self._sender.look() < 1:
            raise SourceError(f"{self.address}: the last subscriber has gone")
        return self._sender.send(parts, timeout_s)

    def close(self, linger_s: float) -> None:
        """Close; see the protocol."""
        self._sender.close(linger_s)


class TcpOutlet:
    """A server that sends one client a stream of bytes, after the client has said its greeting."""

    def __init__(self, address: str, greeting: bytes) -> None:
        self._server = TcpServer(address)
        self._greeting = greeting
        self._pending = b""

    @property
    def address(self) -> str:
        """With the port that was taken."""
        return self._server.address

    def open(self) -> None:
        """Bind."""
        self._server.open()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a client and its greeting.

        Raises
        ------
        SourceError
            If it says something else.
        """
        deadline = time.monotonic() + timeout_s
        if not self._server.accept(timeout_s):
            return False
        said = self._server.expect(self._greeting, max(0.0, deadline - time.monotonic()))
        if said is None:
            return False
        if said != self._greeting:
            raise SourceError(f"{self.address}: the client said {said!r} where {self._greeting!r} is due")
        return True

    def send(self, parts: Sequence[bytes], timeout_s: float) -> bool:
        """Send one piece; see the protocol."""
        self._pending = self._pending or b"".join(parts)
        while self._pending:
            sent = self._server.send(self._pending, timeout_s)
            if not sent:
                return False
            self._pending = self._pending[sent:]
        return True

    def close(self, linger_s: float) -> None:
        """Close; see the protocol."""
        self._server.close()


def outlet(
    kind: SocketKind, address: str, *, peers: int = 1, greeting: bytes = b"", idle: Sequence[Sequence[bytes]] = ()
) -> Outlet:
    """Return the outlet of a kind, not yet open; ``idle`` is what variables say before anybody comes."""
    if kind == "pva":
        from penstock.services.pva_outlet import PvaOutlet

        return PvaOutlet(address, peers, [list(parts) for parts in idle])
    if kind == "tango":
        from penstock.services.tango_outlet import TangoOutlet

        return TangoOutlet(address, [list(parts) for parts in idle])
    if kind == "kafka":
        from penstock.services.kafka_outlet import KafkaOutlet

        return KafkaOutlet(peers)
    if kind == "post":
        return PostOutlet(address)
    return TcpOutlet(address, greeting) if kind == "tcp" else ZmqOutlet(kind, address, peers)
