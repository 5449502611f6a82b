"""How fast blocks are recorded in a folder, and read back by views."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.effort import Effort
from bench.row import Row, in_turns, median_s
from bench.stream_disk import MB, direct_s, disk_folder
from penstock.core.block import Block
from penstock.core.stream_address import StreamAddress
from penstock.streams.directory import DirectoryStore
from penstock.streams.store import StreamReader, Sync

__all__ = ["frame_rows", "read_rows", "record_rows"]

ADDRESS = StreamAddress("c2026", "bench", "blocks")
FRAME_BYTES = 8 * MB
RECORD_BYTES = 256
RECORDS = 4096
FRAMES_PER_S = 120
"""1 GB/s, what is hoped for of the disk."""


def frame_rows(effort: Effort) -> Iterator[Row]:
    """Measure frames of 8 MB, recorded and synced, beside the disk's limit."""
    count = effort.count(FRAMES_PER_S)
    with disk_folder(2 * count * FRAME_BYTES) as folder:
        frames = [_frame(k) for k in range(3)]
        limit, found = in_turns(
            effort.runs,
            lambda: count * FRAME_BYTES / direct_s(folder, FRAME_BYTES, count) / 1e9,
            lambda: count * FRAME_BYTES / _recorded_s(folder, frames, count, "interval") / 1e9,
        )
    yield Row(
        name=f"streams_frames: {count} of 8 MB recorded and synced", value=found, unit="GB/s", reference=limit,
        of="written with O_DIRECT, and synced", target_ratio=0.7,
    )  # fmt: skip


def record_rows(effort: Effort) -> Iterator[Row]:
    """Measure records of 256 B, by 4096 in a block: synced within 50 ms, and each block before the next."""
    count = effort.count(3e6, RECORDS) // RECORDS
    with disk_folder(2 * count * RECORDS * RECORD_BYTES) as folder:
        blocks = [_records(k) for k in range(3)]
        million = count * RECORDS / 1e6
        limit, found = in_turns(
            effort.runs,
            lambda: million / direct_s(folder, RECORDS * RECORD_BYTES, count),
            lambda: million / _recorded_s(folder, blocks, count, "interval"),
        )
        yield Row(
            name="streams_records: of 256 B in blocks of 4096, recorded and synced", value=found, unit="M/s",
            reference=limit, of="their bytes with O_DIRECT", target=3,
        )  # fmt: skip
        limit, found = in_turns(
            effort.runs,
            lambda: million / direct_s(folder, RECORDS * RECORD_BYTES, count, syncs_each=True),
            lambda: million / _recorded_s(folder, blocks, count, "always"),
        )
        yield Row(
            name="streams_records: the same, each block synced before the next", value=found, unit="M/s",
            reference=limit, of="likewise with O_DIRECT", target=3,
        )  # fmt: skip


def read_rows(effort: Effort) -> Iterator[Row]:
    """Measure reading frames back by views of the page cache, and summing them."""
    count = 64
    size = count * FRAME_BYTES / 1e9
    with disk_folder(2 * count * FRAME_BYTES) as folder, DirectoryStore(folder / "store") as store:
        with store.write(ADDRESS) as writer:
            for k in range(count):
                writer.append(_numbered(_frame(k % 3), k + 1))
        path = folder / "plain"
        path.write_bytes(os.urandom(FRAME_BYTES) * count)
        plain = np.memmap(path, np.uint64, "r").reshape(count, -1)
        first = size / median_s(lambda: _read_once(store), effort.runs)
        with store.read(ADDRESS) as reader:
            _summed(reader)
            limit, again = in_turns(
                effort.runs,
                lambda: size / _timed_s(lambda: [int(frame.sum()) for frame in plain]),
                lambda: size / _timed_s(lambda: _summed(reader)),
            )
    yield Row(
        name="streams_read: frames of 8 MB as views, cached, summed", value=again, unit="GB/s", reference=limit,
        of="a plain file, mapped and summed", target=5,
    )  # fmt: skip
    yield Row(
        name="streams_read: the same by a new reader, which checks each block", value=first, unit="GB/s",
        reference=limit, of="a plain file, mapped and summed",
    )  # fmt: skip


def _recorded_s(folder: Path, blocks: list[Block], count: int, sync: Sync) -> float:
    with DirectoryStore(folder / "store") as store:
        with store.write(ADDRESS, sync=sync) as writer:
            numbered = [_numbered(blocks[k % len(blocks)], 1 + k * len(blocks[0])) for k in range(count)]
            begin = time.perf_counter()
            for block in numbered:
                writer.append(block)
            writer.sync()
            took = time.perf_counter() - begin
            if writer.synced != count * len(blocks[0]):
                raise RuntimeError(f"{writer.synced} of {count * len(blocks[0])} messages are synced")
        store.delete(ADDRESS)
    return took


def _read_once(store: DirectoryStore) -> None:
    with store.read(ADDRESS) as reader:
        _summed(reader)


def _summed(reader: StreamReader) -> int:
    total = 0
    for stored in reader.blocks():
        column = stored.block.columns[0]
        assert isinstance(column, np.ndarray)
        total += int(column.reshape(-1).view(np.uint64).sum())
    return total


def _timed_s(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _frame(seed: int) -> Block:
    return _block(np.random.default_rng(seed).integers(0, 1 << 16, (1, 2048, 2048), np.uint16))


def _records(seed: int) -> Block:
    return _block(np.random.default_rng(seed).integers(0, 1 << 16, (RECORDS, RECORD_BYTES // 2), np.uint16))


def _block(column: NDArray[np.uint16]) -> Block:
    n = len(column)
    return Block(stream="bench", ids=np.arange(1, n + 1, dtype=np.uint64), timestamps=np.arange(n), columns=(column,))


def _numbered(block: Block, first_id: int) -> Block:
    ids = np.arange(first_id, first_id + len(block), dtype=np.uint64)
    return Block(stream=block.stream, ids=ids, timestamps=block.timestamps, columns=block.columns)
