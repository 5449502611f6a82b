"""What checking says besides mistakes: warnings, what is detected, what is received, and the plan's defaults."""

import json
from pathlib import Path

import pytest

from penstock.core.restart_budget import RESTARTS, Restarts
from penstock.core.staffing import Limits
from penstock.pipeline import check_file, load_plan
from penstock.pipeline.explain import explain
from penstock.pipeline.graph import draw_text
from penstock.pipeline.memory import memory_plan
from penstock.pipeline.plan import Plan
from penstock.pipeline.planned_names import PLANNED
from penstock.pipeline.receives import receives
from tests.unit.pipeline.conftest import Check, Write

HEAD = """\
sources:
  cam: {use: stins, connect: "tcp://127.0.0.1:5555"}
  motor: {use: contrast, connect: "tcp://127.0.0.1:5557"}
"""
JOIN = HEAD + "events: {scan: {join: [cam, motor], by: %s}}\nstages: {fit: {from: scan, map: mine:Fit%s}}\n"


def plan_of(checked: Check, text: str, **others: str) -> Plan:
    found = checked(text, **others)
    assert found.plan is not None, [str(problem) for problem in found.problems]
    return found.plan


def test_defaults_are_those_of_the_design(checked: Check) -> None:
    plan = plan_of(checked, JOIN % ("order", "") + "sinks: {out: {use: print, from: fit}}\n")
    stage, join, sink = plan.stages["fit"], plan.joins["scan"], plan.sinks["out"]
    assert (stage.workers, stage.run_in, stage.order, stage.when_full) == (1, "process", "kept", "block")
    assert stage.on_error == "fail"
    assert stage.tags == {"generic"}
    assert (stage.deadline_s, stage.prefetch, stage.trips, stage.checkpoint_s) == (60.0, 2, 3, 1.0)
    assert stage.cpus == ()
    assert not stage.parameters
    assert (join.incomplete, join.wait_s, join.options["check_keys"]) == ("pass", 2.0, True)
    assert sink.when == "item"
    assert plan.name == "pipeline"


@pytest.mark.parametrize(
    ("written", "options"),
    [
        ("key", {"reorder": 0, "step": 1, "ranges": ()}),
        ("{key: 5}", {"reorder": 5, "step": 1, "ranges": ()}),
        (
            "{timestamp: {window_ms: 2.5, hold: [motor]}}",
            {"window_ms": 2.5, "hold": ("motor",), "ranges": (), "hold_wait_s": 0.1},
        ),
        ("{timestamp:}", {"window_ms": 5.0, "hold": (), "ranges": (), "hold_wait_s": 0.1}),
        ("{order: {check_keys: false}}", {"check_keys": False, "reorder": 0}),
        ("trigger-map", {"wrap": True, "check_keys": True, "reorder": 0, "open": False}),
        (
            "{trigger-map: {rule: every-event, wrap: false}}",
            {"rule": "every-event", "wrap": False, "check_keys": True, "reorder": 0, "open": False},
        ),
        (
            "{trigger-map: {map: {cam: {events: 3}}}}",
            {"map": {"cam": {"events": 3}}, "wrap": True, "check_keys": True, "reorder": 0, "open": False},
        ),
    ],
)
def test_every_way_to_join(checked: Check, written: str, options: dict[str, object]) -> None:
    text = (JOIN % (written, "")).replace("use: contrast", "use: xspress3")  # which numbers what it sends
    assert plan_of(checked, text).joins["scan"].options == options


def test_a_source_without_a_number_shifts_all_that_follow(checked: Check) -> None:
    remarks = {remark.name: remark.text for remark in checked(JOIN % ("order", "")).remarks}
    assert "has no number of its own: a lost message shifts all that follow" in remarks["motor"]
    assert "what is lost, doubled or out of order is seen" in remarks["cam"]


def test_a_source_without_a_number_has_no_key(checked: Check) -> None:
    (problem,) = checked(JOIN % ("key", "")).of_level("error")
    assert problem.where == "events.scan.join[1]"
    assert "motor has no number of its own" in problem.text
    assert "by order or by trigger-map" in problem.remedy


