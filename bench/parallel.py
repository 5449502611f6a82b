"""Steps in processes: 5 ms of processor time each with order kept, beside bare processes; and items that take nothing.

``python -m bench.parallel STEP N`` is one of the bare ones: it waits for a line, does N and says how many a second.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from bench.effort import Effort
from bench.row import Row, in_turns
from bench.snap_peer import snap_per_s
from penstock.engines.chains import run
from penstock.pipeline import Pipeline, Source, Steps

__all__ = ["rows"]

STEP_S = 0.005
WORKERS = 2
STEADY = 0.1
"""The part of the items at the beginning that does not count: processes start meanwhile."""

_came: list[float] = []


def numbers(n: int) -> Iterator[int]:
    """Yield ``n`` numbers."""
    yield from range(n)


def spin(item: int) -> int:
    """Use the processor for 5 ms."""
    until = time.thread_time() + STEP_S
    while time.thread_time() < until:
        pass
    return item


def rest(item: int) -> int:
    """Wait for 5 ms."""
    time.sleep(STEP_S)
    return item


def give_back(item: int) -> int:
    """Do nothing."""
    return item


def note(_: Any) -> None:
    """Note when something came out."""
    _came.append(time.perf_counter())


def rows(effort: Effort) -> Iterator[Row]:
    """Items a second, with order kept."""
    n = round(400 * effort.span_s)
    bare, found = in_turns(effort.runs, lambda: _bare_per_s(spin, n // WORKERS), lambda: _per_s(spin, n))
    of = f"{WORKERS} bare processes that do the same"
    yield Row(name="5 ms of CPU in 2 processes", value=found, unit="/s", reference=bare, of=of, target_ratio=0.95)
    snap, of_snap = snap_per_s("parallel_process_busy5ms_w2", 250)
    yield Row(name="the same, order kept, SNAP's is not", value=found, unit="/s", reference=snap, of=of_snap)
    bare, found = in_turns(effort.runs, lambda: _bare_per_s(rest, n // WORKERS), lambda: _per_s(rest, n))
    yield Row(name="5 ms of waiting in 2 processes", value=found, unit="/s", reference=bare, of=of, target_ratio=0.95)
    n = round(200_000 * effort.span_s)
    inline, found = in_turns(effort.runs, lambda: _per_s(give_back, n, workers=0), lambda: _per_s(give_back, n))
    of = "the same, fused"
    yield Row(name="items that take nothing, 2 processes", value=found, unit="/s", reference=inline, of=of)


def _per_s(step: Any, n: int, workers: int = WORKERS) -> float:
    options: dict[str, Any] = {"workers": workers, "run_in": "process"} if workers else {}
    stages = {"s": Steps(step, source="n", **options), "out": Steps(note, source="s")}
    _came.clear()
    report = run(Pipeline(sources={"n": Source(numbers, n=n)}, stages=stages).plan())
    assert report.outcome == "finished", report.reasons
    first = round(n * STEADY)
    return (n - 1 - first) / (_came[-1] - _came[first])


def _bare_per_s(step: Callable[[int], int], n: int) -> float:
    words = [sys.executable, "-m", "bench.parallel", step.__name__, str(n)]
    peers = [subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(WORKERS)]
    for peer in peers:
        assert peer.stdout is not None
        peer.stdout.readline()
    for peer in peers:
        assert peer.stdin is not None
        peer.stdin.write("go\n")
        peer.stdin.flush()
    return sum(float(peer.communicate()[0]) for peer in peers)


def _be_bare(step: Callable[[int], int], n: int) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    begin = time.perf_counter()
    for item in range(n):
        step(item)
    print(n / (time.perf_counter() - begin))


if __name__ == "__main__":
    _be_bare(globals()[sys.argv[1]], int(sys.argv[2]))
