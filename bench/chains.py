"""Chains of steps: fused, with a coroutine among them, over an edge, to two readers; and SNAP's, in the same run.

What is measured is as SNAP's harness measures it: items by the time from the first that the source gives until the last
is at its end.
"""

import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from bench.effort import Effort
from bench.row import Row
from bench.snap_peer import snap_per_s
from penstock.engines.chains import run
from penstock.pipeline import Pipeline, Source, Steps

__all__ = ["block_rows", "fused_rows", "hop_rows", "memory_rows"]

ITEMS = 1_000_000
BLOCK = 4096

_begun: list[float] = []
_ended: list[float] = []


def numbers(n: int) -> Iterator[int]:
    """Yield ``n`` numbers."""
    _begun.append(time.perf_counter())
    yield from range(n)


def blocks(n: int) -> Iterator[Any]:
    """Yield ``n`` arrays of (4096,) float64."""
    _begun.append(time.perf_counter())
    yield from repeat(np.arange(float(BLOCK)), n)


def inc(item: int) -> int:
    """Add one."""
    return item + 1


async def inc_async(item: int) -> int:
    """Add one, as a coroutine."""
    return item + 1


def inc_all(block: Any) -> Any:
    """Add one to a whole array."""
    return block + 1


def sink(n: int) -> Callable[[Any], None]:
    """Return what counts to ``n`` and notes when."""
    left = n

    def count(_: Any) -> None:
        nonlocal left
        left -= 1
        if not left:
            _ended.append(time.perf_counter())

    return count


def fused_rows(effort: Effort) -> Iterator[Row]:
    """Measure a source, three functions and a sink in one, then with one of them a coroutine."""
    n = effort.count(ITEMS)
    snap = snap_per_s("linear_3_functions", 313_566)
    yield _row("fused chain, 3 functions", _per_s(_line(n, inc, inc, inc), n, effort), snap, 2e6, 6)
    yield _row("fused chain, one of them async", _per_s(_line(n, inc, inc_async, inc), n, effort), snap, 1.2e6, 4)


def block_rows(effort: Effort) -> Iterator[Row]:
    """Measure the same where items are arrays of 4096 numbers."""
    n = effort.count(ITEMS // 100)
    pipeline = _line(n, inc_all, inc_all, inc_all, source=blocks)
    rate = _per_s(pipeline, n, effort) * BLOCK
    limit = 1 / _median([_numpy_s(n) / n / BLOCK for _ in range(effort.runs)])
    yield Row(
        name="fused chain of arrays, numbers", value=rate, unit="1/s", reference=limit, of="NumPy alone", target=50e6
    )


def hop_rows(effort: Effort) -> Iterator[Row]:
    """Measure one bounded edge, and two readers."""
    n = effort.count(ITEMS)
    hop = Pipeline(
        sources={"n": Source(numbers, n=n)},
        stages={"a": Steps(inc, source="n"), "b": Steps(inc, inc, _sink(n), source="a", run_in="thread")},
    )
    yield _row("one bounded hop", _per_s(hop, n, effort), snap_per_s("one_queue_hop", 55_894), 1e6, 5)
    two = Pipeline(
        sources={"n": Source(numbers, n=n)},
        stages={
            "a": Steps(inc, source="n"),
            "b": Steps(inc, inc, _sink(n), source="a"),
            "c": Steps(inc, inc, _sink(n), source="a"),
        },
    )
    yield _row("two consumers", _per_s(two, n, effort), snap_per_s("branch_to_2", 38_293), 500e3, 5)


def memory_rows(_: Effort) -> Iterator[Row]:
    """Measure what memory grows by over ten million items, in parts of what there was after the first million."""
    _run(_hopping(ITEMS))
    before = _resident_mb()
    _run(_hopping(10 * ITEMS))
    yield Row(
        name="memory after 10⁷ items", value=_resident_mb(), unit="MB", reference=before, of="after 10⁶",
        target_ratio=1.02, asks="at most",
    )  # fmt: skip


def _resident_mb() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _line(n: int, *steps: Any, source: Any = numbers) -> Pipeline:
    return Pipeline(sources={"n": Source(source, n=n)}, stages={"s": Steps(*steps, _sink(n), source="n")})


def _hopping(n: int) -> Pipeline:
    return Pipeline(
        sources={"n": Source(numbers, n=n)},
        stages={"a": Steps(inc, source="n"), "b": Steps(inc, _sink(n), source="a", run_in="thread")},
    )


def _sink(n: int) -> Any:
    from penstock.pipeline import Use

    return Use(sink, n=n)


def _per_s(pipeline: Pipeline, n: int, effort: Effort) -> float:
    return n / _median([_run(pipeline) for _ in range(effort.runs)])


def _run(pipeline: Pipeline) -> float:
    _begun.clear()
    _ended.clear()
    report = run(pipeline.plan())
    if report.outcome != "finished" or not report.adds_up:
        raise RuntimeError(f"{report.outcome}: {report.reasons}")
    return max(_ended) - _begun[0]


def _numpy_s(n: int) -> float:
    block = np.arange(float(BLOCK))
    begin = time.perf_counter()
    for _ in range(n):
        block + 1
        block + 1
        block + 1
    return time.perf_counter() - begin


def _median(found: list[float]) -> float:
    return statistics.median(found)


def _row(name: str, value: float, snap: tuple[float, str], target: float, ratio: float) -> Row:
    return Row(name=name, value=value, unit="items/s", reference=snap[0], of=snap[1], target=target, target_ratio=ratio)