def test_a_source_dated_at_reception_is_a_warning(checked: Check) -> None:
    warnings = checked(JOIN % ("timestamp", "")).of_level("warning")
    assert any("is dated when it is received" in warning.text for warning in warnings)


def test_more_workers_than_cores_is_a_warning(write: Write) -> None:
    (warning,) = check_file(write(JOIN % ("order", ", workers: 8")), environ={}, cores=4).of_level("warning")
    assert "8 worker processes on 4 cores" in warning.text
    assert warning.where == "stages.fit.workers"


def test_tags_without_a_map_have_no_effect(checked: Check) -> None:
    (warning,) = checked(JOIN % ("order", ", tags: [debug]")).of_level("warning")
    assert "tags have no effect here: scan has no trigger map" in warning.text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"cam": [[{"constraint": 1, "tags": ["gpu"]}]], "motor": [null]}', "asks for a worker with the tag gpu"),
        ('{"cam": [null], "moter": [null]}', "no stream is called 'moter'"),
        ('{"cam": [null, null], "motor": [null]}', "equally many cells"),
        ("{", "the map is no JSON"),
        ('{"cam": [], "motor": []}', "the map has no events"),
    ],
)
def test_an_unsound_map_is_refused(checked: Check, content: str, says: str) -> None:
    errors = checked(JOIN % ("{trigger-map: {file: m.json}}", ""), m__json=content).of_level("error")
    assert any(says in error.text for error in errors)
    assert all(error.where == "events.scan.by.trigger-map.file" and error.line == 4 for error in errors)


def test_a_map_that_is_not_there_is_refused(checked: Check) -> None:
    (error,) = checked(JOIN % ("{trigger-map: none.json}", "")).of_level("error")
    assert "none.json cannot be read" in error.text


def test_a_stage_the_map_has_nothing_for_is_a_warning(checked: Check) -> None:
    text = JOIN % ("{trigger-map: {map: {cam: {events: 3}}}}", "") + "  gpu: {from: scan, map: mine:Fit, tags: [gpu]}\n"
    text = text.replace("stages: {fit: {from: scan, map: mine:Fit}}", "stages:\n  fit: {from: scan, map: mine:Fit}")
    (warning,) = checked(text).of_level("warning")
    assert "so gpu gets no events" in warning.text


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ("{events: 5000, group: 500}", "events 0 to 999 name 2 of 3 workers"),
        ("{events: 20, group: 20}", "events 0 to 19 name 1 of 3 workers"),
        ("{events: 5000, group: 10}", ""),
        ("{events: 2}", ""),
    ],
)
def test_a_map_that_leaves_workers_idle_is_a_warning(checked: Check, cells: str, says: str) -> None:
    found = checked(JOIN % (f"{{trigger-map: {{map: {{cam: {cells}}}}}}}", ", workers: 3"))
    warnings = [warning.text for warning in found.of_level("warning")]
    assert [says in warning for warning in warnings] == ([True] if says else [])


def test_functions_are_sources(checked: Check) -> None:
    found = checked("sources: {n: {use: mine:numbers}}\nstages: {s: {from: n, steps: [count]}}\n")
    assert found.plan is not None
    assert found.plan.planned == ()


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ("sinks: {f: {use: telex, from: fit}}\n", "telex"),
        ("sinks: {f: {use: print, from: fit, when: end}}\n", "only now and then"),
        ("sinks: {f: {use: print, from: fit, on_error: skip}}\n", "after a failed write"),
    ],
)
def test_what_is_planned_is_named_and_not_an_error(
    checked: Check, extra: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PLANNED, "sinks", {"telex": "what is sent by wire"})
    found = checked(JOIN % ("order", "") + extra)
    assert not found.of_level("error")
    assert any(says in problem.text for problem in found.of_level("planned"))


def test_keys_of_a_stage_that_are_planned(checked: Check) -> None:
    (problem,) = checked(JOIN % ("order", ", run_in: thread")).of_level("planned")
    assert problem.where == "stages.fit.run_in"


