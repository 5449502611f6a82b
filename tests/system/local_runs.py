"""Local runs of which a test kills processes: stepped by the test, with whole books and views at the end."""

import gc
import os
import random
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.engines.local import LocalRun
from penstock.monitor.report import RunReport
from penstock.pipeline import Join, Map, Pipeline, Reduce, Sink, Source
from penstock.views import ArrayView
from tests.system import deadly_code as code
from tests.system.watching import PATIENCE_S, held, left_open

__all__ = ["Ended", "Hits", "assert_same", "books", "deaths", "run", "scan"]

N = 2000


def scan(
    *,
    map: Map | None = None,  # noqa: A002 - the entry's own name
    gate: str = "",
    deadline_s: float = 60.0,
    lists: Any = code.Lists,
    ends: str = "",
    a: Source | None = None,
    b: Source | None = None,
) -> Pipeline:
    """Return two instruments that keep two workers busy for most of a second, and two reducers."""
    return Pipeline(
        name="deaths",
        sources={
            "a": a or Source(code.Stored, n=N, block=20, pace_s=0.004, gate=gate),
            "b": b or Source(code.Stored, n=N, block=33, pace_s=0.006, gate=gate),
        },
        events={"scan": Join("a", "b", by="key")},
        stages={
            "map": map or Map(code.weigh, source="scan", spend_s=0.0002, workers=2, deadline_s=deadline_s),
            "arrays": Reduce(code.Arrays, source="map", deadline_s=deadline_s),
            "lists": Reduce(lists, source="map", deadline_s=deadline_s),
        },
        sinks={} if not ends else {
            "views": Sink(code.Ends, source="arrays", path=f"{ends}/views"),
            "items": Sink(code.Ends, source="map", path=f"{ends}/items"),
        },
    )  # fmt: skip


@dataclass(slots=True)
class Hits:
    """Who is hit, by what, and when: a moment after the one before has a successor that works."""

    dice: random.Random
    names: Sequence[str]
    count: int
    by: signal.Signals = signal.SIGKILL
    pause_s: float = 0.1
    from_s: float = 0.0
    gate: str = ""
    """A file that is made when all is done."""
    waits: bool = True
    """Whether there will be successors."""
    pids: list[int] = field(default_factory=list)
    """Who was hit."""
    hit: list[str] = field(default_factory=list)
    """Their names."""
    _due_s: float = 0.0

    def look(self, run: LocalRun) -> None:
        """Hit who is to be hit now."""
        now = time.monotonic()
        if not self._due_s:
            if not self._has_successor(run):
                return
            self._due_s = now + self.dice.uniform(0, self.pause_s) + (self.from_s if not self.pids else 0.0)
        if now < self._due_s:
            return
        if len(self.pids) == self.count:
            if self.gate:
                Path(self.gate).touch()
            return
        name = self.dice.choice(list(self.names))
        if not self._is_ready(run, name):
            return
        pid = run.pids()[name]
        with suppress(ProcessLookupError):
            os.kill(pid, self.by)
            self.pids.append(pid)
            self.hit.append(name)
            self._due_s = 0.0

    def _has_successor(self, run: LocalRun) -> bool:
        return not self.pids or not self.waits or self._is_ready(run, self.hit[-1])

    def _is_ready(self, run: LocalRun, name: str) -> bool:
        pid = run.pids().get(name)
        staff = run._staff
        member = None if staff is None else staff.members.by_name.get(name)
        return pid is not None and pid not in self.pids and (member is None or member.is_entered)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    report: RunReport
    views: dict[str, Any]
    """By stage, as bytes and plain values."""


def run(
    pipeline: Pipeline, hits: Hits | None = None, stages: Sequence[str] = ("arrays", "lists"), **options: Any
) -> Ended:
    """Run to the end, and see that nothing is left of it here."""
    plan = pipeline.plan()
    gc.collect()
    before, threads = held(), threading.active_count()
    local = LocalRun(plan, **options)
    end_s = time.monotonic() + PATIENCE_S
    views: dict[str, Any] = {}
    try:
        local.open()
        while local.step(1.0 if hits is None else 0.002):
            assert time.monotonic() < end_s, f"it does not end: {local.report()}"
            if hits is not None:
                hits.look(local)
    finally:
        report = local.finish(keep_views=True)
        views = {stage: values(local.views(stage)) for stage in stages}
        pids = [process.pid for process in report.processes]
        local.forget_views()
    gc.collect()
    assert not left_open(before), "descriptors are left"
    assert threading.active_count() == threads, "threads are left"
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()], "processes are left"
    return Ended(report, views)


def values(tree: Any) -> Any:
    """Return a tree of views as what can be compared to the last bit."""
    if isinstance(tree, Mapping):
        return {name: values(item) for name, item in tree.items()}
    if isinstance(tree, ArrayView):
        return (tree.array.dtype.str, tree.array.shape, tree.array.tobytes())
    return tree


def books(report: RunReport) -> dict[tuple[str, str], dict[str, int]]:
    """Return the accounts of every edge, which must add up."""
    assert report.adds_up
    assert [edge for edge in report.edges if edge.in_flight] == []
    return {(edge.producer, edge.consumer): edge.accounts for edge in report.edges}


def deaths(report: RunReport, *names: str) -> int:
    """Return how many deaths the report counts, of everybody or of some."""
    return sum(process.deaths for process in report.processes if not names or process.name in names)


def assert_same(ended: Ended, undisturbed: Ended) -> None:
    """See that nothing can be told from books and views."""
    assert (ended.report.outcome, ended.report.exit_code, ended.report.reasons) == ("finished", 0, [])
    assert books(ended.report) == books(undisturbed.report)
    assert ended.views == undisturbed.views
