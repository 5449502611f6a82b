"""A process that records at a pace, for the measurement.

``python -m bench.streams_recorder FOLDER STREAM BYTES RATE_HZ SECONDS KEPT_BYTES``: KEPT_BYTES are kept, 0: all.
"""

import sys
import threading
import time
from collections import deque
from pathlib import Path

import numpy as np

from bench.children import say
from bench.proc import anonymous_bytes
from penstock.core.retention import Retention
from penstock.core.stream_address import StreamAddress
from penstock.streams.directory import DirectoryStore
from penstock.streams.kept_retention import set_retention
from penstock.streams.producer import Producer
from penstock.streams.receipts import Receipt

__all__ = ["address_of"]

BUFFERS = 8
"""That the instrument fills in turns; one is filled again when what was in it is stored."""
LOOK_S = 1.0
"""How often it is looked how much there is on the disk."""
SETTLED = 0.2
"""Part of the messages after which memory is looked at first."""


def address_of(stream: str) -> StreamAddress:
    """Return the address of one of the streams of this measurement."""
    return StreamAddress("c2026", "bench", stream)


class _Disk:
    """Looks how much there is on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.most_bytes = 0

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(LOOK_S):
            self.most_bytes = max(self.most_bytes, _stored_bytes(self._folder))


def main(folder: str, stream: str, size: str, rate_hz: str, seconds: str, kept: str) -> None:
    """Record, and say how much, how late it was at the end, and by how much memory grew."""
    address, count, period_s = address_of(stream), round(float(seconds) * float(rate_hz)), 1 / float(rate_hz)
    # Small ones, so that what is kept is a matter of MB even where little is.
    with DirectoryStore(Path(folder), segment_bytes=256 << 20) as store, Producer(store, address) as out:
        if int(kept):
            set_retention(store, address, Retention(nbytes=int(kept)))
        disk = _Disk(store.path)
        say("ready")
        if not sys.stdin.readline():
            return
        disk.start()
        try:
            said = _recorded(out, int(size) // 8, count, period_s)
        finally:
            disk.end()
        out.finish()
    say(said | {"most_bytes": disk.most_bytes})


def _recorded(out: Producer, numbers: int, count: int, period_s: float) -> dict[str, float]:
    random = np.random.default_rng(1)
    buffers = [random.integers(0, 1 << 62, numbers) for _ in range(BUFFERS)]
    open_receipts: deque[Receipt] = deque()
    settled_bytes, begin = 0, time.monotonic()
    for k in range(count):
        left_s = begin + k * period_s - time.monotonic()
        if left_s > 0:
            time.sleep(left_s)
        if len(open_receipts) == BUFFERS:
            open_receipts.popleft().wait()
        data = buffers[k % BUFFERS]
        data[0] = data[-1] = k + 1
        open_receipts.append(out.send(data, copy=False))
        if k == int(SETTLED * count):
            settled_bytes = anonymous_bytes()
    late_s = time.monotonic() - (begin + (count - 1) * period_s)
    grown = anonymous_bytes() - settled_bytes
    out.flush()
    return {
        "count": count,
        "seconds": time.monotonic() - begin,
        "late_s": late_s,
        "grown_bytes": grown,
    }


def _stored_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * 512
        except FileNotFoundError:  # removed just now
            continue
    return total


if __name__ == "__main__":
    main(*sys.argv[1:])
