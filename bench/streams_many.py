"""How long a store takes to open that has ten thousand streams."""

import time
from collections.abc import Iterator

import numpy as np

from bench.effort import Effort
from bench.row import Row, median_s
from bench.stream_disk import GB, disk_folder
from penstock.core.block import Block
from penstock.core.stream_address import StreamAddress
from penstock.streams.directory import DirectoryStore
from penstock.streams.open_store import open_store

__all__ = ["rows"]

STREAMS = 10_000
SOURCES = 10


def rows(effort: Effort) -> Iterator[Row]:
    """Measure opening it and reading from one stream, and opening it and listing all."""
    with disk_folder(GB) as folder:
        path = folder / "store"
        begin = time.perf_counter()
        with DirectoryStore(path) as store:
            for k in range(STREAMS):
                _write_one(store, _address(k))
        made = time.perf_counter() - begin

        def read_one() -> None:
            with open_store(path) as store, store.consumer(_address(STREAMS // 2)) as consumer:
                consumer.next(0)

        def list_all() -> None:
            with open_store(path) as store:
                found = store.streams()
                if len(found) != STREAMS or any(info.count != 1 for info in found):
                    raise RuntimeError(f"{len(found)} of {STREAMS} streams are listed, or not as they are")

        read, listed = median_s(read_one, effort.runs), median_s(list_all, effort.runs)
    name = f"streams_many: a store of {STREAMS:,} streams opened"
    yield Row(
        name=f"{name}, and a message read", value=read, unit="s", reference=made, of="making it", target=0.5,
        asks="at most",
    )  # fmt: skip
    yield Row(
        name=f"{name}, and all listed", value=listed, unit="s", reference=made, of="making it", target=0.5,
        asks="at most",
    )  # fmt: skip


def _address(k: int) -> StreamAddress:
    return StreamAddress("c2026", f"source {k % SOURCES}", f"run {k}")


def _write_one(store: DirectoryStore, address: StreamAddress) -> None:
    with store.write(address, sync="none") as writer:
        one = np.ones(1, np.uint64)
        writer.append(Block(stream="bench", ids=one, timestamps=one.astype(np.int64), columns=(one.reshape(1, 1),)))
