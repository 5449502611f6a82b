"""How far a run is and how busy its workers are, out of reports that are made up."""

from typing import Any

import msgspec

from penstock.monitor.progress import load_of, progress_of
from penstock.monitor.report import (
    EdgeReport,
    JoinReport,
    ProcessReport,
    ProgressReport,
    RunReport,
    StateReport,
    books_of_nothing,
)


def edge(producer: str, consumer: str, arrived: int, in_flight: int = 0, loss: int = 0) -> EdgeReport:
    return EdgeReport(
        producer=producer, consumer=consumer, arrived=arrived, accounts={}, in_flight=in_flight, counters={},
        rate_per_s=0.0, remarks=[], loss=loss,
    )  # fmt: skip


def report(*edges: EdgeReport, **parts: Any) -> RunReport:
    return msgspec.structs.replace(books_of_nothing("demo", "r1"), edges=list(edges), **parts)


def test_an_event_is_through_when_nothing_of_it_is_under_way_on_the_fullest_way() -> None:
    found = progress_of(
        report(
            edge("left", "scan", 50, 10),
            edge("right", "scan", 40),
            edge("scan", "fit", 40, 6),
            edge("scan", "raw", 40, 9),
            edge("fit", "sum", 34, 5, loss=2),
            edge("sum", "file", 29),
            joins={"scan": JoinReport(formed=40, planned=100, unformed=0, partial=0)},
        )
    )
    assert found == ProgressReport(formed=40, completed=29, total=100, is_over=False, lost=2)


def test_without_a_join_items_of_sources_count_and_how_many_there_will_be_is_not_known() -> None:
    found = progress_of(report(edge("n", "add", 12, 3), edge("add", "out", 9, 1), outcome="finished"))
    assert found == ProgressReport(formed=12, completed=8, total=None, is_over=True)


def test_a_map_that_stays_open_plans_no_number() -> None:
    joins = {
        "scan": JoinReport(formed=4, planned=9, unformed=0, partial=0),
        "slow": JoinReport(formed=2, planned=None, unformed=0, partial=0),
    }
    assert progress_of(report(joins=joins)) == ProgressReport(formed=6, completed=6, total=None, is_over=False)


def test_a_report_with_a_circle_is_looked_through_all_the_same() -> None:
    assert progress_of(report(edge("a", "b", 5, 1), edge("b", "a", 5, 1))).formed == 0


def test_the_load_is_that_of_workers_that_are_processes() -> None:
    states = [
        StateReport(name="demo", kind="pipeline", state="processing"),
        StateReport(name="fit", kind="stage", state="processing"),
        StateReport(name="fit-0", kind="worker", state="processing", of="fit"),
        StateReport(name="add-0", kind="worker", state="waiting", of="add"),
    ]
    processes = [
        ProcessReport(name="fit-0", role="map", pid=7, cpu_s=2.5, cpu_share=0.8, deaths=1),
        ProcessReport(name="camera", role="source", pid=8),
    ]
    (found,) = load_of(report(states=states, processes=processes))
    assert (found.worker, found.stage, found.state, found.share, found.cpu_s, found.deaths) == (
        "fit-0", "fit", "processing", 0.8, 2.5, 1,
    )  # fmt: skip
