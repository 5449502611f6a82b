"""Workers by load: how long a stage that lags waits for its second worker."""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from bench.effort import Effort
from bench.local_run import RunError, run
from bench.local_sources import A_FEW, Triggers
from bench.row import Row, in_turns
from penstock.core import Message
from penstock.pipeline import Map, Pipeline, Reduce, Source

__all__ = ["FirstCalls", "lagging", "rows", "work"]

WORK_S = 0.01
GROW_S = 1.0
"""The default of pipelines."""
N = 500 // A_FEW * A_FEW


def work(message: Message) -> list[int]:
    """Wait as if for a calculation; return by whom and when it was begun."""
    del message
    begun_ns = time.monotonic_ns()
    time.sleep(WORK_S)
    return [os.getpid(), begun_ns]


class FirstCalls:
    """Keeps when each worker was first called.

    Parameters
    ----------
    notes
        Folder for what it has noted.
    """

    def __init__(self, notes: str) -> None:
        self._notes = Path(notes)
        self._first: dict[int, int] = {}
        self.count = 0

    @property
    def views(self) -> Mapping[str, Any]:
        """How many there were."""
        return {"count": self.count}

    def reduce(self, value: list[int]) -> None:
        """Take one call."""
        worker, begun_ns = value
        self._first[worker] = min(begun_ns, self._first.get(worker, begun_ns))
        self.count += 1

    def close(self) -> None:
        """Write down what was noted."""
        noted = {"count": self.count, "first": sorted(self._first.values())}
        (self._notes / "folded.json").write_bytes(msgspec.json.encode(noted))


def lagging(notes: str) -> Pipeline:
    """Return a pipeline in which all events wait for one worker at once, and there may be two."""
    return Pipeline(
        name="staffing",
        sources={"camera": Source(Triggers, n=N)},
        stages={
            "work": Map(work, source="camera", workers={"from": 1, "to": 2, "grow_s": GROW_S}),
            "sum": Reduce(FirstCalls, source="work", notes=notes),
        },
    )


def rows(effort: Effort) -> Iterator[Row]:
    """Measure from the first event, behind which all others wait, to the second worker's first one."""

    def took_s() -> float:
        first: list[int] = run("bench.local_staffing:lagging", effort.engine, expected=N).folded["first"]
        if len(first) != 2:
            raise RunError(f"{len(first)} workers were at work, not 2")
        return (first[1] - first[0]) / 1e9

    _, found = in_turns(effort.runs, lambda: GROW_S, took_s)
    yield Row(
        name="staffing: from a backlog to the second worker at work", value=found, unit="s", reference=GROW_S,
        of="grow_s, for which the stage must lag", asks="at most",
    )  # fmt: skip