def test_limits_can_be_set_and_are_explained(checked: Check) -> None:
    stages = (
        "stages:\n  fit: {from: scan, map: mine:Fit, deadline_s: 5, prefetch: 4, trips: 1,\n"
        "        restarts: {most: 3, within_s: 10}}\n"
        "  total: {from: fit, reduce: mine:Total, deadline_s: 7.5, trips: 2, checkpoint_s: 0.1}\n"
        "  watch: {from: cam, steps: [count], deadline_s: 9, trips: 4}\n"
    )
    text = (
        HEAD.replace('5555"}', '5555", slots: 50, restarts: {backoff_s: 0.5}}')
        + "events: {scan: {join: [cam, motor], by: order}}\n"
        + stages
    )
    found = checked(text)
    assert found.plan is not None
    fit, total, watch = (found.plan.stages[name] for name in ("fit", "total", "watch"))
    assert (fit.deadline_s, fit.prefetch, fit.trips) == (5.0, 4, 1)
    assert (total.deadline_s, total.trips, total.checkpoint_s) == (7.5, 2, 0.1)
    assert (watch.deadline_s, watch.trips) == (9.0, 4)
    assert found.plan.sources["cam"].slots == 50
    assert fit.restarts == Restarts(most=3, within_s=10.0)
    assert found.plan.sources["cam"].restarts == Restarts(backoff_s=0.5)
    assert (total.restarts, Restarts()) == (RESTARTS, Restarts(most=20, within_s=60.0, backoff_s=0.1))
    explained = explain(found.spec, found.plan)
    assert all(
        f"{key}:" in explained for key in ("restarts", "slots", "deadline_s", "prefetch", "trips", "checkpoint_s")
    )
    assert plan_of(checked, explained) == found.plan


def test_limits_of_workers_are_explained_and_reckoned_with(checked: Check, write: Write) -> None:
    text = JOIN % ("order", ", workers: {from: 2, to: 9, shrink_s: 30}, cpus: [0]")
    found = check_file(write(text), environ={}, cores=4)
    assert found.plan is not None
    fit = found.plan.stages["fit"]
    assert (fit.workers, fit.most_workers, len(fit.cpus)) == (2, 9, 9)
    assert fit.limits == Limits(least=2, most=9, grow_s=1.0, shrink_s=30.0)
    (warning,) = found.of_level("warning")
    assert warning.where == "stages.fit.workers"
    assert warning.text == "up to 9 worker processes on 4 cores"
    pools = {pool.owner: pool for pool in memory_plan(found.plan).pools}
    assert (pools["fit"].pools, pools["cam"].larger_slots) == (9, 2 * 9 + 2)
    explained = explain(found.spec, found.plan)
    written = " ".join(line.strip() for line in explained.splitlines())
    assert "workers: from: 2 to: 9 grow_s: 1.0 shrink_s: 30.0 " in written
    assert plan_of(checked, explained) == found.plan
    assert "fit ×2–9" in draw_text(found.plan)


def test_what_each_room_receives_is_said(checked: Check) -> None:
    text = JOIN % ("order", "") + (
        "  total: {from: fit, reduce: mine:Total}\n  own: {from: cam, map: mine:brightness}\n"
        "  after: {from: chain, steps: [count]}\n  chain: {from: both, steps: [count]}\n"
        "sinks:\n  out: {use: print, from: total, when: {every_s: 2}}\n"
        "  raw: {use: print, from: cam, where: fit.is_hit}\n"
    )
    text = text.replace("stages: {fit: {from: scan, map: mine:Fit}}", "stages:\n  fit: {from: scan, map: mine:Fit}")
    text = text.replace("by: order}}", "by: order}, both: {merge: [cam, motor]}}")
    words = receives(plan_of(checked, text))
    assert words == {
        "fit": "each Event of scan (cam, motor)",
        "own": "each Message of cam",
        "chain": "each item of cam and motor, as they come",
        "total": "the value of each Result of fit",
        "after": "each item that chain lets pass",
        "out": "the views of total, every 2 s",
        "raw": "each Message of cam, where fit.is_hit is true",
    }


