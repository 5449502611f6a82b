"""Items over ZeroMQ between two processes, beside bare ZeroMQ, and what writing and reading an item costs alone."""

import asyncio
import os
import statistics
import time
from collections.abc import Iterator

import zmq

from bench.children import Child, children
from bench.effort import Effort
from bench.row import Row, median_s
from bench.snap_peer import snap_per_s
from penstock.elements.sources.zmq_pull import ZmqPullSource
from penstock.wire.item_frames import ItemWriter, read_frames

__all__ = ["rows"]

SIZES = (("1 kB", 1_000, 175e3, "zmq_tcp_1kB", 35_365), ("1 MB", 1_000_000, 1400.0, "zmq_tcp_1MB", 282))
"""Name, bytes, what is asked, which is 5 × what SNAP does between two nodes; its case, and what it did elsewhere."""
LOCAL = "tcp://127.0.0.1:0"
CODEC = 2000


def rows(effort: Effort) -> Iterator[Row]:
    """Measure items of bytes, of either size."""
    for name, nbytes, target, case, recorded in SIZES:
        count = effort.count(target)
        rates = [(_items(nbytes, count), _bare(nbytes, count)) for _ in range(effort.runs)]
        value, bare = (statistics.median(each) for each in zip(*rates, strict=True))
        what = f"zmq-push to zmq-pull, items of {name}"
        yield Row(name=what, value=value, unit="items/s", reference=bare, of="bare ZeroMQ", target=target)
        snap, of = snap_per_s(case, recorded)
        yield Row(name=what, value=value, unit="items/s", reference=snap, of=of, target_ratio=5)
        yield _codec(name, nbytes)


def _items(nbytes: int, count: int) -> float:
    source = ZmqPullSource(bind=LOCAL, ends="first")
    source.open()
    with children([["bench.zmq_item_sender", "penstock", source.addresses[0], str(nbytes), str(count)]]) as (sender,):
        return asyncio.run(_rate(source, sender))


async def _rate(source: ZmqPullSource, sender: Child) -> float:
    sender.tell("begin")
    seen, first, begin = 0, 0, 0.0
    async for chunk in source:
        if not seen:
            first, begin = len(chunk), time.perf_counter()
        seen += len(chunk)
    return (seen - first) / (time.perf_counter() - begin)


def _bare(nbytes: int, count: int) -> float:
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        words = ["bench.zmq_item_sender", "bare", f"tcp://127.0.0.1:{port}", str(nbytes), str(count)]
        with children([words]) as (sender,):
            sender.tell("begin")
            socket.recv()
            begin = time.perf_counter()
            for _ in range(count - 1):
                socket.recv()
            return (count - 1) / (time.perf_counter() - begin)


def _codec(name: str, nbytes: int) -> Row:
    item, writer = os.urandom(nbytes), ItemWriter()

    def work() -> None:
        for _ in range(CODEC):
            first, *behind = writer.frames(item)
            read_frames([first, *[memoryview(frame) for frame in behind]])  # as a socket gives them

    cost_us = median_s(work) / CODEC * 1e6
    copied_us = median_s(lambda: [bytes(memoryview(item)) for _ in range(CODEC)]) / CODEC * 1e6
    what = f"write and read an item of {name} of bytes"
    return Row(name=what, value=cost_us, unit="µs", reference=copied_us, of="copying it", asks="at most")
