"""The runs that a program has served: listed, with the reports that fit."""

import pytest

from penstock.errors import ServiceError, StateError
from penstock.services.served_runs import MOST_REPORT_BYTES, MOST_RUNS, ServedRuns


def test_a_report_is_there_when_the_run_has_ended() -> None:
    runs = ServedRuns()
    with pytest.raises(ServiceError, match="those of none"):
        runs.report("r1")
    runs.begin("r1", "rings", "then")
    with pytest.raises(StateError, match="goes on"):
        runs.report("r1")
    runs.finish("failed", 1.5, b"{}")
    assert bytes(runs.report("r1")) == b"{}"
    assert runs.listed() == [
        {"run": "r1", "pipeline": "rings", "outcome": "failed", "began": "then", "duration_s": 1.5, "kept": True}
    ]


def test_of_two_with_one_name_the_newer_one_is_told_and_listed() -> None:
    runs = ServedRuns()
    for report in (b"1", b"2"):
        runs.begin("r1", "rings", "")
        runs.finish("finished", 1.0, report)
    assert bytes(runs.report("r1")) == b"2"
    assert [each["run"] for each in runs.listed()] == ["r1"]


def test_reports_and_runs_are_bounded_and_the_newest_report_stays_however_large() -> None:
    runs = ServedRuns()
    large = b" " * (MOST_REPORT_BYTES // 2)
    for k in range(3):
        runs.begin(f"r{k}", "rings", "")
        runs.finish("finished", 1.0, large)
    assert [each["kept"] for each in runs.listed()] == [False, True, True]
    runs.begin("huge", "rings", "")
    runs.finish("finished", 1.0, large * 3)
    assert [each["run"] for each in runs.listed() if each["kept"]] == ["huge"]
    for k in range(MOST_RUNS):
        runs.begin(f"s{k}", "rings", "")
    assert len(runs.listed()) == MOST_RUNS