def test_a_plan_stands_in_the_order_of_the_flow(checked: Check) -> None:
    stages = (
        "stages:\n  c: {from: b, steps: [count]}\n  b: {from: a, steps: [count]}\n  a: {from: cam, steps: [count]}\n"
    )
    assert list(plan_of(checked, HEAD + stages).stages) == ["a", "b", "c"]


def test_included_files_add_entries(write: Write) -> None:
    file = write(
        "include: [hardware.yaml]\nstages: {s: {from: cam, steps: [count]}}\n",
        hardware__yaml=HEAD + "include: [more.yaml]\n",
        more__yaml="sinks: {p: {use: print, from: s}}\n",
    )
    plan = load_plan(file, environ={})
    assert set(plan.sources) == {"cam", "motor"}
    assert set(plan.sinks) == {"p"}


@pytest.mark.parametrize(
    ("others", "says", "file", "line"),
    [
        ({"hardware__yaml": HEAD + "stages: {s: {from: motor, steps: [count]}}\n"}, "it stands in", "hardware.yaml", 4),
        ({}, "cannot be read", "pipeline.yaml", 1),
        ({"hardware__yaml": "include: [pipeline.yaml]\n" + HEAD}, "is included already", "hardware.yaml", 1),
        ({"hardware__yaml": HEAD + 'events: {a: "b'}, "a quote is opened", "hardware.yaml", 4),
        ({"hardware__yaml": HEAD.replace("stins", "stinz")}, 'there is no source "stinz"', "hardware.yaml", 2),
    ],
)
def test_mistakes_of_included_files(checked: Check, others: dict[str, str], says: str, file: str, line: int) -> None:
    found = checked("include: [hardware.yaml]\nstages: {s: {from: cam, steps: [count]}}\n", **others)
    problem = next(problem for problem in found.of_level("error") if says in problem.text)
    assert problem.file.endswith(file)
    assert problem.line == line


def test_an_include_cannot_change_what_is_said(checked: Check) -> None:
    found = checked("include: [h.yaml]\nname: a\n" + HEAD, h__yaml="name: b\nsources: {cam: stins}\n")
    assert {problem.where for problem in found.of_level("error")} == {"name", "sources.cam"}


def test_problems_can_be_told_to_machines(checked: Check) -> None:
    from dataclasses import asdict

    problems = checked("sources: {a: stinz}\n").problems
    assert json.loads(json.dumps([asdict(problem) for problem in problems]))[0]["line"] == 1


def test_dropping_is_built_only_where_a_source_gives_up_the_newest(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(
        "sources:\n  a: {use: contrast, connect: 'tcp://x:1', when_full: drop_newest}\n"
        "  b: {use: contrast, connect: 'tcp://x:2', when_full: sample}\n"
        "stages:\n  n: {from: a, steps: [count], when_full: drop_oldest}\n"
        "sinks:\n  p: {use: print, from: n, when_full: drop_newest}\n"
    )
    planned = [problem.where for problem in check_file(file).of_level("planned")]
    assert planned == ["sources.b.when_full", "stages.n.when_full", "sinks.p.when_full"]


OF_CHAINS = """\
sources: {n: {use: numbers%s}}
stages: {fit: {from: n, steps: ["builtins:abs"], %s}}
sinks: {out: {use: print, from: fit}}
"""


@pytest.mark.parametrize(
    ("source", "stage", "where", "says"),
    [
        ("", "run_in: process, restarts: {most: 3}", "stages.fit.restarts", "write trips: 3, and remove restarts"),
        ("", "restarts: {most: 3}", "stages.fit.restarts", "fit has no process of its own that could die"),
        (", restarts: {most: 0}", "trips: 4", "sources.n.restarts", "n has no process of its own that could die"),
    ],
)
def test_restarts_of_chains_are_said_to_be_in_vain(
    checked: Check, source: str, stage: str, where: str, says: str
) -> None:
    found = checked(OF_CHAINS % (source, stage))
    (problem,) = found.problems
    assert (problem.level, problem.where) == ("warning", where)
    assert says in f"{problem.text}; {problem.remedy}"
    assert found.plan is not None
    assert checked(OF_CHAINS % ("", "restarts: {most: 20}")).problems == ()
