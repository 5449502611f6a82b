"""How states, notices, processes, delays and rates are printed."""

import io

import msgspec
import pytest
from rich.console import Console, RenderableType

from penstock.cli.top import TABLES, screen
from penstock.core.feedback import Feedback
from penstock.monitor.delay_table import Passage, delay_table, passages, rate_table
from penstock.monitor.edge_table import process_table
from penstock.monitor.notice_table import notice_line, notice_table
from penstock.monitor.report import (
    EdgeReport,
    FilesReport,
    LatencyReport,
    NoticeReport,
    ProcessReport,
    ProgressReport,
    RunReport,
    StaffReport,
    StateReport,
    StepReport,
    books_of_nothing,
)
from penstock.monitor.staff_table import staff_table
from penstock.monitor.state_table import state_table

NOTICES = [
    NoticeReport(time="2026-11-26T12:00:00.123456789Z", level="log", source="", text="begins"),
    NoticeReport(
        time="2026-11-26T12:00:01.500000000Z", level="alarm", source="fit-0", text="too hot", code=7, times=1295,
        values={"at": 3, "K": 81.23456789},
    ),
]  # fmt: skip


def edge(producer: str, consumer: str, arrived: int, latency: LatencyReport | None = None) -> EdgeReport:
    return EdgeReport(
        producer=producer, consumer=consumer, arrived=arrived, accounts={}, in_flight=arrived, counters={},
        rate_per_s=arrived / 10, remarks=[], recent_per_s=arrived / 5, latency=latency,
    )  # fmt: skip


def printed(table: RenderableType, width: int = 100) -> list[list[str]]:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return [line.split() for line in console.file.getvalue().splitlines() if line.strip() and "─" not in line]


@pytest.fixture
def report() -> RunReport:
    latency = LatencyReport(count=4, p50_s=0.25, p99_s=0.5, max_s=0.75, sum_s=2.0)
    states = [
        StateReport(name="demo", kind="pipeline", state="degraded", since_s=75),
        StateReport(name="fit", kind="stage", state="degraded", since_s=3),
        StateReport(name="fit-0", kind="worker", state="fault", of="fit", why="died 6 times in 60 s", since_s=3),
        *(StateReport(name=f"fit-{k}", kind="worker", state="processing", of="fit") for k in range(1, 9)),
        StateReport(name="fit-9", kind="worker", state="waiting", of="fit"),
        StateReport(name="out", kind="sink", state="waiting", why="held"),
    ]
    return msgspec.structs.replace(
        books_of_nothing("demo", "r"),
        edges=[edge("instrument", "names", 5), edge("names", "open", 5, latency), edge("open", "fit", 500)],
        steps=[StepReport(stage="fit", step="peak", arrived=500, filtered=0, failed=0, rate_per_s=50, mean_s=0.002,
                          max_s=0.01)],
        latencies={"fit": latency},
        states=states,
        notices=NOTICES,
        progress=ProgressReport(formed=5, completed=4, total=8, is_over=False),
        feedback=[
            Feedback(action="next", reason="enough", run="r", event=number, number=number, time_ns=0, who="fit")
            for number in (1, 2)
        ],
        feedback_count=2,
        notice_counts={"log": 1, "alarm": 1295},
        processes=[ProcessReport(name="fit-0", role="map", pid=7, cpu_s=12.0, private_bytes=2_000_000, cpu_share=0.5)],
        files=[FilesReport(name="open", waiting=2, done=3, items=500)],
        staffs=[
            StaffReport(stage="fit", workers=3, coming=2, least=1, most=8, busy=0.98, waiting=5400, why="98% busy"),
            StaffReport(stage="look", workers=1, coming=0, least=1, most=4, pinned=1),
        ],
        machinery=[ProcessReport(name="web", role="web", pid=8, state="", cpu_s=1.0, deaths=0)],
    )  # fmt: skip


