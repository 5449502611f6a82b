"""A camera that waits for nobody: frames of 24 MB at 120 Hz, filled in place, every byte read by two workers."""

import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from bench.effort import Effort
from bench.local_code import AddDelays, read_frame
from bench.local_filling import Camera
from bench.local_run import WARM_UP, RunError, run
from bench.local_sources import template
from bench.proc import family, rss_bytes, wait_until_calm
from bench.row import Row
from penstock.pipeline import Map, Pipeline, Reduce, Source

__all__ = ["camera", "rows"]

RATE_HZ = 120
MB = 1e6
FLAT_MB = 5
"""Growth of all processes together that still counts as flat: what interpreters do by themselves in a minute."""


def camera(notes: str, n: int) -> Pipeline:
    """Return a pipeline that reads ``n`` frames."""
    return Pipeline(
        name="camera",
        sources={"camera": Source(Camera, rate_Hz=RATE_HZ, n=n, when_full="drop_newest")},
        stages={
            "read": Map(read_frame, source="camera", workers=2),
            "note": Reduce(AddDelays, source="read", notes=notes),
        },
    )


def rows(effort: Effort) -> Iterator[Row]:
    """Run it once, for long."""
    n = round(RATE_HZ * effort.camera_s)
    outcome = run(
        "bench.local_camera:camera",
        effort.engine,
        timeout_s=effort.camera_s + 60,
        while_running=partial(_memory, effort.camera_s),
        n=n,
    )
    folded = outcome.folded["count"]
    if outcome.folded["sum"] != folded * _sum_of_rest() % 2**64:
        raise RunError("the camera's frames did not arrive as they were written")
    if outcome.delays_s.min() < 0:
        raise RunError("the camera was read before its frames were due; its clock was not waited for")
    taken, full, delay = _lateness(outcome.delays_s)
    begun, grown = outcome.watched
    name = f"camera: 24 MB at 120 Hz for {effort.camera_s:g} s"
    yield _row(f"{name}, dropped", n - folded, "frames", n, "frames there were", target=0)
    yield _row(f"{name}, p99 lateness when folded", delay, "frames", 1, "the time of a frame", target=1)
    yield _row(f"{name}, p99 lateness when taken", taken, "frames", 1, "the time of a frame")
    yield _row(f"{name}, p99 lateness when full", full, "frames", 1, "the time of a frame")
    yield _row(f"{name}, growth of all processes", grown / MB, "MB", begun / MB, "their memory, pools in each", FLAT_MB)


def _row(name: str, value: float, unit: str, reference: float, of: str, target: float | None = None) -> Row:
    return Row(name=name, value=value, unit=unit, reference=reference, of=of, target=target, asks="at most")


def _lateness(delays_s: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> list[float]:
    """Return p99 in frames: until taken, full and folded."""
    each = delays_s.reshape(-1, 3)
    late: list[float] = np.percentile(each[min(int(WARM_UP * len(each)), 5 * RATE_HZ) :], 99, axis=0).tolist()
    return [seconds * RATE_HZ for seconds in late]


def _sum_of_rest() -> int:
    """Return the sum of a frame's words behind the three it says of itself."""
    return int(template(24, 0).reshape(-1).view(np.uint64)[3:].sum())


def _memory(camera_s: float, pid: int, folder: Path) -> tuple[float, float]:
    """Watch the memory until shortly before the end; return what it was, and by how much it has grown since."""
    del folder
    begin = time.monotonic()
    wait_until_calm(pid, timeout_s=30, enough=1)
    sizes = []
    while time.monotonic() < begin + 0.9 * camera_s:
        sizes.append(rss_bytes(family(pid)))
        time.sleep(camera_s / 100)
    third = len(sizes) // 3
    if not third or not min(sizes):
        raise RunError(f"the camera was over before its {camera_s:g} s were")
    before, after = statistics.median(sizes[third : 2 * third]), statistics.median(sizes[2 * third :])
    return before, after - before
