"""However often parameters change in a recorded run, a replay has all of it."""

from pathlib import Path

from penstock.engines.inline import InlineRun
from tests.system.recorded_runs import pipeline, recorded, replayed, rows, run_inline, views

MANY = 1200


def test_more_changes_than_are_remembered_live(tmp_path: Path) -> None:
    made = pipeline(tmp_path)
    has_changed: list[bool] = []

    def meanwhile(run: InlineRun) -> None:
        if not has_changed and all(join.formed > 10 for join in run.report().joins.values()):
            has_changed.append(True)
            for k in range(MANY):
                run.set({"measure.gain": 1.0 + k, "weigh.gain": 2.0 + k})

    live = run_inline(made, meanwhile, run_id="live")
    assert {row.split()[1] for row in rows(live, "points")[1:-1]} == {"0", str(MANY)}
    with recorded(tmp_path, "live") as run:
        assert len(run.changes) == MANY
        again = replayed(made, "local", run)
    assert again.outcome == live.outcome, again.reasons
    assert views(again) == views(live)
