"""What a device says of a pipeline, out of made-up reports."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from penstock.compat.tango.facts import FORMS, facts_of, facts_of_feedback, state_of
from penstock.elements.tango_form import said_as
from penstock.monitor.report import (
    AlarmReport,
    EdgeReport,
    JoinReport,
    LoadReport,
    ProcessReport,
    RunReport,
    StateReport,
    books_of_nothing,
    report_before,
)


def edge(producer: str, consumer: str, arrived: int, in_flight: int = 0, loss: int = 0) -> EdgeReport:
    accounts = {"done": arrived - in_flight}
    return EdgeReport(
        producer=producer, consumer=consumer, arrived=arrived, accounts=accounts, in_flight=in_flight, counters={},
        rate_per_s=0.0, remarks=[], recent_per_s=2.5, loss=loss,
    )  # fmt: skip


def state(name: str, kind: str, of: str = "", state: str = "processing", why: str = "") -> StateReport:
    return StateReport(name=name, kind=kind, state=state, of=of, why=why)


EDGES = [
    edge("instrument", "camera", 100), edge("camera", "scan", 100), edge("scan", "fit", 90, in_flight=10, loss=1),
    edge("fit", "image", 80, in_flight=5), edge("scan", "log", 90, in_flight=3),
]  # fmt: skip
REPORT = replace(
    books_of_nothing("analysis", "r1"),
    edges=EDGES,
    joins={"scan": JoinReport(formed=90, planned=120, unformed=0, partial=0)},
    states=[
        state("analysis", "pipeline", why="held"), state("camera", "source"), state("fit", "stage"),
        state("fit-0", "worker", "fit"), state("fit-1", "worker", "fit"), state("image", "stage"),
    ],
    processes=[
        ProcessReport(name="fit-0", role="worker", pid=1, cpu_share=0.5),
        ProcessReport(name="fit-1", role="worker", pid=2, cpu_share=0.7),
        ProcessReport(name="image", role="reducer", pid=0, cpu_share=0.7),
    ],
    load=[
        LoadReport(
            worker="fit-0", stage="fit", state="processing", share=0.5, cpu_s=1.0, deaths=0, tags=["debug", "gpu"],
            event=88,
        )
    ],
)  # fmt: skip


def test_every_value_has_an_attribute_and_fits_it() -> None:
    facts = facts_of(REPORT, {"state": "processing", "allowed": ["stop"]})
    heard = [SimpleNamespace(number=2, action="stop", reason="enough", event=7, who="fit")]
    facts |= facts_of_feedback(heard)
    assert facts.keys() == {form.name for form in FORMS}
    for form in FORMS:
        assert said_as(form, facts[form.name]) is not None, form.name
    assert facts_of_feedback([]) == {}


def test_books_and_loads() -> None:
    facts = facts_of(REPORT, {})
    assert (facts["streams"], facts["stream_arrived"], facts["stream_rate"]) == (["camera"], [100], [2.5])
    assert (facts["edges"][2], facts["edge_in_flight"][2], facts["lost"]) == ("scan -> fit", 10, 1)
    assert (facts["stages"], facts["stage_workers"]) == (["fit", "image"], [2, 0])
    assert facts["stage_load"][0] == pytest.approx(0.6)
    assert np.isnan(facts["stage_load"][1])
    assert (facts["workers"], facts["worker_load"]) == (["fit-0", "fit-1"], [0.5, 0.7])
    assert (facts["worker_tags"], facts["worker_last_event"]) == (["debug, gpu", ""], [88, -1])


def test_progress_is_a_part_of_what_is_planned() -> None:
    facts = facts_of(REPORT, {})
    assert (facts["completed"], facts["total"], facts["progress"]) == (90 - 15, 120, pytest.approx(62.5))
    without_end = replace(REPORT, joins={"scan": JoinReport(formed=90, planned=None, unformed=0, partial=0)})
    facts = facts_of(without_end, {})
    assert (facts["total"], facts["progress"]) == (None, None)


@pytest.mark.parametrize(
    ("phase", "changes", "allowed", "is_then"),
    [
        ("processing", {}, [], "RUNNING"),
        ("waiting", {}, [], "ON"),
        ("initialised", {}, [], "INIT"),
        ("initialised", {"outcome": ""}, ["arm"], "STANDBY"),
        ("finishing", {}, [], "RUNNING"),
        ("degraded", {}, [], "ALARM"),
        ("fault", {}, [], "FAULT"),
        ("stopped", {"outcome": "finished"}, ["arm"], "STANDBY"),
        ("stopped", {"outcome": "finished"}, [], "OFF"),
        ("stopped", {"outcome": "failed", "reasons": ["fit: division by zero"]}, ["arm"], "FAULT"),
        ("processing", {"alarms": [AlarmReport(name="hot", level="warning", state="raised")]}, [], "ALARM"),
        ("processing", {"alarms": [AlarmReport(name="hot", level="warning", state="returned")]}, [], "RUNNING"),
        ("something new", {}, [], "UNKNOWN"),
    ],
)
def test_states(phase: str, changes: dict[str, Any], allowed: list[str], is_then: str) -> None:
    report: RunReport = replace(REPORT, **changes)
    state, text = state_of(report, {"state": phase, "allowed": allowed})
    assert state == is_then
    assert text.startswith(f"analysis, run r1: {phase}")
    assert all(reason in text for reason in report.reasons)


def test_a_line_says_each_thing_once_and_names_no_run_before_the_first() -> None:
    why = "scan: 1 planned events never formed"
    stopped = StateReport(name="analysis", kind="pipeline", state="stopped", since_s=1.0, why=why)
    report = replace(REPORT, outcome="incomplete", reasons=[why], states=[stopped])
    assert state_of(report, {"state": "stopped"})[1] == f"analysis, run r1: stopped, incomplete; {why}"
    status = {"pipeline": "analysis", "run": "", "state": "initialised", "allowed": ["arm"], "states": []}
    assert state_of(report_before(status), status)[1] == "analysis: initialised"
