"""What workers do besides reading: wait for something else, and return large arrays."""

from collections.abc import Iterator
from functools import partial

from bench.effort import Effort
from bench.local_code import AddArrays, AddNumbers, MakeArrays, slow
from bench.local_limits import copy_and_read_per_s
from bench.local_run import run
from bench.local_sources import A_FEW, Frames, Triggers
from bench.row import Row, in_turns
from penstock.pipeline import Map, Pipeline, Reduce, Source

__all__ = ["results", "results_rows", "slow_rows", "waiting"]

WORKERS = 16
WAIT_S = 0.1
RESULT_MB = 1


def waiting(notes: str, n: int) -> Pipeline:
    """Return a pipeline in which sixteen workers wait 100 ms for each of ``n`` frames."""
    return Pipeline(
        name="workers-slow",
        sources={"camera": Source(Frames, size=1, n=n)},
        stages={
            "wait": Map(slow, source="camera", workers=WORKERS),
            "sum": Reduce(AddNumbers, source="wait", notes=notes),
        },
    )


def results(notes: str, n: int) -> Pipeline:
    """Return a pipeline in which two workers return an array of 1 MB for each of ``n`` messages."""
    return Pipeline(
        name="results",
        sources={"clock": Source(Triggers, n=n)},
        stages={
            "make": Map(MakeArrays, source="clock", workers=2),
            "read": Reduce(AddArrays, source="make", notes=notes),
        },
    )


def slow_rows(effort: Effort) -> Iterator[Row]:
    """Measure whether all workers are busy all the time."""
    possible = WORKERS / WAIT_S
    n = max(3 * WORKERS, effort.count(2 * possible, WORKERS))

    def rate_per_s() -> float:
        outcome = run("bench.local_workers:waiting", effort.engine, expected=n, expected_sum=n * (n + 1) // 2, n=n)
        return outcome.rate_per_s(in_bursts=True)

    _, found = in_turns(effort.runs, lambda: possible, rate_per_s)
    yield Row(
        name="workers_slow: 16 workers wait 100 ms for a frame of 1 MB each", value=found, unit="events/s",
        reference=possible, of="16 workers that only wait", target_ratio=0.95,
    )  # fmt: skip


def results_rows(effort: Effort) -> Iterator[Row]:
    """Measure large results, written once and read once."""
    result_bytes = RESULT_MB << 20
    n = effort.count(2.5e9 / result_bytes, A_FEW)

    def rate_per_s() -> float:
        outcome = run("bench.local_workers:results", effort.engine, expected=n, expected_sum=n << 17, n=n)
        return outcome.rate_per_s() * result_bytes

    limit, found = in_turns(effort.runs, partial(copy_and_read_per_s, RESULT_MB), rate_per_s)
    yield Row(
        name="results: 1 MB arrays from workers to reducer, every byte read", value=found / 1e9, unit="GB/s",
        reference=limit / 1e9, of="copy and read in one process, cached", target=1.25,
    )  # fmt: skip
