"""A NeXus file of compressed frames, written while the scan runs, beside the same bytes written plainly."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from bench.effort import Effort
from bench.row import Row, in_turns
from bench.stream_disk import MB, disk_folder
from penstock.core import Message
from penstock.core.block import Block
from penstock.core.encoding import Encoding
from penstock.core.timestamp import Timestamp
from penstock.elements.sink import RunFacts
from penstock.elements.sinks.nexus import NexusSink

__all__ = ["rows"]

SHAPE = (2048, 2048)
PACKED_BYTES = 2 * MB
"""Of a frame of 4 Mpixel, uint16, with bitshuffle and LZ4, as detectors send them."""
FRAMES = 4
HOPED_BYTES_PER_S = 500 * MB


def rows(effort: Effort) -> Iterator[Row]:
    """Measure frames that are compressed, frames that are not, and how soon after its end a file is open."""
    random = np.random.default_rng(1)
    packed = [random.integers(0, 256, PACKED_BYTES, np.uint8) for _ in range(FRAMES)]
    n = effort.count(HOPED_BYTES_PER_S / PACKED_BYTES)
    encoding = Encoding("bslz4", "<u2", SHAPE)
    messages = [Message(id=k + 1, key=k, array=packed[k % FRAMES], encodings=(encoding,)) for k in range(n)]
    blocks = [Block.of("camera", [Message(key=k, array=packed[k % FRAMES].reshape(1024, -1))], k + 1) for k in range(n)]
    with disk_folder(2 * n * PACKED_BYTES) as folder:
        works = (
            lambda: _plain_s(folder, packed, n),
            lambda: _written_s(folder, lambda sink: [sink.write_numbered(np.array([m.id]), [m]) for m in messages]),
            lambda: _written_s(folder, lambda sink: [sink.write_flow(block) for block in blocks]),
        )
        plain_s, *own = in_turns(effort.runs, *works)
        for name, own_s in zip(("nexus_direct_chunks", "nexus_frames"), own, strict=True):
            yield Row(
                name=name, value=n * PACKED_BYTES / own_s / MB, unit="MB/s",
                reference=n * PACKED_BYTES / plain_s / MB, of="the same bytes written plainly, and synced at the end",
                target_ratio=0.7,
            )  # fmt: skip
        yield Row(
            name="nexus_opened_after_the_end", value=_opened_s(folder, blocks), unit="s", reference=0.0, of="",
            target=1.0, asks="at most",
        )  # fmt: skip


def _plain_s(folder: Path, pieces: list[NDArray[np.uint8]], n: int) -> float:
    path = folder / "plain"
    begin = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for k in range(n):
            file.write(pieces[k % len(pieces)].data)
        os.fsync(file.fileno())
    took_s = time.perf_counter() - begin
    path.unlink()
    return took_s


def _written_s(folder: Path, work: Callable[[NexusSink], object]) -> float:
    """Return the time for what is readable after each frame, closed, and synced at the end."""
    sink = _opened(folder)
    begin = time.perf_counter()
    work(sink)
    sink.close(ended_well=True)
    with Path(sink.path).open("rb") as file:
        os.fsync(file.fileno())
    took_s = time.perf_counter() - begin
    Path(sink.path).unlink()
    return took_s


def _opened_s(folder: Path, blocks: list[Block]) -> float:
    """Return the time from the end of a run until a reader has the last frame."""
    sink = _opened(folder)
    for block in blocks:
        sink.write_flow(block)
    begin = time.perf_counter()
    sink.close(ended_well=True)
    with h5py.File(sink.path) as file:
        data = file["entry/instrument/camera/data"]
        assert data[-1].nbytes == PACKED_BYTES
        assert len(data) == len(blocks)
    took_s = time.perf_counter() - begin
    Path(sink.path).unlink()
    return took_s


def _opened(folder: Path) -> NexusSink:
    sink = NexusSink()
    sink.open(RunFacts(pipeline="bench", run="bench", started=Timestamp(1), folder=str(folder), sink="file"))
    return sink
