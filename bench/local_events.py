"""Small messages, 256 B, two streams joined by key: by ranges, by one call each, and with gaps."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from bench.effort import Effort
from bench.local_code import AddDicts, AddRanges, SumRows, small_dict, touch
from bench.local_limits import calls_per_s, copy_and_row_sum_per_s
from bench.local_run import run
from bench.local_sources import GAPS_PERIOD, GAPS_PRESENT, ROWS, Rows
from bench.row import Row, in_turns
from penstock.pipeline import Join, Map, Pipeline, Reduce, Source

__all__ = ["batch_rows", "batches", "call_rows", "calls", "dicts", "gaps_rows"]

NOTE_EVERY = 4096
"""Results between two looks at the clock, which would otherwise cost as much as the folding."""


def batches(notes: str, n: int, order: str = "kept", *, has_gaps: bool = False) -> Pipeline:
    """Return a pipeline that adds up the rows of ``n`` numbers, range by range."""
    return _pipeline(n, SumRows, AddRanges, order, has_gaps, notes=notes)


def calls(notes: str, n: int, order: str = "kept") -> Pipeline:
    """Return a pipeline that calls a function for each of ``n`` events, which returns a number."""
    return _pipeline(n, touch, AddRanges, order, notes=notes, every=NOTE_EVERY)


def dicts(notes: str, n: int, order: str = "kept") -> Pipeline:
    """Return a pipeline that calls a function for each of ``n`` events, which returns a small dictionary."""
    return _pipeline(n, small_dict, AddDicts, order, notes=notes, every=NOTE_EVERY)


def batch_rows(effort: Effort) -> Iterator[Row]:
    """Measure vector work on ranges."""
    limit, kept, free = in_turns(
        effort.runs, copy_and_row_sum_per_s, *(_rate("batches", effort, 10.8e6, order=o) for o in ("kept", "free"))
    )
    yield from _kept_and_free("events_batch: process_batch", kept, free, limit, "copy and row sum", ratio=0.33)


def call_rows(effort: Effort) -> Iterator[Row]:
    """Measure one call of user code for each event."""
    limit, kept, free, folded = in_turns(
        effort.runs,
        calls_per_s,
        *(_rate("calls", effort, 2.6e6, order=order) for order in ("kept", "free")),
        _rate("dicts", effort, 1.5e6),
    )
    of = "events made and called alone"
    yield from _kept_and_free(
        "events_call: process(event), a number, folded range by range", kept, free, limit, of, target=2.0
    )
    name = "events_call: process(event), a small dict folded one by one"
    yield _speed(name, folded, limit, of, target=1.2)


def gaps_rows(effort: Effort) -> Iterator[Row]:
    """Measure a stream that misses 2 % of the numbers."""
    n = effort.count(6.4e6, GAPS_PERIOD)
    formed = n // GAPS_PERIOD * GAPS_PRESENT

    def rate_per_s() -> float:
        outcome = run(
            "bench.local_events:batches", effort.engine, expected=formed, outcome="incomplete", n=n, has_gaps=True
        )
        return outcome.rate_per_s()

    limit, found = in_turns(effort.runs, copy_and_row_sum_per_s, rate_per_s)
    yield _speed("events_gaps: 2 % missing in one stream, process_batch", found, limit, "copy and row sum", target=5.0)


def _pipeline(n: int, worker: Any, reducer: Any, order: str, has_gaps: bool = False, **arguments: Any) -> Pipeline:
    return Pipeline(
        name="events",
        sources={"left": Source(Rows, n=n), "right": Source(Rows, n=n, has_gaps=has_gaps)},
        events={"pair": Join("left", "right", by="key", incomplete="drop")},
        stages={
            "work": Map(worker, source="pair", workers=2, order=order),
            "sum": Reduce(reducer, source="work", **arguments),
        },
    )


def _rate(pipeline: str, effort: Effort, hoped_per_s: float, **arguments: Any) -> partial[float]:
    n = effort.count(hoped_per_s, ROWS)
    return partial(_rate_per_s, f"bench.local_events:{pipeline}", effort.engine, n, arguments)


def _rate_per_s(pipeline: str, engine: str, n: int, arguments: dict[str, Any]) -> float:
    return run(pipeline, engine, expected=n, n=n, **arguments).rate_per_s()


def _kept_and_free(
    name: str,
    kept: float,
    free: float,
    limit: float,
    of: str,
    *,
    target: float | None = None,
    ratio: float | None = None,
) -> Iterator[Row]:
    yield _speed(name, kept, limit, of, target=target, ratio=ratio)
    yield _speed(f"{name}, order free", free, limit, of)


def _speed(
    name: str, rate: float, limit: float, of: str, *, target: float | None = None, ratio: float | None = None
) -> Row:
    return Row(
        name=name,
        value=rate / 1e6,
        unit="M events/s",
        reference=limit / 1e6,
        of=of,
        target=target,
        target_ratio=ratio,
    )
