"""The processes of the measurement over TCP: ``python -m bench.streams_far ROLE WHERE [WORDS]``.

``serve FOLDER``, ``share TCP GROUP PREFETCH``, ``send TCP COUNT RATE_HZ`` and ``follow TCP`` have to do with streams;
``ask PORT COUNT``, ``send-bare PORT COUNT RATE_HZ`` and ``follow-bare PORT`` do the same with a bare socket.
"""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from bench.bare_peer import ANSWER_BYTES, REQUEST_BYTES, connected, received
from bench.children import say
from penstock.services.stream_server import StreamServer
from penstock.streams.directory import DirectoryStore
from penstock.streams.open_store import open_store

__all__ = ["SHARED", "SMALL"]

SHARED = "c2026/bench/shared"
SMALL = "c2026/bench/small"
MESSAGE_BYTES = 1024
TIMEOUT_S = 30.0
SETTLED = 0.2
"""Part of the messages that are not counted, at the beginning."""


def serve(folder: str) -> None:
    """Serve a store in a folder until the input ends."""
    with DirectoryStore(Path(folder)) as store, StreamServer(store) as server:
        say({"address": server.address})
        sys.stdin.read()


def share(where: str, group: str, prefetch: str) -> None:
    """Share a stream that has ended; say how many messages were this member's, and when it was done."""
    with open_store(where) as store, store.group(SHARED, group, prefetch=int(prefetch)) as member:
        say("ready")
        sys.stdin.readline()
        count = 0
        for message in member.follow():
            member.ack(message)
            count += 1
        member.flush()
        say({"count": count, "end_s": time.monotonic()})


def ask(port: str, count: str) -> None:
    """Ask for 1 kB, one after the other."""
    with connected(int(port), b"e") as server:
        say("ready")
        sys.stdin.readline()
        for _ in range(int(count)):
            server.sendall(bytes(REQUEST_BYTES))
            received(server, ANSWER_BYTES)
        say({"count": int(count), "end_s": time.monotonic()})


def send(where: str, count: str, rate_hz: str) -> None:
    """Send small messages at a pace."""
    with open_store(where) as store, store.producer(SMALL) as out:
        say("ready")
        sys.stdin.readline()
        for _ in _paced(int(count), float(rate_hz)):
            out.send(bytes(MESSAGE_BYTES))
        out.finish()
        say({"count": int(count)})


def send_bare(port: str, count: str, rate_hz: str) -> None:
    """Send the same over a bare socket."""
    with connected(int(port), b"s") as server:
        say("ready")
        sys.stdin.readline()
        for _ in _paced(int(count), float(rate_hz)):
            server.sendall(time.time_ns().to_bytes(8, "little") + bytes(MESSAGE_BYTES - 8))
        say({"count": int(count)})


def follow(where: str) -> None:
    """Follow to the end, and say how late messages were."""
    with open_store(where) as store, store.consumer(SMALL) as consumer:
        say("ready")
        sys.stdin.readline()
        _say_late([time.time_ns() - message.timestamp_ns for message in consumer.follow(timeout_s=TIMEOUT_S)])


def follow_bare(port: str) -> None:
    """Follow what comes over a bare socket."""
    with connected(int(port), b"f") as server:
        server.recv(1)
        say("ready")
        sys.stdin.readline()
        late_ns = []
        while len(data := received(server, MESSAGE_BYTES)) == MESSAGE_BYTES:
            late_ns.append(time.time_ns() - int.from_bytes(data[:8], "little"))
        _say_late(late_ns)


def _paced(count: int, rate_hz: float) -> Iterator[None]:
    begin = time.monotonic()
    for k in range(count):
        left_s = begin + k / rate_hz - time.monotonic()
        if left_s > 0:
            time.sleep(left_s)
        yield


def _say_late(late_ns: list[int]) -> None:
    late_s = np.array(late_ns[int(SETTLED * len(late_ns)) :]) / 1e9
    p50, p99 = np.quantile(late_s, [0.5, 0.99]).tolist()
    say({"count": len(late_ns), "p50_s": p50, "p99_s": p99})


ROLES: dict[str, Callable[..., None]] = {
    "serve": serve,
    "share": share,
    "ask": ask,
    "send": send,
    "send-bare": send_bare,
    "follow": follow,
    "follow-bare": follow_bare,
}

if __name__ == "__main__":
    ROLES[sys.argv[1]](*sys.argv[2:])