def test_how_many_workers_there_are_and_why(report: RunReport) -> None:
    assert printed(staff_table(report))[1:] == [
        ["fit", "3", "+", "2", "1–8", "98%", "5,400", "98%", "busy"],
        ["look", "1", "at", "1", "0%", "0", "none"],
    ]


def test_workers_in_one_state_stand_together_and_who_has_something_to_say_alone(report: RunReport) -> None:
    assert printed(state_table(report)) == [
        ["what", "state", "since", "why"],
        ["demo", "pipeline", "degraded", "1", "min"],
        ["fit", "stage", "degraded", "3", "s"],
        ["fit-0", "worker", "fault", "3", "s", "died", "6", "times", "in", "60", "s"],
        ["8", "of", "10", "workers", "processing", "0", "s"],
        ["fit-9", "worker", "waiting", "0", "s"],
        ["out", "sink", "waiting", "0", "s", "held"],
    ]


def test_notices_show_when_who_what_and_how_often(report: RunReport) -> None:
    assert printed(notice_table(report)) == [
        ["time", "level", "source", "notices", "(1", "log,", "1,295", "alarm)"],
        ["12:00:00.1", "log", "begins"],
        ["12:00:01.5", "alarm", "fit-0", "too", "hot", "[7]", "at=3", "K=81.2346", "(×1,295)"],
    ]
    assert notice_line(NOTICES[1]) == "12:00:01.5 alarm fit-0: too hot [7] at=3 K=81.2346 (×1,295)"


def test_processes_show_what_they_use_now_those_around_the_pipeline_too(report: RunReport) -> None:
    assert printed(process_table(report)) == [
        ["process", "state", "cpu", "used", "memory", "deaths"],
        ["fit-0", "waiting", "50", "%", "12.0", "s", "2", "MB", "·"],
        ["web", "·", "0", "%", "1.0", "s", "0", "MB", "·"],
    ]


def test_delays_of_edges_calls_and_results(report: RunReport) -> None:
    assert printed(delay_table(report)) == [
        ["delay", "count", "mean", "p50", "p99", "max"],
        ["names", "→", "open", "4", "500", "ms", "250", "ms", "500", "ms", "750", "ms"],
        ["fit.peak,", "a", "call", "500", "2", "ms", "·", "·", "10", "ms"],
        ["first", "message", "→", "result", "of", "fit", "4", "500", "ms", "250", "ms", "500", "ms", "750", "ms"],
    ]


def test_rates_of_files_and_of_what_is_in_them(report: RunReport) -> None:
    assert list(passages(report)) == [
        Passage("names", 5, 1.0, 0.5, 1.0),
        Passage("open", 5, 1.0, 0.5, 100.0),
        Passage("fit", 500, 100.0, 50.0, None),
    ]
    assert printed(rate_table(report))[2] == ["open", "5", "1", "0.5", "100"]


@pytest.mark.parametrize("width", [80, 140])
def test_the_screen_fits_and_one_table_can_be_had_alone(report: RunReport, width: int) -> None:
    def text(only: str) -> str:
        console = Console(file=io.StringIO(), width=width)
        console.print(screen(report, width, "http://here", only))
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()

    assert all(len(line) <= width for line in text("").splitlines())
    for word in ("names → open", "fit.peak", "died 6 times", "too hot", "web", "3 of 5 files"):
        assert word in text("")
    _, alarm, progress, feedback, *_ = text("").splitlines()
    assert "too hot" in alarm, "an alarm is seen in the lowest terminal"
    assert progress.startswith("progress: 4 of 8 through")
    assert feedback.endswith("fit, event 2: next: enough"), "the newest one"
    firsts = {"delays": "delay", "rates": "rate", "edges": "edge", "steps": "step", "processes": "process",
              "workers": "workers"}  # fmt: skip
    for only in TABLES:
        headings = [line.split()[0] for line in text(only).splitlines()[1:] if line.strip() and "─" not in line]
        assert headings[0] == firsts.get(only, headings[0])
        assert ("too hot" in text(only)) == (only == "notices")
