"""A small broker of MQTT 3.1.1, enough for tests: quality of service 0 and 1, retained messages, a password.

It follows the OASIS standard, sections 2 and 3, and goes, comes again and keeps silent when it is told to.
"""

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass, field

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 13, 14


@dataclass(eq=False)
class Peer:
    """One client."""

    writer: asyncio.StreamWriter
    filters: list[str] = field(default_factory=list)
    next_id: int = 1
    unacknowledged: set[int] = field(default_factory=set)


class Broker:
    """Runs in a thread of its own between ``start`` and ``stop``; may be started again, at the same port."""

    def __init__(self, password: str = "") -> None:
        self.password = password
        self.port = 0
        self.published: list[tuple[str, bytes, int]] = []
        """Topic, payload and quality of service, in order."""
        self.acknowledges = True
        """Whether what comes is acknowledged."""
        self.refuses: set[str] = set()
        """Filters that nobody may subscribe to."""
        self.retained: dict[str, bytes] = {}
        self.peers: set[Peer] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._end: asyncio.Event | None = None

    def start(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)))
        self._thread.start()
        assert ready.wait(30)

    def stop(self) -> None:
        if self._thread is not None:
            assert self._loop is not None
            assert self._end is not None
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join()
        self._thread = None

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._end.wait()
        server.close()
        for peer in list(self.peers):
            peer.writer.transport.abort()
        while self.peers:
            await asyncio.sleep(0)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(writer)
        self.peers.add(peer)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    kind, flags, body = await _packet(reader)
                    if not self._take(peer, kind, flags, body):
                        break
                    await writer.drain()
        finally:
            self.peers.discard(peer)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def _take(self, peer: Peer, kind: int, flags: int, body: bytes) -> bool:
        if kind == CONNECT:
            is_known = not self.password or body.endswith(_text(self.password))
            _send(peer, CONNACK, bytes([0, 0 if is_known else 5]))
            return is_known
        if kind == PUBLISH:
            self._publish(peer, flags, body)
        elif kind == PUBACK:
            peer.unacknowledged.discard(int.from_bytes(body, "big"))
        elif kind == SUBSCRIBE:
            self._subscribe(peer, body)
        elif kind == PINGREQ:
            _send(peer, PINGRESP, b"")
        return kind != DISCONNECT

    def _publish(self, peer: Peer, flags: int, body: bytes) -> None:
        topic, rest = _split(body)
        qos = flags >> 1 & 3
        payload = rest[2:] if qos else rest
        self.published.append((topic, payload, qos))
        if flags & 1:
            self.retained[topic] = payload
        if qos and self.acknowledges:
            _send(peer, PUBACK, rest[:2])
        for each in self.peers:
            if any(_fits(pattern, topic) for pattern in each.filters):
                _deliver(each, topic, payload)

    def _subscribe(self, peer: Peer, body: bytes) -> None:
        rest, codes = body[2:], []
        while rest:
            pattern, rest = _split(rest)
            rest = rest[1:]
            codes.append(0x80 if pattern in self.refuses else 1)
            peer.filters.append(pattern)
        _send(peer, SUBACK, body[:2] + bytes(codes))
        for topic, payload in self.retained.items():
            if any(_fits(pattern, topic) for pattern in peer.filters):
                _deliver(peer, topic, payload)


async def _packet(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    (first,) = await reader.readexactly(1)
    length = shift = 0
    while True:
        (byte,) = await reader.readexactly(1)
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return first >> 4, first & 15, await reader.readexactly(length)


def _send(peer: Peer, kind: int, body: bytes, flags: int = 0) -> None:
    length, head = len(body), bytearray([kind << 4 | flags])
    while True:
        length, byte = length >> 7, length & 0x7F
        head.append(byte | (0x80 if length else 0))
        if not length:
            break
    peer.writer.write(bytes(head) + body)


def _deliver(peer: Peer, topic: str, payload: bytes) -> None:
    number, peer.next_id = peer.next_id, peer.next_id % 65535 + 1
    peer.unacknowledged.add(number)
    _send(peer, PUBLISH, _text(topic) + number.to_bytes(2, "big") + payload, flags=2)


def _text(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(2, "big") + raw


def _split(body: bytes) -> tuple[str, bytes]:
    end = 2 + int.from_bytes(body[:2], "big")
    return body[2:end].decode(), body[end:]


def _fits(pattern: str, topic: str) -> bool:
    wanted, levels = pattern.split("/"), topic.split("/")
    for position, word in enumerate(wanted):
        if word == "#":
            return True
        if position >= len(levels) or word not in ("+", levels[position]):
            return False
    return len(wanted) == len(levels)
