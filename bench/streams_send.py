"""How fast messages are sent one by one, up to the last receipt; and what one costs when a stream has become long."""

import asyncio
import os
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.effort import Effort
from bench.row import Row, in_turns
from bench.stream_disk import GB, disk_folder
from penstock.streams.consumer import Consumer
from penstock.streams.open_store import open_async_store, open_store

__all__ = ["flat_rows", "rows"]

ADDRESS = "c2026/bench/sent"
SENT = bytes(range(256)) * 4
"""1 kB."""
TARGET = 300e3
CHUNK = 10_000
EARLY = 10_000
"""Messages before the first chunks whose cost is compared with that of the last ones."""
CHUNKS = 10
LOOKS = 300
"""Messages looked up by id at either end."""


def rows(effort: Effort) -> Iterator[Row]:
    """Measure messages of 1 kB, synchronously and asynchronously, without and with metadata."""
    count = effort.count(TARGET)
    with disk_folder(2 * count * len(SENT)) as folder:
        limit, plain, awaited, told = (
            rate / 1e3
            for rate in in_turns(
                effort.runs,
                lambda: count / _bare_s(folder, count),
                lambda: count / _sent_s(folder, count, None),
                lambda: count / asyncio.run(_awaited_s(folder, count)),
                lambda: count / _sent_s(folder, count, {"energy": 12.4, "shutter": 1}),
            )
        )
    of = "gathered in lists of 1000 and written"
    for name, value, target in [
        ("streams_send: 1 kB one by one, to the last receipt", plain, TARGET / 1e3),
        ("streams_send: the same, await send", awaited, TARGET / 1e3),
        ("streams_send: the same with two values of metadata", told, None),
    ]:
        yield Row(name=name, value=value, unit="k/s", reference=limit, of=of, target=target)


def flat_rows(effort: Effort) -> Iterator[Row]:
    """Measure what sending and looking up cost behind ten thousand messages, and behind a million or more."""
    total = 10_000_000 if effort.span_s >= Effort.long("").span_s else 1_000_000
    with disk_folder(GB) as folder, open_store(folder / "store") as store:
        chunks, early_look = [], 0.0
        with store.producer(ADDRESS) as out:
            for k in range(total // CHUNK):
                if k == EARLY // CHUNK + CHUNKS:
                    early_look = _looked_up_s(store.consumer(ADDRESS), k * CHUNK)
                begin = time.perf_counter()
                for _ in range(CHUNK):
                    out.send(b"0123456789abcdef")
                out.flush()
                chunks.append(time.perf_counter() - begin)
            late_look = _looked_up_s(store.consumer(ADDRESS), total)
    first = EARLY // CHUNK
    early, late = statistics.median(chunks[first : first + CHUNKS]), statistics.median(chunks[-CHUNKS:])
    yield Row(
        name=f"streams_flat: sending a message of 16 B behind {total:,}", value=late / CHUNK * 1e6, unit="µs",
        reference=early / CHUNK * 1e6, of=f"behind {EARLY:,}", target_ratio=1.5, asks="at most",
    )  # fmt: skip
    yield Row(
        name=f"streams_flat: getting one by its id among {total:,}", value=late_look * 1e6, unit="µs",
        reference=early_look * 1e6, of=f"among {EARLY + CHUNKS * CHUNK:,}", target_ratio=1.5, asks="at most",
    )  # fmt: skip


def _bare_s(folder: Path, count: int) -> float:
    path = folder / "bare"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        begin = time.perf_counter()
        gathered: list[bytes] = []
        for _ in range(count):
            gathered.append(SENT)
            if len(gathered) == 1000:
                os.write(fd, b"".join(gathered))
                gathered = []
        os.write(fd, b"".join(gathered))
        return time.perf_counter() - begin
    finally:
        os.close(fd)
        path.unlink()


def _sent_s(folder: Path, count: int, metadata: dict[str, Any] | None) -> float:
    with open_store(folder / "store") as store:
        with store.producer(ADDRESS) as out:
            out.send(SENT).wait()  # the stream is open
            begin = time.perf_counter()
            for _ in range(count):
                out.send(SENT, metadata=metadata)
            out.flush()
            took = time.perf_counter() - begin
            _check_stored(out.counts.stored, count)
        store.delete(ADDRESS)
    return took


async def _awaited_s(folder: Path, count: int) -> float:
    async with open_async_store(folder / "store") as store:
        async with store.producer(ADDRESS) as out:
            await (await out.send(SENT))
            begin = time.perf_counter()
            for _ in range(count):
                await out.send(SENT)
            await out.flush()
            took = time.perf_counter() - begin
            _check_stored(out.counts.stored, count)
        await store.delete(ADDRESS)
    return took


def _check_stored(stored: int, count: int) -> None:
    if stored != count + 1:
        raise RuntimeError(f"{stored} of {count + 1} messages were stored")


def _looked_up_s(consumer: Consumer, total: int) -> float:
    """Return the median time of getting one of messages from all over a stream, each read once before."""
    with consumer:
        ids = [1 + k * (total // LOOKS) for k in range(LOOKS)]
        random.Random(0).shuffle(ids)  # so that none is in the block that was read last
        for number in ids:
            consumer.get(number)
        took = []
        for number in ids:
            begin = time.perf_counter()
            consumer.get(number)
            took.append(time.perf_counter() - begin)
    return statistics.median(took)
