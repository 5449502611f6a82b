"""How fast four processes share the messages of a stream, one at a time and each acknowledged."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.children import children
from bench.effort import Effort
from bench.row import Row, in_turns
from bench.stream_disk import GB, disk_folder
from penstock.core.block import Block
from penstock.core.stream_address import StreamAddress
from penstock.streams.directory import DirectoryStore

__all__ = ["rows"]

MEMBERS = 4
RECORDS = 4096
RECORD_BYTES = 1024
PREFETCH = 256


def rows(effort: Effort) -> Iterator[Row]:
    """Measure acknowledgements written every 10 ms, each before the next message, and each on the disk before it."""
    yield from _measured(
        effort, "acknowledged every 10 ms", rate=500e3, prefetch=PREFETCH, target=500, survives_power_loss=False
    )
    yield from _measured(effort, "each committed", rate=20e3, prefetch=1, target=20, survives_power_loss=False)
    yield from _measured(effort, "each on the disk", rate=1e3, prefetch=1, target=None, survives_power_loss=True)


def _measured(
    effort: Effort, how: str, *, rate: float, prefetch: int, target: float | None, survives_power_loss: bool
) -> Iterator[Row]:
    count = effort.count(rate, RECORDS)
    with disk_folder(GB + count * RECORD_BYTES) as folder:
        address = _written(folder, count)
        turn = again = 0

        def shared() -> float:
            nonlocal turn, again
            turn += 1
            took_s, more = _shared(folder, address, count, f"group{turn}", prefetch, survives_power_loss)
            again += more
            return count / took_s / 1e3

        alone, found = in_turns(effort.runs, lambda: count / _read_s(folder, address, count) / 1e3, shared)
    late = f" ({again} handed out again, as somebody was not heard of for a whole lease)" if again else ""
    yield Row(
        name=f"streams_group: {MEMBERS} processes, {how}{late}", value=found, unit="k/s", reference=alone,
        of="read by one, without a group", target=target,
    )  # fmt: skip


def _written(folder: Path, count: int) -> StreamAddress:
    address = StreamAddress("c2026", "bench", "shared")
    data = np.zeros((RECORDS, RECORD_BYTES), np.uint8)
    with DirectoryStore(folder / "store") as store, store.write(address) as writer:
        for first in range(1, count + 1, RECORDS):
            ids = np.arange(first, first + RECORDS, dtype=np.uint64)
            writer.append(Block(stream="bench", ids=ids, timestamps=ids.astype(np.int64), columns=(data,)))
        writer.finish()
    return address


def _shared(
    folder: Path, address: StreamAddress, count: int, group: str, prefetch: int, survives_power_loss: bool
) -> tuple[float, int]:
    """Share all messages, and return how long that took, and how many were handed out again, as nobody acknowledged."""
    words = [str(folder / "store"), str(address), group, str(prefetch), str(int(survives_power_loss))]
    with children([("bench.streams_member", *words)] * MEMBERS) as members:
        for member in members:
            member.heard()
        begin = time.monotonic()
        for member in members:
            member.tell("go")
        said = [member.heard() for member in members]
    got = sum(each["count"] for each in said)
    again = max(each["again"] for each in said)
    if not count <= got <= count + again:
        raise RuntimeError(f"{count} messages were shared, {again} of them again, and the members were given {got}")
    return max(float(each["end_s"]) for each in said) - begin, again


def _read_s(folder: Path, address: StreamAddress, count: int) -> float:
    with DirectoryStore(folder / "store") as store, store.read(address) as reader:
        begin = time.perf_counter()
        got = 0
        for stored in reader.blocks():
            for _ in stored.messages():
                got += 1
        took = time.perf_counter() - begin
    if got != count:
        raise RuntimeError(f"{got} of {count} messages were read")
    return took
