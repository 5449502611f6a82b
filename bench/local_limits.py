"""The ceilings of ``local``: what this machine's two cores can do with the same bytes and no transport at all.

Each is measured by two processes at once, with their own memory of the kind that pools are made of, and is the sum of
both: a figure to be taken before and after whatever is compared with it.
"""

import mmap
import multiprocessing
import os
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from bench.effort import Effort
from bench.local_code import touch
from bench.local_sources import ROWS, template
from bench.row import Row
from penstock.core import Block, EventBatch
from penstock.core.event import PartColumn

__all__ = [
    "calls_per_s",
    "copy_and_read_per_s",
    "copy_and_row_sum_per_s",
    "first_touch_per_s",
    "read_per_s",
    "rows",
    "two_cores",
    "wake_up_s",
]

SPAN_S = 0.4
SLOTS = 4
COLD_BYTES = 128 << 20
"""More than the caches; frames that others fill in place are never in them."""

Loop = Callable[[], Callable[[], int]]
"""Makes what one process needs, and returns what it does over and over; that returns how much it did."""


def rows(effort: Effort) -> Iterator[Row]:
    """Print the ceilings alone; nothing is asked of a machine."""
    limits: list[tuple[str, Callable[[], float], str]] = [
        ("limit: copy and read 8 MB, two cores", lambda: copy_and_read_per_s(8) / 1e9, "GB/s"),
        ("limit: copy and read 4 MB, two cores, cached", lambda: copy_and_read_per_s(4) / 1e9, "GB/s"),
        ("limit: copy and read 1 MB, two cores, cached", lambda: copy_and_read_per_s(1) / 1e9, "GB/s"),
        ("limit: read 8 MB, two cores", lambda: read_per_s(8) / 1e9, "GB/s"),
        ("limit: copy and row sum 2 × 256 B, two cores", lambda: copy_and_row_sum_per_s() / 1e6, "M events/s"),
        ("limit: events made and a call each, two cores", lambda: calls_per_s() / 1e6, "M events/s"),
        ("limit: first touch of shared memory, one core", lambda: first_touch_per_s() / 1e9, "GB/s"),
        ("limit: wake up another process, one way", lambda: wake_up_s() * 1e6, "µs"),
    ]
    for name, limit, unit in limits:
        value = statistics.median([limit() for _ in range(effort.runs)])
        yield Row(name=name, value=value, unit=unit, reference=0, of="")


def copy_and_read_per_s(size: int) -> float:
    """Return bytes/s of frames of ``size`` MB, copied into one of four slots and every byte of it read once.

    With 8 MB the slots leave the caches, as they do in a pipeline, where one core writes what the other reads. Smaller
    ones stay in them here, and that is no limit of anything that passes from core to core.
    """
    return two_cores(partial(_copying, size))


def read_per_s(size: int) -> float:
    """Return bytes/s of every byte read once, of frames of ``size`` MB that are not in the caches of the core."""
    return two_cores(partial(_reading, size))


def copy_and_row_sum_per_s() -> float:
    """Return events/s: two rows of 256 B copied, and both summed."""
    return two_cores(_summing)


def calls_per_s() -> float:
    """Return events/s: the objects that users see made, one call each that reads an element of both parts."""
    return two_cores(_calling)


def first_touch_per_s() -> float:
    """Return bytes/s of shared memory that is written for the first time."""
    return _touch_first(256 << 20)


def wake_up_s() -> float:
    """Return the median time for a small message to wake a process that waits for it, over SEQPACKET."""
    return _ping(2000)


def _copying(size: int) -> Callable[[], int]:
    frames = [template(size, k).reshape(-1).view(np.uint64) for k in range(3)]
    slots = [_shared(frames[0].nbytes) for _ in range(SLOTS)]
    turn = 0

    def work() -> int:
        nonlocal turn
        slot = slots[turn % SLOTS]
        np.copyto(slot, frames[turn % 3])
        slot.sum()
        turn += 1
        return slot.nbytes

    return work


def _reading(size: int) -> Callable[[], int]:
    frames = [_shared(size << 20) for _ in range(COLD_BYTES // (size << 20))]
    turn = 0

    def work() -> int:
        nonlocal turn
        frame = frames[turn % len(frames)]
        frame.sum()
        turn += 1
        return frame.nbytes

    return work


def _summing() -> Callable[[], int]:
    values = np.random.default_rng(1).integers(0, 4096, (ROWS, 128), np.uint16)
    slots = [_shared(values.nbytes).view(np.uint16).reshape(values.shape) for _ in range(2 * SLOTS)]
    turn = 0

    def work() -> int:
        nonlocal turn
        for slot in slots[turn : turn + 2]:
            np.copyto(slot, values)
            slot.sum(axis=1, dtype=np.uint32)
        turn = (turn + 2) % len(slots)
        return ROWS

    return work


def _calling() -> Callable[[], int]:
    numbers = np.arange(ROWS, dtype=np.uint64)
    values = np.random.default_rng(1).integers(0, 4096, (ROWS, 128), np.uint16)
    block = Block(stream="", ids=numbers, keys=numbers, timestamps=np.zeros(ROWS, np.int64), columns=(values,))
    column = PartColumn(block=block, rows=slice(0, ROWS))
    batch = EventBatch(join="", names=("left", "right"), numbers=numbers.astype(np.int64), parts=(column, column))

    def work() -> int:
        return len([touch(event) for event in batch.events()])

    return work


def two_cores(loop: Loop) -> float:
    """Return how much two processes do a second, each what a loop of its own returns, after a first turn."""
    context = multiprocessing.get_context("fork")
    together, rates = context.Barrier(2), context.SimpleQueue()

    def measure() -> None:
        work = loop()
        work()
        together.wait(60)
        done, begin = 0, time.perf_counter()
        while (now := time.perf_counter()) < begin + SPAN_S:
            done += work()
        rates.put(done / (now - begin))

    both = [context.Process(target=measure, daemon=True) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    if any(process.exitcode for process in both):
        raise RuntimeError(f"a ceiling could not be measured: {[process.exitcode for process in both]}")
    return float(rates.get() + rates.get())


def _shared(nbytes: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
    words = np.frombuffer(mmap.mmap(-1, nbytes), np.uint64)
    words[::512] = 1
    return words


def _touch_first(nbytes: int) -> float:
    memory = mmap.mmap(-1, nbytes)
    array = np.frombuffer(memory, np.uint8)
    begin = time.perf_counter()
    array[:: mmap.PAGESIZE] = 1
    took = time.perf_counter() - begin
    del array
    memory.close()
    return nbytes / took


def _ping(count: int) -> float:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if not pid:
        near.close()
        while word := far.recv(64):
            far.send(word)
        os._exit(0)
    far.close()
    took = []
    for _ in range(count):
        begin = time.perf_counter()
        near.send(b"ping")
        near.recv(64)
        took.append(time.perf_counter() - begin)
        time.sleep(0.0001)  # so that the other really sleeps
    near.close()
    os.waitpid(pid, 0)
    return statistics.median(took) / 2
