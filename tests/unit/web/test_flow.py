"""The graph of a pipeline over HTTP, with what a report says of it."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from penstock import Event
from penstock.monitor.report import EdgeReport, FilesReport, ProcessReport, StateReport, books_of_nothing
from penstock.pipeline import Join, Map, Pipeline, Reduce, Sink, Source
from penstock.pipeline.flow_plan import FlowPlan, PlannedLink, flow_plan
from penstock.web.flow import FileRates, flow_of
from penstock.web.shown_views import ShownViews
from tests.system import controlled
from tests.unit.web.shown import NOTICE, FakeLine, application, ask, detail, published

BOOKS = {
    ("instrument", "camera"): 5, ("camera", "scan"): 5, ("motor", "scan"): 5, ("scan", "fit"): 5, ("fit", "sum"): 4,
}  # fmt: skip
FAILURE = {"stage": "fit", "event": 3, "cause": "ValueError: no", "traceback": "Traceback\n  here"}
STATES = [
    StateReport(name="demo", kind="pipeline", state="degraded"),
    StateReport(name="fit", kind="stage", state="degraded", why="one is new", since_s=2.0),
    StateReport(name="fit-0", kind="worker", state="processing", of="fit"),
]
REPORT = msgspec.structs.replace(
    books_of_nothing("demo", "r1"),
    edges=[
        EdgeReport(producer=a, consumer=b, arrived=n, accounts={"done": n}, in_flight=0, counters={}, rate_per_s=1.0,
                   remarks=["late: message 4"] if b == "fit" else [])
        for (a, b), n in BOOKS.items()
    ],
    states=STATES,
    processes=[ProcessReport(name="fit-0", role="map", pid=4, cpu_share=0.5, private_bytes=10, deaths=1)],
    failures=[FAILURE, {**FAILURE, "stage": "sum"}],
    dead_letters=[FAILURE],
    files=[FilesReport(name="camera", read=1, done=2)],
)  # fmt: skip


def measured(event: Event) -> dict[str, Any]:
    return {"number": event.number}


@pytest.fixture
def views() -> Iterator[ShownViews]:
    with published() as (_, found):
        yield found


@pytest.fixture(scope="module")
def plan() -> FlowPlan:
    pipeline = Pipeline(
        name="demo",
        sources={name: Source(controlled.Paced, rate=1, gate="x") for name in ("camera", "motor")},
        events={"scan": Join("camera", "motor", by="order")},
        stages={
            "fit": Map(measured, source="scan", workers=2),
            "sum": Reduce(controlled.Weights, source="fit"),
        },
        sinks={"file": Sink("hdf5", source="sum", path="x.h5")},
    )
    return flow_plan(pipeline.plan())


class Line(FakeLine):
    async def report(self) -> Any:
        return msgspec.to_builtins(REPORT)


def test_a_plan_is_rooms_in_the_order_of_the_flow_and_links(plan: FlowPlan) -> None:
    kinds = {each.name: each.kind for each in plan.rooms}
    assert kinds == {
        "camera": "source", "motor": "source", "scan": "join", "fit": "map", "sum": "reduce", "file": "sink",
    }  # fmt: skip
    assert PlannedLink(producer="sum", consumer="file") in plan.links
    assert len(plan.links) == 5
    assert plan.rooms[3].says[0] == "map ×2"


def test_rooms_have_state_and_load_and_edges_their_books(plan: FlowPlan, views: ShownViews) -> None:
    found = ask(application(views, Line(), flow=plan), "GET", "flow").json()
    assert (found["run"], found["outcome"], found["bottleneck"]) == ("r1", "running", None)
    rooms = {each["name"]: each for each in found["rooms"]}
    fit = rooms["fit"]
    assert (fit["state"], fit["why"], fit["workers"], fit["failures"]) == ("degraded", "one is new", 1, 1)
    assert (fit["load"]["cpu_share"], fit["load"]["private_bytes"], fit["load"]["deaths"]) == (0.5, 10, 1)
    assert {(each["producer"], each["consumer"]): each["arrived"] for each in found["edges"]} == {
        **BOOKS, ("sum", "file"): 0,
    }  # fmt: skip
    rates = {each["name"]: each for each in found["rates"]}
    assert (rates["camera"]["files"], rates["camera"]["files_per_s"], rates["fit"]["files"]) == (3, None, None)
    assert rates["fit"]["gave_per_item"] == 0.8


def test_more_errors_are_counted_than_are_kept(plan: FlowPlan) -> None:
    edges = [
        msgspec.structs.replace(each, accounts={"done": 1, "failed": 2, "dead-lettered": 3, "late": 4})
        if each.consumer == "fit" else each
        for each in REPORT.edges
    ]  # fmt: skip
    found = flow_of(plan, msgspec.structs.replace(REPORT, edges=edges))
    assert {each.name: each.failures for each in found.rooms if each.failures} == {"fit": 5, "sum": 1}


def test_of_a_room_its_failures_with_traceback_and_what_it_said(plan: FlowPlan, views: ShownViews) -> None:
    app = application(views, Line(), flow=plan)
    found = ask(app, "GET", "flow/fit").json()
    assert found["failures"] == [FAILURE]
    assert [each["name"] for each in found["workers"]] == [each["name"] for each in found["processes"]] == ["fit-0"]
    assert found["notices"] == [NOTICE]
    assert found["remarks"] == ["scan → fit: late: message 4"]
    assert ask(app, "GET", "flow/camera").json()["notices"] == []
    missing = ask(app, "GET", "flow/fits")
    assert missing.status_code == 404
    assert "there are camera, motor, scan, fit, sum, file" in detail(missing)


def test_before_a_run_there_is_the_graph_alone(plan: FlowPlan) -> None:
    found = flow_of(plan, None)
    assert [each.name for each in found.rooms] == [each.name for each in plan.rooms]
    assert {(each.producer, each.arrived) for each in found.edges} >= {("camera", 0), ("sum", 0)}
    assert (found.outcome, found.rates, found.delays) == ("", [], [])


def test_files_in_a_second_are_those_of_the_last_half_minute() -> None:
    rates = FileRates()
    said = [rates.note(float(now), {"in": min(now, 20)})["in"] for now in range(0, 61, 10)]
    assert said == [None, 1.0, 1.0, pytest.approx(2 / 3), pytest.approx(1 / 3), 0.0, 0.0]
