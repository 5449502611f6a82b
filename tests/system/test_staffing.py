"""Workers that come and go with the load, in real processes: nothing is lost, and what belongs together stays so."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.engines.handle import Run
from penstock.monitor.report import StaffReport
from penstock.pipeline import Join, Map, Pipeline, Reduce, Source
from tests.system import staffing_code as code
from tests.system.test_local_control import until, workers
from tests.system.watching import PATIENCE_S

pytestmark = pytest.mark.usefixtures("nothing_left_open")

QUICK: Mapping[str, float] = {"from": 1, "to": 4, "grow_s": 0.3, "shrink_s": 0.7}


def scan(folder: Path, stage: Map, by: Any = "order", **source: Any) -> Pipeline:
    return Pipeline(
        name="staffing",
        sources={"a": Source(code.Fickle, folder=str(folder), **source)},
        events={"scan": Join("a", by=by)},
        stages={"map": stage, "seen": Reduce(code.Seen, source="map")},
    )


def staff(run: Run) -> StaffReport:
    (found,) = run.statistics().staffs
    return found


def rows(run: Run) -> Any:
    """(n, 3), what the reducer has seen."""
    return np.asarray(run.views("seen")["rows"])


def notes(folder: Path) -> dict[int, list[str]]:
    """What each worker that ever was has noted, by its process."""
    return {int(path.name[4:]): path.read_text().splitlines() for path in folder.glob("pid-*")}


def test_workers_come_while_a_stage_lags_and_leave_when_there_is_little_to_do(tmp_path: Path) -> None:
    stage = Map(code.Works, folder=str(tmp_path), source="scan", workers=QUICK)
    with scan(tmp_path, stage).start() as run:
        until(lambda: staff(run).workers == 4)
        assert len(workers(run)) == 4
        (tmp_path / "slow").touch()
        until(lambda: staff(run).workers == 1 and len(workers(run)) == 1)
        (tmp_path / "slow").unlink()
        until(lambda: staff(run).workers >= 3)
        killed = next(iter(workers(run).values())).pid
        os.kill(killed, signal.SIGKILL)
        (tmp_path / "end").touch()
        report = run.wait(PATIENCE_S)
    assert (report.outcome, report.adds_up) == ("finished", True)
    formed = report.joins["scan"].formed
    assert rows(run)[:, 0].tolist() == list(range(formed)), "lost, doubled, or out of order"
    assert report.edge("scan", "map").accounts == {"done": formed}
    seen = notes(tmp_path)
    others = [line for pid, lines in seen.items() if pid != killed for line in lines if line.startswith("event")]
    assert len(others) == len(set(others)), "one who left had not finished what it was given"
    assert {*others, *(line for line in seen[killed] if line.startswith("event"))} == {f"event {k}" for k in range(formed)}
    assert all(lines[0] == "start" for lines in seen.values()), "one who came late was not told of the start"
    assert all("tick" in lines for pid, lines in seen.items() if pid != killed and len(lines) > 100)
    assert {lines[-1] for pid, lines in seen.items() if pid != killed} == {"close"}
    at_the_end = [lines for lines in seen.values() if lines[-2:] == ["end", "close"]]
    assert 3 <= len(at_the_end) <= 4
    told = [each.text for each in report.notices if each.source == "map"]
    assert told[0].startswith("1 → 2 workers: ")
    assert any(text.startswith("3 → 4 workers: ") and text.endswith(" wait") for text in told), told
    assert any(" → 1 worker: at most " in text for text in told), told
