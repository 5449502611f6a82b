"""How fast messages go over TCP to a server of a folder, one by one, and back to a group; how long each takes.

Each figure stands beside what a bare socket and a bare server do with the same bytes.
"""

import asyncio
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.bare_peer import connected, received
from bench.children import children
from bench.effort import Effort
from bench.row import Row, in_turns
from bench.stream_disk import GB, disk_folder
from bench.streams_far import SHARED
from bench.streams_send import SENT
from penstock.streams.open_store import open_async_store, open_store

__all__ = ["group_rows", "latency_rows", "send_rows"]

SEND_TARGET = 250e3
GROUP_TARGET = 250e3
SINGLE_TARGET = 15e3
MEMBERS = 4
RATE_HZ = 1000
GATHERED = 1000
"""Messages in a block of the bare sender: what a producer gathers, too, where many come."""


def send_rows(effort: Effort) -> Iterator[Row]:
    """Measure messages of 1 kB sent one by one up to the last receipt, synchronously and asynchronously."""
    count = effort.count(SEND_TARGET)
    with _servers(3 * effort.runs * count * len(SENT)) as (address, port):
        limit, plain, awaited = (
            rate / 1e3
            for rate in in_turns(
                effort.runs,
                lambda: count / _bare_s(port, count),
                lambda: count / _sent_s(address, count),
                lambda: count / asyncio.run(_awaited_s(address, count)),
            )
        )
    for name, value in (("1 kB one by one, to the last receipt", plain), ("the same, await send", awaited)):
        yield Row(
            name=f"streams_tcp: {name}", value=value, unit="k/s", reference=limit,
            of="gathered in lists of 1000, bare socket", target=SEND_TARGET / 1e3,
        )  # fmt: skip


def group_rows(effort: Effort) -> Iterator[Row]:
    """Measure a group of four processes: acknowledged within 10 ms, and each written before the next message."""
    yield from _group_rows(effort, "acknowledged within 10 ms", 256, effort.count(GROUP_TARGET), GROUP_TARGET)
    yield from _group_rows(effort, "each committed", 1, effort.count(SINGLE_TARGET, MEMBERS), SINGLE_TARGET)


def _group_rows(effort: Effort, how: str, prefetch: int, count: int, target: float) -> Iterator[Row]:
    count -= count % MEMBERS
    with _servers(2 * count * len(SENT)) as (address, port):
        with open_store(address) as store, store.producer(SHARED) as out:
            for _ in range(count):
                out.send(SENT)
            out.finish()
        turn = 0

        def shared() -> float:
            nonlocal turn
            turn += 1
            return count / _all_s([["share", address, f"group {turn}", str(prefetch)]] * MEMBERS, count)

        asks = min(count, effort.count(SINGLE_TARGET, MEMBERS))
        asked = [["ask", str(port), str(asks // MEMBERS)]] * MEMBERS
        limit, found = in_turns(effort.runs, lambda: asks / _all_s(asked, asks), shared)
    yield Row(
        name=f"streams_tcp: group of {MEMBERS} processes, {how}", value=found / 1e3, unit="k/s",
        reference=limit / 1e3, of="asked one by one of a bare server", target=target / 1e3,
    )  # fmt: skip


def latency_rows(effort: Effort) -> Iterator[Row]:
    """Measure how long a small message takes from one process by way of the server to another."""
    count = round(max(3.0, 2 * effort.span_s) * RATE_HZ)
    with _servers(GB) as (address, port):
        bare = _late([["follow-bare", str(port)], ["send-bare", str(port), str(count), str(RATE_HZ)]])
        found = _late([["follow", address], ["send", address, str(count), str(RATE_HZ)]])
    for key in ("p50", "p99"):
        yield Row(
            name=f"streams_tcp: 1 kB at 1 kHz to another process, {key}", value=found[f"{key}_s"] * 1e3, unit="ms",
            reference=bare[f"{key}_s"] * 1e3, of="bare sockets",
        )  # fmt: skip


@contextmanager
def _servers(nbytes: int) -> Iterator[tuple[str, int]]:
    """Start a server of a folder with room for some bytes, and a bare one; give address and port."""
    with (
        disk_folder(nbytes) as folder,
        children([("bench.streams_far", "serve", str(folder / "store")), ("bench.bare_peer",)]) as (server, bare),
    ):
        yield str(server.heard()["address"]), int(bare.heard()["port"])


def _bare_s(port: int, count: int) -> float:
    with connected(port, b"c") as server:
        begin = time.perf_counter()
        gathered: list[bytes] = []
        for _ in range(count):
            gathered.append(SENT)
            if len(gathered) == GATHERED:
                server.sendall(b"".join(gathered))
                gathered = []
        server.sendall(b"".join(gathered))
        server.shutdown(socket.SHUT_WR)
        said = int.from_bytes(received(server, 8), "little")
        took = time.perf_counter() - begin
    if said != count * len(SENT):
        raise RuntimeError(f"{said} of {count * len(SENT)} bytes came")
    return took


def _sent_s(address: str, count: int) -> float:
    name = "c2026/bench/sent"
    with open_store(address) as store:
        with store.producer(name) as out:
            out.send(SENT).wait()  # the stream is open
            begin = time.perf_counter()
            for _ in range(count):
                out.send(SENT)
            out.flush()
            took = time.perf_counter() - begin
            _check_all(out.counts.stored, count + 1)
        store.delete(name)
    return took


async def _awaited_s(address: str, count: int) -> float:
    name = "c2026/bench/awaited"
    async with open_async_store(address) as store:
        async with store.producer(name) as out:
            await (await out.send(SENT))
            begin = time.perf_counter()
            for _ in range(count):
                await out.send(SENT)
            await out.flush()
            took = time.perf_counter() - begin
            _check_all(out.counts.stored, count + 1)
        await store.delete(name)
    return took


def _all_s(words: Sequence[Sequence[str]], count: int) -> float:
    """Return how long it takes until the last of some processes is done, which together do so many."""
    with children([("bench.streams_far", *each) for each in words]) as started:
        for child in started:
            child.heard()
        begin = time.monotonic()
        for child in started:
            child.tell("go")
        said = [child.heard() for child in started]
    _check_all(sum(each["count"] for each in said), count)
    return max(float(each["end_s"]) for each in said) - begin


def _late(words: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return how late what the second sends is at the first."""
    with children([("bench.streams_far", *each) for each in words]) as (follower, sender):
        for child in (follower, sender):
            child.heard()
            child.tell("go")
        sent, found = sender.heard(), follower.heard()
    _check_all(found["count"], sent["count"])
    return dict(found)


def _check_all(found: int, count: int) -> None:
    if found != count:
        raise RuntimeError(f"{found} of {count} messages were counted")
