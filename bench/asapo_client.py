"""The processes of the measurement of ASAPO's door: ``python -m bench.asapo_client ROLE WORDS``.

``serve FOLDER`` is ours, ``bare`` a server that keeps nothing and gives the same answer to everybody. ``send``,
``read``, ``pace`` and ``follow`` are ASAPO's genuine clients.
"""

import json
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.children import say
from penstock.compat.asapo.server import AsapoServer
from penstock.compat.asapo.wire import HEADER_BYTES, Code, Header, Op, reply
from penstock.streams.directory import DirectoryStore

__all__: list[str] = []

SETTLED = 0.2
"""Part of the messages that are not counted, at the beginning."""
TIMEOUT_MS = 60_000


def serve(folder: str) -> None:
    """Serve a store in a folder until the input ends."""
    with DirectoryStore(Path(folder) / "store", make=True) as store, AsapoServer(store) as server:
        say({"address": server.address})
        sys.stdin.read()


def bare() -> None:
    """Answer as a server does that has nothing to do."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        say({"address": address})
        threading.Thread(target=_accept, args=(listening, address), daemon=True).start()
        sys.stdin.read()


def _accept(listening: socket.socket, address: str) -> None:
    while True:
        connected, _ = listening.accept()
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_talk, args=(connected, address), daemon=True).start()


def _talk(connected: socket.socket, address: str) -> None:
    space = memoryview(bytearray(16 << 20))
    with connected:
        first = connected.recv(1, socket.MSG_PEEK)
        while first and (_binary(connected, space) if first[0] < 32 else _http(connected, space, address)):
            pass


def _binary(connected: socket.socket, space: memoryview) -> bool:
    if not _receive(connected, space[:HEADER_BYTES]):
        return False
    header = Header.parse(space[:HEADER_BYTES])
    size = header.meta_size + (header.size if header.has_payload else 0)
    if size and not _receive(connected, space[:size]):
        return False
    connected.sendall(reply(header.op, Code.OK))
    if header.op == Op.READ:
        connected.sendall(space[: header.size])
    return True


def _receive(connected: socket.socket, space: memoryview) -> bool:
    while space:
        received = connected.recv_into(space)
        if not received:
            return False
        space = space[received:]
    return True


def _http(connected: socket.socket, space: memoryview, address: str) -> bool:
    received = connected.recv_into(space)
    asked = bytes(space[:received])
    if b"asapo-receiver" in asked:
        body = json.dumps({"MaxConnections": 32, "Uris": [address]}).encode()
    elif b"/next" in asked:
        record = {
            "_id": 1, "timestamp": 1, "name": "processed/f", "size": 1000, "source": address, "buf_id": 1,
            "dataset_substream": 0, "meta": {}, "stream": "s", "ingest_mode": 13,
        }  # fmt: skip
        body = json.dumps(record).encode()
    else:
        body = address.encode()
    connected.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    return bool(received)


def send(address: str, stream: str, count: str, size: str, threads: str, mode: str) -> None:
    """Send messages as fast as may be; say how many seconds it took until all were answered."""
    producer, answered = _producer(address, int(threads)), threading.Semaphore(0)
    failed: list[Any] = []

    def heard(_: Any, error: Any) -> None:
        if error is not None:
            failed.append(error)
        answered.release()

    producer.send(1, "processed/f", b"x", stream=f"{stream} first", callback=heard)
    answered.acquire()  # before that it looks for the server, which takes a second
    data = bytes(int(size))
    say("ready")
    sys.stdin.readline()
    begin = time.perf_counter()
    for number in range(1, int(count) + 1):
        producer.send(number, "processed/f", data, stream=stream, ingest_mode=int(mode), callback=heard)
    for _ in range(int(count)):
        answered.acquire()
    say({"seconds": time.perf_counter() - begin, "failed": len(failed)})


def read(address: str, stream: str, group: str, count: str, kind: str) -> None:
    """Read messages as fast as may be; say how many seconds it took."""
    consumer = _consumer(address)
    say("ready")
    sys.stdin.readline()
    begin = time.perf_counter()
    nbytes = 0
    for _ in range(int(count)):
        data, _meta = consumer.get_next(group, meta_only=kind == "meta", stream=stream, ordered=False)
        nbytes += 0 if data is None else len(data)
    say({"seconds": time.perf_counter() - begin, "nbytes": nbytes})


def pace(address: str, stream: str, count: str, rate_hz: str) -> None:
    """Send small messages at a pace, each with the time it was sent."""
    producer = _producer(address, 1)
    producer.send(1, "processed/f", b"x", stream=f"{stream} first")
    producer.wait_requests_finished(TIMEOUT_MS)
    say("ready")
    sys.stdin.readline()
    begin = time.monotonic()
    for number in range(1, int(count) + 1):
        time.sleep(max(begin + number / float(rate_hz) - time.monotonic(), 0))
        producer.send(number, "processed/f", time.monotonic_ns().to_bytes(8, "little"), stream=stream)
    producer.wait_requests_finished(TIMEOUT_MS)
    say({"count": int(count)})


def follow(address: str, stream: str, count: str) -> None:
    """Read them as they come; say how long each took, in s."""
    consumer = _consumer(address)
    say("ready")
    took = []
    for _ in range(int(count)):
        data, _meta = consumer.get_next("g", meta_only=False, stream=stream, ordered=False)
        took.append((time.monotonic_ns() - int.from_bytes(bytes(data), "little")) / 1e9)
    say({"took_s": sorted(took[round(SETTLED * len(took)) :])})


def _producer(address: str, threads: int) -> Any:  # of a library without types
    import asapo_producer

    made = asapo_producer.create_producer(address, "processed", "bt", "auto", "det", "", threads, TIMEOUT_MS)
    made.set_log_level("none")
    return made


def _consumer(address: str) -> Any:  # likewise
    import asapo_consumer

    return asapo_consumer.create_consumer(address, "auto", False, "bt", "det", "", TIMEOUT_MS)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    roles: dict[str, Callable[..., None]] = {
        "serve": serve, "bare": bare, "send": send, "read": read, "pace": pace, "follow": follow,
    }  # fmt: skip
    roles[sys.argv[1]](*sys.argv[2:])
