"""Workers that come and go with the load, in real processes: nothing is lost, and what belongs together stays so."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core.map_part import CellColumn, MapPart
from penstock.core.trigger_map import TriggerMap
from penstock.engines.handle import Run
from penstock.engines.local import LocalRun
from penstock.errors import PenstockError
from penstock.monitor.report import StaffReport
from penstock.pipeline import Join, Map, Pipeline, Reduce, Source
from tests.system import staffing_code as code
from tests.system.recorded_runs import recorded
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
        folder=folder,
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
    by_the_killed = {line for line in seen[killed] if line.startswith("event")}
    assert {*others, *by_the_killed} == {f"event {number}" for number in range(formed)}
    hooks = [[line for line in lines if line != "tick"] for lines in seen.values()]
    # Who was just made when the end came has nothing but that.
    assert {lines[0] for lines in hooks if lines != ["close"]} == {"start"}, "one who came late was not told of it"
    assert all("tick" in lines for pid, lines in seen.items() if pid != killed and len(lines) > 100)
    assert {lines[-1] for pid, lines in seen.items() if pid != killed} == {"close"}
    assert 3 <= sum(lines[-2:] == ["end", "close"] for lines in hooks) <= 4
    assert all("end" not in lines or lines[-2:] == ["end", "close"] for lines in hooks)
    told = [each.text for each in report.notices if each.source == "map"]
    assert told[0].startswith("1 → 2 workers: ")
    assert any(text.startswith("3 → 4 workers: ") and text.endswith(" wait") for text in told), told
    assert any(" → 1 worker: at most " in text for text in told), told


def groups_of(group: int) -> TriggerMap:
    """A map without end: of every ``group`` events in a row, each third goes to one worker."""
    every = np.arange(group)
    column = CellColumn(
        present=np.ones(group, np.bool_), constraint=every[None] % 3, tags_code=np.zeros((1, group), np.int16)
    )
    return TriggerMap({"three": MapPart({"a": column})}, is_endless=True)


def test_events_that_belong_together_stay_with_their_worker_whoever_comes_and_leaves(tmp_path: Path) -> None:
    group = 30
    stage = Map(code.Works, folder=str(tmp_path), source="scan", workers=QUICK, group=group)
    with scan(tmp_path, stage, {"trigger-map": {"map": groups_of(group)}}, fast=600, slow=60).start() as run:
        until(lambda: staff(run).workers >= 3)
        (tmp_path / "slow").touch()
        until(lambda: staff(run).workers == 1)
        (tmp_path / "slow").unlink()
        until(lambda: staff(run).workers >= 2)
        (tmp_path / "end").touch()
        report = run.wait(PATIENCE_S)
    assert (report.outcome, report.adds_up) == ("finished", True)
    seen = rows(run)
    assert seen[:, 0].tolist() == list(range(report.joins["scan"].formed))
    constraint = 3 * (seen[:, 0] // group) + seen[:, 0] % 3
    for each in range(constraint.max() + 1):
        who, count = seen[constraint == each, 1], seen[constraint == each, 2]
        assert len(set(who)) == 1, f"group {each} was parted"
        assert count.tolist() == list(range(1, len(count) + 1)), "a worker did not keep what it knew of its group"
    assert len(set(seen[:, 1])) > 2
    assert not [remark for edge in report.edges for remark in edge.remarks if "state lost" in remark]


def test_a_number_is_kept_until_it_is_taken_back_and_limits_hold(tmp_path: Path) -> None:
    stage = Map(code.Works, folder=str(tmp_path), source="scan", workers=QUICK, takes_s=0.001)
    with scan(tmp_path, stage, fast=10).start() as run:
        assert run.command("scale", "map", workers=3).text == "map shall have 3 workers"
        until(lambda: staff(run).workers == 3)
        assert (staff(run).pinned, staff(run).why) == (3, "as asked")
        with pytest.raises(PenstockError, match="stage map: 5 workers are not within its limits; ask for 1 to 4, or"):
            run.scale("map", 5)
        run.scale("map", 2)
        until(lambda: staff(run).workers == 2)
        run.scale("map", "auto")
        until(lambda: staff(run).workers == 1)
        assert staff(run).pinned is None
        run.abort()
        assert run.wait(PATIENCE_S).adds_up


def test_a_replay_has_everybody_from_the_start_who_ever_came(tmp_path: Path) -> None:
    stage = Map(code.Works, folder=str(tmp_path), source="scan", workers=QUICK)
    made = scan(tmp_path, stage, record=True)
    with made.start(run_id="live") as run:
        until(lambda: staff(run).workers >= 2)
        goes_on_by = len(rows(run)) + 50
        until(lambda: len(rows(run)) > goes_on_by)
        (tmp_path / "end").touch()
        assert run.wait(PATIENCE_S).outcome == "finished"
    expected = rows(run)[:, [0, 2]].tolist()
    assert len(set(rows(run)[:, 1])) >= 2, "one worker did it all"
    with recorded(tmp_path, "live") as kept:
        assert kept.warnings(made.plan()) == [
            "stage map: its workers came and went; here one of each name does what all of that name did"
        ]
        with Run(LocalRun(made.plan(), replay=kept)) as again:
            assert again.wait(PATIENCE_S).outcome == "finished"
        assert rows(again)[:, [0, 2]].tolist() == expected, "they remember something else than in the recorded run"


def test_the_inline_engine_has_as_many_as_there_are_at_least(tmp_path: Path) -> None:
    stage = Map(code.Works, folder=str(tmp_path), source="scan", workers={"to": 4}, takes_s=0)
    report = scan(tmp_path, stage, n=40, fast=1e6).run("inline")
    assert (report.outcome, report.edge("scan", "map").accounts) == ("finished", {"done": 40})
    ((pid, lines),) = notes(tmp_path).items()
    assert pid == os.getpid()
    assert [line for line in lines if line != "tick"] == ["start", *(f"event {k}" for k in range(40)), "end", "close"]
