"""What user code says back to the scan, from every kind of process of every engine, kept exactly once."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from penstock.monitor.report import RunReport
from penstock.pipeline import Join, Map, Pipeline, Reduce, Source, Steps, Use
from penstock.testing import engine_cases as cases
from tests.system import feeding_back as code


def joined(measure: Any, n: int, reduce: Any = code.Enough, **arguments: Any) -> Pipeline:
    return Pipeline(
        name="saying",
        sources={"left": Source(cases.Frames, n=n), "right": Source(cases.Frames, n=n)},
        events={"scan": Join("left", "right", by="order")},
        stages={
            "measure": Map(measure, source="scan", workers=2, **arguments),
            "sum": Reduce(reduce, source="measure"),
        },
    )


@pytest.mark.parametrize("engine", ["inline", "local"])
@pytest.mark.parametrize("measure", [code.tenth, code.Batches])
def test_workers_and_reducers_say_back_which_event_it_is_about(engine: str, measure: Any) -> None:
    report: RunReport = joined(measure, 40).run(engine)
    assert report.outcome == "finished"
    said = {(each.who, each.action, each.event) for each in report.feedback}
    about = {("measure", "next", number) for number in (0, 10, 20, 30)}
    assert said == {*about, ("sum", "stop", 25), ("sum", "sum is complete", None)}
    assert (
        sorted(each.number for each in report.feedback)
        == list(range(1, 7))
        == list(range(1, report.feedback_count + 1))
    )
    assert {each.run for each in report.feedback} == {report.run}
    (stop,) = [each for each in report.feedback if each.action == "stop"]
    assert stop.reason == "25 are enough"


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_a_step_says_back_which_message_it_is_about(engine: str) -> None:
    pipeline = Pipeline(
        sources={"left": Source(cases.Frames, n=5)}, stages={"watch": Steps(code.stepped, source="left")}
    )
    report: RunReport = pipeline.run(engine)
    assert [(each.who, each.action) for each in report.feedback] == [("watch", "stepped")] * 5
    assert len({each.event for each in report.feedback}) == 5
    assert None not in {each.event for each in report.feedback}


def test_threads_tasks_and_processes_of_chains_say_back_in_the_name_of_their_stage() -> None:
    pipeline = Pipeline(
        sources={"n": Source(code.numbers, n=6)},
        stages={
            "first": Steps(code.called, source="n"),
            "second": Steps(code.called, source="first"),
            "tasks": Steps(code.awaited, source="second", workers=2, run_in="thread"),
            "far": Steps(code.worked, source="tasks", workers=2, run_in="process"),
        },
    )
    with pipeline.start("chains") as run:
        report = run.wait(60)
        said = run.feedback()
    assert report.outcome == "finished"
    assert [each.number for each in said] == list(range(1, 25))
    assert Counter((each.who, each.action) for each in said) == dict.fromkeys(
        [("first", "called"), ("second", "called"), ("tasks", "awaited"), ("far", "worked")], 6
    )


def test_what_a_worker_has_said_that_is_killed_counts_once(tmp_path: Path) -> None:
    with joined(code.Dying, 60, cases.Sum, mark=str(tmp_path / "dead"), at=31).start("local") as run:
        report = run.wait(60)
        said = run.feedback()
    assert (report.outcome, sum(process.deaths for process in report.processes)) == ("finished", 1)
    assert sorted(each.event for each in said if each.event is not None) == list(range(60))
    assert len(said) == 60


def test_what_a_worker_of_a_chain_has_said_that_is_killed_counts_once(tmp_path: Path) -> None:
    dying = Use(code.DyingStep, mark=str(tmp_path / "dead"), at=31)
    step = Steps(dying, source="n", workers=2, run_in="process", on_error="retry")
    with Pipeline(sources={"n": Source(code.numbers, n=60)}, stages={"far": step}).start("chains") as run:
        report = run.wait(60)
        said = run.feedback()
    assert (report.outcome, (tmp_path / "dead").exists()) == ("finished", True)
    assert Counter(each.reason for each in said) == {str(k): 1 for k in range(60)}
