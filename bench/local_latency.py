"""How long a small message is under way, from a source on its own clock through a worker to the reducer."""

import statistics
from collections.abc import Iterator

import numpy as np

from bench.effort import Effort
from bench.local_code import AddDelays, sent
from bench.local_filling import Ticker
from bench.local_limits import wake_up_s
from bench.local_run import WARM_UP, RunError, run
from bench.row import Row
from penstock.pipeline import Map, Pipeline, Reduce, Source

__all__ = ["rows", "small"]

RATE_HZ = 400
HOPS = 3
"""Source, builder, worker, reducer: three times somebody must be woken."""


def small(notes: str, n: int) -> Pipeline:
    """Return a pipeline for ``n`` messages of 1 kB at 400 Hz."""
    return Pipeline(
        name="latency-small",
        sources={"clock": Source(Ticker, rate_Hz=RATE_HZ, n=n)},
        stages={
            "pass": Map(sent, source="clock", workers=2),
            "note": Reduce(AddDelays, source="pass", notes=notes),
        },
    )


def rows(effort: Effort) -> Iterator[Row]:
    """Measure the median and what one in a hundred exceeds."""
    n = effort.count(4 * RATE_HZ)
    halves, worsts, wakes = [], [], [wake_up_s()]
    for _ in range(effort.runs):
        outcome = run("bench.local_latency:small", effort.engine, expected=n, n=n)
        if not 0.95 < outcome.rate_per_s() / RATE_HZ < 1.05:
            raise RunError(f"{outcome.rate_per_s():.0f} messages/s instead of {RATE_HZ}: the clock was not waited for")
        half_s, worst_s = np.percentile(outcome.delays_s[int(WARM_UP * n) :], [50, 99]).tolist()
        halves.append(half_s)
        worsts.append(worst_s)
        wakes.append(wake_up_s())
    reference = 1e3 * HOPS * statistics.median(wakes)
    for name, found_s, target in [("p50", halves, 0.5), ("p99", worsts, 2.0)]:
        yield Row(
            name=f"latency_small: 1 kB at 400 Hz, source to reducer, {name}", value=1e3 * statistics.median(found_s),
            unit="ms", reference=reference, of="three wake-ups", target=target, asks="at most",
        )  # fmt: skip
