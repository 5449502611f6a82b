"""What user code was given by the clock is given again in a replay: between the same events, and the same times."""

from pathlib import Path

import pytest

from penstock.core.log_records import Ticked
from penstock.pipeline import Map
from tests.system import recorded_code as code
from tests.system.recorded_runs import pipeline, recorded, replayed, rows, views
from tests.system.test_resume import ENGINES, lost_builder, replays_agree


@pytest.mark.parametrize("engine", ENGINES)
def test_ticks_come_again_on_both_engines(engine: str, tmp_path: Path) -> None:
    worker = Map(code.Ticks, source="by-map", workers=2)
    made = pipeline(tmp_path, faults=code.FAULTS, pace_s=0.02, map=worker, reduce=code.TickedLog)
    live = made.run(engine, run_id="live")
    assert any(row.startswith("tick ") for row in rows(live, "points"))
    assert len({row.split("'n': ")[1] for row in rows(live, "points") if "'n'" in row}) > 1
    with recorded(tmp_path, "live") as run:
        assert not run.warnings(made.plan())
        assert {record.stage for record in run.records if isinstance(record, Ticked)} == {"measure", "points-log"}
        for other in ENGINES:
            assert views(replayed(made, other, run)) == views(live)


def test_a_run_that_goes_on_ticks_on(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    made = pipeline(tmp_path, gate=str(gate), pace_s=0.02, source=code.Again, reduce=code.TickedLog)
    lost_builder(made, tmp_path)
    gate.touch()
    with recorded(tmp_path, "live") as run:
        before = len(run.ticks_for("points-log"))
        report = made.run("local", resume=run)
    assert report.outcome == "finished", report.reasons
    ticked = [row for row in rows(report, "points") if row.startswith("tick ")]
    assert len(ticked) > before
    assert ticked == sorted(ticked)
    replays_agree(tmp_path, report, made)
