"""Local runs in which the test kills or stops processes: stepped by the test, and looked at afterwards."""

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from penstock.engines.local import LocalRun
from penstock.monitor.report import RunReport
from penstock.pipeline import Join, Map, Pipeline, Reduce, Source
from tests.system import kill_job as job

__all__ = ["Disturbed", "books", "pipeline", "run", "values"]

N = 4000


def pipeline(
    *, a: Source | None = None, b: Source | None = None, code: Any = job.weigh, reduce: Any = job.Sums, **options: Any
) -> Pipeline:
    """Return two instruments, their join, two workers, and two reducers."""
    return Pipeline(
        name="killed",
        sources={"a": a or Source(job.Written, n=N), "b": b or Source(job.Written, n=N, block=33, pace_s=0.006)},
        events={"scan": Join("a", "b", by="key")},
        stages={
            "map": Map(code, source="scan", **{"workers": 2, **options}),
            "sums": Reduce(reduce, source="map", deadline_s=options.get("deadline_s", 60.0)),
            "lists": Reduce(job.Lists, source="map"),
        },
        folder=Path(__file__).parent,
    )


class Disturbed:
    """Does something to processes of a run at moments that a seed chooses."""

    def __init__(self, seed: int, names: list[str], count: int, number: signal.Signals = signal.SIGKILL) -> None:
        self._chance = random.Random(seed)
        self._names, self._number = names, number
        self.moments = sorted(self._chance.uniform(0.02, 0.75) for _ in range(count))
        self.done = 0

    def at(self, run: LocalRun, passed_s: float) -> None:
        """Do what is due."""
        while self.moments and passed_s >= self.moments[0]:
            self.moments.pop(0)
            pid = run.pids().get(self._chance.choice(self._names))
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, self._number)
                    self.done += 1


def run(plan: Pipeline, disturbed: Disturbed | None = None, **options: Any) -> tuple[RunReport, dict[str, Any]]:
    """Run to the end; return the report and the views of both reducers."""
    local = LocalRun(plan.plan(), **options)
    views: dict[str, Any] = {}
    try:
        local.open()
        began_s = time.monotonic()
        while local.step(0.002 if disturbed is not None else 1.0):
            if disturbed is not None:
                disturbed.at(local, time.monotonic() - began_s)
        views = {stage: values(local.views(stage)) for stage in ("sums", "lists")}
    finally:
        report = local.finish()
    return report, views


def values(tree: Any) -> Any:
    """Return a tree of views as plain values."""
    if isinstance(tree, dict):
        return {name: values(item) for name, item in tree.items()}
    return tree.array.tolist() if hasattr(tree, "array") else tree


def books(report: RunReport) -> dict[tuple[str, str], dict[str, int]]:
    """Return every edge's accounts."""
    assert report.adds_up
    assert all(edge.in_flight == 0 for edge in report.edges)
    return {(edge.producer, edge.consumer): edge.accounts for edge in report.edges}
