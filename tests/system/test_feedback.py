"""What user code says back to the scan, from every kind of process of every engine, kept exactly once."""

import json
import re
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from websockets.sync.client import connect as connect_socket

from penstock.client import connect
from penstock.core.command import Command
from penstock.errors import StateError
from penstock.monitor.report import RunReport
from penstock.pipeline import Join, Map, Pipeline, Reduce, Source, Steps, Use
from penstock.services.control_call import call
from penstock.testing import engine_cases as cases
from tests.system import feeding_back as code
from tests.system.commands import COMMAND, LONGEST_S, started
from tests.system.test_web import until

ROOT = Path(__file__).parents[2]


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
    progress = report.progress
    assert progress is not None
    assert (progress.formed, progress.completed, progress.is_over, progress.lost) == (60, 60, True, 0)
    load = {each.worker: each.deaths for each in report.load}
    assert (set(load), sum(load.values())) == ({"measure-0", "measure-1", "sum-0"}, 1)


def test_what_a_reducer_has_said_that_is_killed_counts_once(tmp_path: Path) -> None:
    dying = Use(code.DyingSum, mark=str(tmp_path / "dead"))
    with joined(cases.number, 60, dying).start("local") as run:
        report = run.wait(60)
        said = run.feedback()
    assert (report.outcome, (tmp_path / "dead").exists()) == ("finished", True)
    assert [(each.action, each.event) for each in said] == [("stop", 25), ("sum is complete", None)]


def test_what_a_worker_of_a_chain_has_said_that_is_killed_counts_once(tmp_path: Path) -> None:
    dying = Use(code.DyingStep, mark=str(tmp_path / "dead"), at=31)
    step = Steps(dying, source="n", workers=2, run_in="process", on_error="retry")
    with Pipeline(sources={"n": Source(code.numbers, n=60)}, stages={"far": step}).start("chains") as run:
        report = run.wait(60)
        said = run.feedback()
    assert (report.outcome, (tmp_path / "dead").exists()) == ("finished", True)
    assert Counter(each.reason for each in said) == {str(k): 1 for k in range(60)}


FILE = """\
name: wishing
sources: {ticks: {use: "tests.system.feeding_back:ticks"}}
stages: {wish: {from: ticks, steps: ["tests.system.feeding_back:OnWish"]}}
serve: {http: 0}
control: {zmq: "tcp://127.0.0.1:0"}
"""


def test_whoever_waits_for_it_hears_it_at_once_by_every_door(tmp_path: Path) -> None:
    (tmp_path / "wishing.yaml").write_text(FILE)
    with started("run", "wishing.yaml", folder=tmp_path, environ={"PYTHONPATH": str(ROOT)}) as process:
        commands = process.line("commands: ").split()[-1]
        address = process.line("views: ").split()[-1]
        with connect(address) as run, connect_socket(f"{address.replace('http', 'ws')}/api/v1/changes") as follower:
            assert (run.feedback(), run.feedback(wait_s=0.05)) == ([], [])
            follower.send(json.dumps({"feedback": 0}))
            with ThreadPoolExecutor() as threads:
                listening = [
                    threads.submit(run.feedback, wait_s=20, run=run.run),
                    threads.submit(lambda: httpx.get(f"{address}/api/v1/feedback?wait_s=20", timeout=30).json()),
                    threads.submit(
                        call, commands, Command(name="feedback", id="f1", arguments={"wait_s": 20.0}), patience_s=30
                    ),
                ]
                run.parameters.word = "stop"
                mine, by_http, by_zmq = [each.result(30) for each in listening]
            (said,) = mine
            assert (said.action, said.reason, said.who, said.number, said.run) == (
                "stop",
                "as wished",
                "wish",
                1,
                run.run,
            )
            assert by_http == by_zmq.body == [msgspec.to_builtins(said)]
            assert by_zmq.text == f"1 wish, event {said.event}: stop: as wished"
            assert json.loads(follower.recv(20)) == {"feedback": msgspec.to_builtins(said)}
            run.parameters.word = "next"
            assert [each.action for each in run.feedback(1, 20)] == ["next"]
            assert json.loads(follower.recv(20))["feedback"]["action"] == "next"
            assert run.command("feedback", after=1).body == msgspec.to_builtins(run.feedback(1))
            assert [each["action"] for each in run.status["feedback"]] == ["stop", "next"]
            told = subprocess.run(
                [*COMMAND, "ctl", commands, "feedback", "after=1"],
                capture_output=True, text=True, timeout=LONGEST_S, check=True,
            )  # fmt: skip
            assert re.fullmatch(r"2 \d\d:\d\d:\d\d wish, event \d+: next: as wished\n", told.stdout)
            with pytest.raises(StateError, match="the run other is over"):
                run.feedback(run="other")
            with ThreadPoolExecutor() as threads:
                wish = Command(name="feedback", id="f2", arguments={"after": 2, "wait_s": 20.0})
                last = threads.submit(call, commands, wish, patience_s=30)
                until(lambda: run.states["commands"]["received"] >= 3)
                run.stop()
                assert last.result(30).body == []
