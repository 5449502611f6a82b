"""What Prometheus reads: every number of a report under its name, exactly; and the page that lists the names."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from penstock.monitor.report import (
    AlarmReport,
    EdgeReport,
    FilesReport,
    JoinReport,
    LatencyReport,
    PoolReport,
    ProcessReport,
    StaffReport,
    StateReport,
    StepReport,
    books_of_nothing,
)
from penstock.web.metrics import METRICS, STATES, exposition

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "metrics.md").read_text()
ROW = re.compile(r"^\| `(penstock_\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
EXACT = (1 << 53) - 1
LATENCY = LatencyReport(count=4, p50_s=0.25, p99_s=0.5, max_s=0.75, sum_s=1.5)


def full_report() -> Any:
    edge = EdgeReport(
        producer='a "quoted"\n', consumer="b", arrived=EXACT, accounts={"done": EXACT - 5, "dropped": 3}, in_flight=2,
        counters={"gaps": 4}, rate_per_s=1.0, remarks=[], loss=3, latency=LATENCY, waiting=1, capacity=1000,
    )  # fmt: skip
    step = StepReport(
        stage="fit", step="peak", arrived=9, filtered=1, failed=2, rate_per_s=1.0, mean_s=0.001, max_s=0.002,
        waiting=3, capacity=7,
    )  # fmt: skip
    report = msgspec.structs.replace(
        books_of_nothing("demo", "r1"),
        started="2026-11-26T12:00:00.500000000Z",
        duration_s=12.5,
        edges=[edge],
        joins={"scan": JoinReport(formed=5, planned=10, unformed=0, partial=1)},
        latencies={"fit": LATENCY},
        pools=[PoolReport(name="a", slots=8, slot_bytes=100, free=3)],
        steps=[step],
        states=[
            StateReport(name="fit-0", kind="worker", state="fault", of="fit"),
            StateReport(name="plain-0", kind="worker", state="stopped", of="plain"),
            StateReport(name="plain-1", kind="worker", state="processing", of="plain"),
        ],
        staffs=[StaffReport(stage="fit", workers=2, coming=1, least=1, most=4, busy=0.5, waiting=7)],
        files=[FilesReport(name="files", waiting=2, done=3, items=30)],
        outputs={"file": "r1.h5"},
        alarms=[AlarmReport(name="hot", level="error", state="raised", times=3, muted_until="2026-11-26T13:00:00Z")],
        feedback_count=5,
        processes=[ProcessReport(name="fit-0", role="map", pid=7, cpu_s=1.25, private_bytes=10, max_rss_bytes=20)],
        machinery=[ProcessReport(name="convert", role="program", pid=pid, cpu_s=0.5) for pid in (8, 9)],
        notice_counts={"alarm": 2, "unkept": 1},
    )
    return msgspec.to_builtins(report)


STREAMS = {
    "streams": [{"address": "b/s/run", "count": 5, "removed": 2, "missing": 1, "nbytes": 9, "last_ns": 1_500_000_000}],
    "groups": [
        {"address": "b/s/run", "name": "fit", "lag": 4, "in_flight": 3, "dead": 1, "acknowledged": 9, "redelivered": 2,
         "members": [{}, {}]},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def families() -> dict[str, Any]:
    text, content_type = exposition(full_report(), STREAMS)
    assert content_type.startswith("text/plain")
    return {family.name: family for family in text_string_to_metric_families(text.decode())}


def value(families: dict[str, Any], sample: str, **labels: str) -> float:
    found = [s.value for family in families.values() for s in family.samples if s.name == sample and s.labels == labels]
    assert len(found) == 1, (sample, labels)
    return float(found[0])


def test_everything_that_is_declared_is_there_with_its_type_and_labels(families: dict[str, Any]) -> None:
    for metric in METRICS:
        family = families[metric.name]
        assert family.type == metric.kind
        assert family.samples, f"the report of this test has nothing for {metric.name}"
        for sample in family.samples:
            assert set(sample.labels) - {"quantile"} == set(metric.labels)


def test_counters_are_exact_and_end_as_prometheus_wants(families: dict[str, Any]) -> None:
    edge = {"producer": 'a "quoted"\n', "consumer": "b"}
    assert int(value(families, "penstock_edge_arrived_total", **edge)) == EXACT
    assert int(value(families, "penstock_edge_ended_total", **edge, account="done")) == EXACT - 5
    assert value(families, "penstock_edge_irregular_total", **edge, what="gaps") == 4
    assert value(families, "penstock_process_cpu_seconds_total", process="fit-0", role="map") == 1.25
    assert value(families, "penstock_notices_total", level="alarm") == 2
    assert value(families, "penstock_run_start_time_seconds") == 1795694400


def test_a_latency_is_a_summary(families: dict[str, Any]) -> None:
    name = "penstock_stage_latency_seconds"
    assert value(families, f"{name}_count", stage="fit") == 4
    assert value(families, f"{name}_sum", stage="fit") == 1.5
    assert value(families, name, stage="fit", quantile="0.99") == 0.5


def test_of_a_state_one_is_1_and_the_others_0(families: dict[str, Any]) -> None:
    labels = {"kind": "worker", "name": "fit-0", "of": "fit"}
    assert [value(families, "penstock_state", **labels, state=state) for state in STATES] == [0, 0, 0, 0, 0, 0, 1]


def test_workers_files_and_alarms_are_counted(families: dict[str, Any]) -> None:
    assert value(families, "penstock_stage_workers", stage="fit") == 2
    assert value(families, "penstock_stage_workers", stage="plain") == 1
    assert value(families, "penstock_stage_workers_limit", stage="fit", bound="most") == 4
    assert value(families, "penstock_files", reader="files", state="done") == 3
    assert value(families, "penstock_files_items_total", reader="files") == 30
    assert value(families, "penstock_output_info", sink="file", path="r1.h5") == 1
    hot = {"alarm": "hot", "level": "error"}
    states = ("normal", "raised", "acknowledged", "returned")
    assert [value(families, "penstock_alarm_state", **hot, state=state) for state in states] == [0, 1, 0, 0]
    assert value(families, "penstock_alarm_raised_total", **hot) == 3
    assert value(families, "penstock_alarm_muted", **hot) == 1
    assert value(families, "penstock_feedback_total") == 5


def test_streams_and_their_groups_are_counted(families: dict[str, Any]) -> None:
    assert value(families, "penstock_stream_messages_total", stream="b/s/run") == 7
    assert value(families, "penstock_stream_last_time_seconds", stream="b/s/run") == 1.5
    assert value(families, "penstock_group_lag_messages", stream="b/s/run", group="fit") == 4
    assert value(families, "penstock_group_members", stream="b/s/run", group="fit") == 2


def test_two_programs_of_one_name_are_two_series(families: dict[str, Any]) -> None:
    names = {s.labels["process"] for s in families["penstock_process_cpu_seconds"].samples}
    assert names == {"fit-0", "convert", "convert-9"}


def test_without_a_run_there_are_names_and_no_numbers() -> None:
    found = list(text_string_to_metric_families(exposition(None)[0].decode()))
    assert {family.name for family in found} == {metric.name for metric in METRICS}
    assert not any(family.samples for family in found)


def test_the_page_lists_every_metric_with_type_and_labels_and_no_other() -> None:
    listed = {row[1]: (row[2], tuple(re.findall(r"`(\w+)`", row[3])), row[4].strip()) for row in ROW.finditer(PAGE)}
    declared = {
        metric.name + ("_total" if metric.kind == "counter" else ""): (metric.kind, metric.labels, metric.help)
        for metric in METRICS
    }
    assert listed == declared
