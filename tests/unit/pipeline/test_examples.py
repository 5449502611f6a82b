"""The four systems' own examples in our grammar, and the design's: each is understood, drawn and explained."""

import re
import shutil
from pathlib import Path

import pytest

from penstock.errors import NotBuiltYetError
from penstock.pipeline import Checked, Pipeline, check_file
from penstock.pipeline.check import check
from penstock.pipeline.explain import explain
from penstock.pipeline.graph import draw_text
from penstock.pipeline.graph_svg import draw_svg
from penstock.pipeline.include import read_text
from penstock.pipeline.planned_names import PLANNED

FOLDER = Path(__file__).parents[2] / "pipelines"
FILES = sorted(FOLDER.glob("*.yaml"))


def checked(name: str) -> Checked:
    return check_file(FOLDER / name, environ={}, cores=1000)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_has_a_plan_and_nothing_wrong(file: Path) -> None:
    found = checked(file.name)
    assert found.plan is not None
    assert not found.of_level("error")
    assert not found.of_level("warning")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_explain_prints_checks_again_equal(file: Path) -> None:
    found = checked(file.name)
    assert found.plan is not None
    text = explain(found.spec, found.plan)
    document, problems = read_text(text, FOLDER / "again.yaml", {})
    again = check(document, problems, cores=1000)
    assert again.plan == found.plan
    assert again.plan is not None
    assert explain(again.spec, again.plan) == text


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_drawing_names_every_room(file: Path) -> None:
    plan = checked(file.name).plan
    assert plan is not None
    names = [*plan.sources, *plan.joins, *plan.merges, *plan.stages, *plan.sinks]
    text, svg = draw_text(plan), draw_svg(plan)
    assert all(name in text and f">{name}</text>" in svg for name in names)


def test_the_designs_example_is_built() -> None:
    plan = checked("xrf-map.yaml").plan
    assert plan is not None
    assert not plan.planned
    assert plan.alarms["no_beam"].rule.for_s == 10
    assert list(plan.stages) == ["watch", "fit", "image"]
    assert plan.stages["fit"].parameters == {"roi_start_keV": 5.9}
    assert plan.stages["fit"].elements[0].arguments == {"lines": ["Fe", "Ni"]}
    assert plan.stages["watch"].parameters == {"threshold.above": 0}
    assert plan.sinks["hits"].where == ("fit", "is_hit")
    assert plan.sinks["file"].when == "end"
    assert plan.sinks["hits"].when == "item"


def test_what_is_not_built_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANNED, "workers", {"foresee": "what comes next"})
    file = tmp_path / "pipeline.yaml"
    file.write_text((FOLDER / "serial-crystallography.yaml").read_text().replace("{program: {", "{foresee: {"))
    shutil.copy(FOLDER / "crystallography.py", tmp_path)
    with pytest.raises(NotBuiltYetError, match="foresee is not built yet"):
        Pipeline.load(file, environ={}).run()


def test_the_debug_worker_stands_on_the_same_events() -> None:
    found = checked("fluorescence-debug.yaml")
    plan = found.plan
    assert plan is not None
    assert not plan.planned
    assert plan.stages["fit"].inputs == plan.stages["debug"].inputs == (("", "scan"),)
    assert plan.stages["debug"].tags == {"debug"}
    assert plan.stages["debug"].elements[0].arguments == {"n": 10}


def test_a_map_for_a_debug_worker_nobody_is(tmp_path: Path) -> None:
    for file in FOLDER.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    path = tmp_path / "fluorescence-debug.yaml"
    path.write_text(path.read_text().replace("tags: [debug]", "tags: [dbug]"))
    found = check_file(path, environ={}, cores=1000)
    (problem,) = found.of_level("error")
    assert "asks for a worker with the tag debug, which no worker has" in problem.text
    assert problem.where == "events.scan.by.trigger-map.file"


def test_lanes_keep_their_order_and_their_results() -> None:
    plan = checked("two-analyses.yaml").plan
    assert plan is not None
    for stage in plan.stages.values():
        assert stage.inputs == (("high", "alerts"), ("low", "survey"))
        assert stage.order == "free"
    assert not any("lanes" in sentence for sentence in plan.planned)
    assert (plan.sinks["rate_alerts"].input, plan.sinks["rate_alerts"].lane) == ("rate", "high")


def test_two_analyses_run_with_other_instruments(tmp_path: Path) -> None:
    text = (FOLDER / "two-analyses.yaml").read_text()
    code = "penstock.testing.engine_cases"
    text = re.sub(r'\{use: zmq-pull, bind: "tcp://127.0.0.1:\d+"\}', f"{{use: '{code}:Frames', n: 25}}", text)
    text = re.sub(
        r'use: zmq-pu\w+, (from: (\S+)\.(\w+)), \w+: "\S+"', rf"use: '{code}:Lines', \1, path: '{tmp_path}/\2-\3'", text
    )
    text = text.replace("n: 25", "n: 4", 1)  # there are fewer alerts
    (tmp_path / "two-analyses.yaml").write_text(text)
    shutil.copy(FOLDER / "analyses.py", tmp_path)
    report = Pipeline.load(tmp_path / "two-analyses.yaml", environ={}).run()
    assert report.outcome == "finished"
    lines = {file.name: len(file.read_text().splitlines()) for file in tmp_path.glob("*-*") if not file.suffix}
    assert lines == {"rate-high": 4, "rate-low": 25, "spectrum-high": 4, "spectrum-low": 25}
    assert all(report.edge("alerts", stage).accounts["done"] == 4 + 2 for stage in ("rate", "spectrum"))


def test_branches_read_one_stage() -> None:
    plan = checked("node-branching.yaml").plan
    assert plan is not None
    assert {stage.inputs for name, stage in plan.stages.items() if name != "generate"} == {(("", "generate"),)}
    names = [element.name for element in plan.stages["process_high"].elements]
    assert names == ["threshold", "window", "count", "threshold", "print"]
    assert plan.stages["process_high"].parameters == {"threshold.above": 3, "threshold_2.above": 0}


def test_the_writer_of_raw_hits_stands_behind_the_indexing() -> None:
    plan = checked("serial-crystallography.yaml").plan
    assert plan is not None
    assert plan.sinks["raw_hits"].input == "eiger"
    assert plan.sinks["raw_hits"].where == ("index", "is_hit")
    assert list(plan.stages) == ["binned", "index", "hit_rate"]
