"""How steps and queues are printed."""

import io

import msgspec
import pytest
from rich.console import Console, RenderableType

from penstock.monitor.edge_table import edge_table
from penstock.monitor.report import EdgeReport, RunReport, StepReport, books_of_nothing
from penstock.monitor.step_table import step_table

STEPS = [
    StepReport(stage="a", step="scaled", arrived=10, filtered=3, failed=0, rate_per_s=5.0, mean_s=2.5e-7, max_s=0.012,
               recent_per_s=1234.4),
    StepReport(stage="a", step="pairs", arrived=7, filtered=0, failed=2, rate_per_s=0.25, waiting=12, capacity=1000),
]  # fmt: skip


def printed(table: RenderableType) -> list[list[str]]:
    console = Console(file=io.StringIO(), width=100)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return [line.split() for line in console.file.getvalue().splitlines() if line.strip() and "─" not in line]


@pytest.fixture
def report() -> RunReport:
    return msgspec.structs.replace(books_of_nothing("p", "r"), steps=STEPS)


def test_steps_of_a_run_that_goes_on(report: RunReport) -> None:
    assert printed(step_table(report)) == [
        ["step", "in/s", "mean", "max", "filtered", "failed", "waiting"],
        ["a.scaled", "1,234", "250", "ns", "12", "ms", "3", "·"],
        ["a.pairs", "·", "·", "·", "·", "2", "12", "of", "1,000"],
    ]


def test_steps_of_a_run_that_has_ended(report: RunReport) -> None:
    assert printed(step_table(msgspec.structs.replace(report, outcome="finished"))) == [
        ["step", "in/s", "mean", "max", "filtered", "failed"],
        ["a.scaled", "5", "250", "ns", "12", "ms", "3", "·"],
        ["a.pairs", "0.25", "·", "·", "·", "2"],
    ]


def test_a_queue_is_shown_with_its_bound(report: RunReport) -> None:
    edge = EdgeReport(
        producer="a", consumer="b", arrived=20, accounts={}, in_flight=20, counters={}, rate_per_s=1.0, remarks=[],
        waiting=15, capacity=1000,
    )  # fmt: skip
    bare = msgspec.structs.replace(edge, waiting=0, capacity=0)
    rows = printed(edge_table(msgspec.structs.replace(report, edges=[edge, bare]), 100))
    assert [row[5:] for row in rows[1:]] == [["15", "of", "1,000", "·", "·", "·"], ["20", "·", "·", "·"]]
