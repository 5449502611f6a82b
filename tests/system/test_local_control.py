"""A local run under control: parameters at an event's boundary, workers that come and go, the end when it is asked for."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core.parameters import Change
from penstock.engines.handle import Run
from penstock.errors import ParameterError, PenstockError
from penstock.monitor.report import ProcessReport, RunReport
from penstock.pipeline import Join, Map, Pipeline, Reduce, Sink, Source, Steps
from tests.system import controlled
from tests.system.watching import PATIENCE_S

pytestmark = pytest.mark.usefixtures("nothing_left_open")


def scan(stage: Map, *, rate: float = 4000, reduce: Any = controlled.Rows, **source: Any) -> Pipeline:
    return Pipeline(
        name="control",
        sources={name: Source(controlled.Paced, rate=rate, **source) for name in "ab"},
        events={"scan": Join("a", "b", by="key")},
        stages={"map": stage, "rows": Reduce(reduce, source="map")},
    )


def until(is_so: Callable[[], bool]) -> None:
    """Look again and again, because what is waited for happens in other processes."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def goes_on(run: Run, events: int) -> None:
    """Wait until so many more events are done."""
    begun = done(run.statistics())
    until(lambda: done(run.statistics()) >= begun + events)


def done(report: RunReport) -> int:
    return report.edge("map", "rows").accounts.get("done", 0)


def workers(run: Run, stage: str = "map") -> dict[str, ProcessReport]:
    """Return the processes of a stage that are there, by name."""
    found = (process for process in run.statistics().processes if process.name.startswith(f"{stage}-"))
    return {process.name: process for process in found if process.state in ("waiting", "processing")}


def rows(run: Run) -> Any:
    """(n, 5), what the reducer has seen."""
    return np.asarray(run.views("rows")["rows"])


def assert_kept(run: Run, report: RunReport, changes: list[Change]) -> None:
    """Hold every event against the promise: all values of one revision, whoever worked on it."""
    seen = rows(run)
    assert report.adds_up
    assert seen[:, 0].tolist() == list(range(report.joins["scan"].formed)), "lost, doubled, or out of order"
    starts = [change.from_event for change in changes]
    assert starts == sorted(starts)
    revision = np.searchsorted(starts, seen[:, 0], "right")
    assert seen[:, 3].tolist() == revision.tolist(), "a result names another revision than was promised to its event"
    gain, label, gains, labels = 1.0, 0.0, [1.0], [0.0]
    for change in changes:
        gain, label = change.values.get("map.gain", gain), change.values.get("rows.label", label)
        gains.append(gain)
        labels.append(label)
    assert seen[:, 1].tolist() == np.array(gains)[revision].tolist()
    assert seen[:, 4].tolist() == np.array(labels)[revision].tolist()


@pytest.mark.parametrize("target", [controlled.scaled, controlled.Scaled])
def test_a_change_holds_from_one_event_on_everywhere(target: Any) -> None:
    with scan(Map(target, source="scan", workers=2)).start() as run:
        goes_on(run, 200)
        changes = [run.set(gain=2)]
        goes_on(run, 100)
        changes += [run.set({"rows.label": 7.0}), run.set({"map.gain": 3, "label": 8}, who="somebody")]
        goes_on(run, 100)
        with pytest.raises(ParameterError, match="gain"):
            run.set(label=9, gain=-1)
        with pytest.raises(ParameterError, match="nonsense"):
            run.set(nonsense=1)
        run.scale("map", 4)
        until(lambda: len(workers(run)) == 4)
        changes.append(run.set(gain=4))
        goes_on(run, 200)
        killed = workers(run)["map-0"].pid
        os.kill(killed, signal.SIGKILL)
        until(lambda: workers(run).get("map-0", ProcessReport(name="", role="", pid=killed)).pid != killed)
        late = {process.pid for process in workers(run).values()}
        goes_on(run, 200)
        changes.append(run.set(gain=5))
        goes_on(run, 100)
        run.stop()
        report = run.wait(PATIENCE_S)
    assert [change.revision for change in changes] == [1, 2, 3, 4, 5]
    assert changes[2].who == "somebody"
    assert_kept(run, report, changes)
    seen = rows(run)
    assert {int(pid) for pid in seen[seen[:, 3] == 5, 2]} <= late
    assert len({*seen[:, 2]}) > 2, "only one worker had anything to do"
    assert (report.outcome, report.exit_code, report.reasons) == ("aborted", 130, ["stopped on request"])
