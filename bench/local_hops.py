"""What each hop costs: CPU time of sources, builder, workers and reducer, for an event and for a unit.

A run of almost nothing is taken off, so that starting and touching the pools is not counted.
"""

import statistics
from collections.abc import Iterator, Mapping
from typing import Any

from bench.effort import Effort
from bench.local_run import RunError, run
from bench.local_sources import ROWS
from bench.row import Row

__all__ = ["costs_us", "rows"]

UNIT_US = {"source": 17, "builder": 28, "map": 63, "reduce": 11}
EVENT_US = {"source": 0.049, "builder": 0.030, "map": 0.091, "reduce": 0.007}
"""By role, those of the prototype, on the machine its targets come from."""


def rows(effort: Effort) -> Iterator[Row]:
    """Print what each hop costs; nothing is asked of it by itself."""
    many = effort.count(14.8e3)
    name = "hop, µs a unit (2 × 8 MB in place, unread)"
    yield from _hops(name, effort, "bench.local_frames:in_place", 16, many, UNIT_US, is_read=False)
    many = effort.count(10.8e6, ROWS)
    name = "hop, µs an event (2 × 256 B, row sums)"
    yield from _hops(name, effort, "bench.local_events:batches", 16 * ROWS, many, EVENT_US)


def _hops(
    name: str, effort: Effort, pipeline: str, few: int, many: int, recorded: Mapping[str, float], **arguments: Any
) -> Iterator[Row]:
    each = [costs_us(pipeline, effort.engine, few, many, arguments) for _ in range(effort.runs)]
    costs = {role: statistics.median(run_[role] for run_ in each) for role in each[0]}
    for role, cost in costs.items():
        yield _row(f"{name}: {role}", cost, recorded.get(role, 0))
    yield _row(f"{name}: all together", sum(costs.values()), sum(recorded.values()))


def costs_us(pipeline: str, engine: str, few: int, many: int, arguments: dict[str, Any]) -> dict[str, float]:
    """Return by role what one more of what a pipeline makes costs, in µs."""
    start, whole = (run(pipeline, engine, expected=n, n=n, **arguments).cpu_s() for n in (few, many))
    if not whole:
        raise RunError(f"the {engine} engine says nothing of its processes")
    return {role: (cost - start.get(role, 0.0)) / (many - few) * 1e6 for role, cost in whole.items()}


def _row(name: str, value: float, recorded: float) -> Row:
    return Row(name=name, value=value, unit="µs", reference=recorded, of="recorded: the prototype", asks="at most")
