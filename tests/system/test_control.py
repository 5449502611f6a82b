"""Pipelines that are commanded from outside, by every door, with real processes and sockets."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import zmq

from penstock.client import connect
from penstock.core.command import Command, Reply
from penstock.errors import ServiceError
from penstock.pipeline import Join, Map, Pipeline, Reduce, Source, Steps
from penstock.services.control_call import call
from penstock.services.web_service import WebService
from penstock.wire.control import close_command, open_word
from tests.system import controlled, ticking
from tests.system.commands import COMMAND, LONGEST_S, Process, started
from tests.system.test_web import until

ROOT = Path(__file__).parents[2]
FILE = """\
name: ticking
sources: {ticks: {use: "tests.system.ticking:ticks"}}
stages:
  pair: {from: ticks, steps: [{threshold: {field: value, above: -1}}, "tests.system.ticking:pairs"], run_in: thread}
serve: {http: 0}
control: {zmq: "tcp://127.0.0.1:0"}
"""


@contextmanager
def running(folder: Path, *options: str, **environ: str) -> Iterator[tuple[Process, str, str]]:
    """Run the file; give the process, where its views are and where it takes commands."""
    (folder / "ticking.yaml").write_text(FILE)
    words = ("run", "ticking.yaml", "--report", "report.json", *options)
    with started(*words, folder=folder, environ={"PYTHONPATH": str(ROOT), **environ}) as process:
        commands = process.line("commands: ").split()[-1]
        views = process.line("views: ").split()[-1]
        yield process, views, commands


def ctl(*words: str, folder: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    import os

    return subprocess.run(
        [*COMMAND, "ctl", *words], cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True,
        timeout=LONGEST_S, check=False,
    )  # fmt: skip


def report(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text())


def assert_adds_up(report: Any) -> None:
    for edge in report["edges"]:
        assert edge["arrived"] == sum(edge["accounts"].values()), edge
        assert edge["in_flight"] == 0


def test_an_operator_at_a_terminal(tmp_path: Path) -> None:
    with running(tmp_path, "--stay") as (process, views, commands):
        said = ctl(commands, "status", folder=tmp_path)
        assert said.returncode == 0, said.stderr
        assert said.stdout.splitlines()[0].split()[:2] == ["ticking", "pipeline"]
        assert "allowed now: start, " in said.stdout
        said = ctl(views, "set", "above=20", "--who", "me", folder=tmp_path)
        assert (said.returncode, said.stdout) == (
            0, "pair.threshold.above = 20.0 from what comes next on, revision 1\n",
        ), said.stderr  # fmt: skip

        # The same id does nothing twice, whichever door it comes by, and after the run too.
        drain = Command(name="drain", id="end", who="me", arguments={"reason": "enough"})
        first = call(commands, drain, patience_s=LONGEST_S)
        process.line("the views stay at")
        assert_adds_up(report(tmp_path))
        assert report(tmp_path)["reasons"] == ["enough"]
        with connect(views) as seen:
            again = seen.command("drain", id="end", who="me", reason="enough")
            assert again == first
            late = seen.command("stop")
            assert (late.outcome, late.problem) == ("refused", "state")
            assert late.allowed == ["shutdown", "clean-shutdown", "status", "feedback", "arm"]
            assert seen.command("arm", run="second", values={"above": 5}).is_done
            until(lambda: len(seen.runs) == 2)
            until(lambda: seen.states["run"] == "second")
            assert seen.parameters.above == 5
            told = [(each["door"], each["who"], each["name"], each["outcome"]) for each in seen.commands]
            assert ("http", "me", "set", "done") in told
            assert ("zmq", "me", "drain", "done") in told
            assert told[-1] == ("http", "", "arm", "done")
            assert seen.command("abort", who="me").is_done
            until(lambda: seen.states["state"] == "stopped")
            until(lambda: "arm" in seen.states["allowed"])
            assert seen.command("clean-shutdown", who="me").text == "the program ends"
        ended = process.end()
        assert ended.code == 130, ended.text
        assert_adds_up(report(tmp_path))


def test_floods_and_nonsense_change_nothing(tmp_path: Path) -> None:
    """Ten thousand malformed commands and a flood of good ones, beside a run that goes on."""
    malformed, good = 10_000, 1_000
    with running(tmp_path) as (process, views, commands), connect(views) as seen:
        before = seen.status["steps"][0]["arrived"]
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.linger, socket.rcvtimeo, socket.sndhwm, socket.rcvhwm = 0, int(LONGEST_S * 1000), 0, 0
            socket.connect(commands)
            for k in range(malformed):
                socket.send(b'{"name": 1}' if k % 2 else b"\xff\x00")
            for k in range(good):
                socket.send(close_command(Command(name="status", id=str(k))))
            # Somebody else is heard meanwhile.
            assert call(commands, Command(name="set", id="calm", arguments={"values": {"above": 3}})).is_done
            problems: dict[str, int] = {}
            while sum(problems.values()) < malformed + good:
                word = open_word(socket.recv())
                if isinstance(word, Reply):
                    problems[word.problem] = problems.get(word.problem, 0) + 1
        assert problems["malformed"] == malformed
        assert problems[""] + problems.get("busy", 0) == good
        counts = seen.states["commands"]
        assert counts["malformed"] == malformed
        assert counts["received"] == malformed + good + 1
        assert seen.status["steps"][0]["arrived"] > before + 100
        process.process.send_signal(signal.SIGTERM)
        assert process.end().code == 130
    assert_adds_up(report(tmp_path))


def test_a_token_lets_a_viewer_look_and_an_operator_turn(tmp_path: Path) -> None:
    tokens = {"PENSTOCK_VIEWER_TOKEN": "look", "PENSTOCK_OPERATOR_TOKEN": "turn"}
    with running(tmp_path, "--stay", **tokens) as (process, views, commands):
        with pytest.raises(ServiceError, match="token is needed"):
            connect(views, token="")
        with connect(views, token="look") as seen:
            assert seen.command("status").is_done
            assert seen.command("alarms").text == "no alarms"
            with pytest.raises(ServiceError, match="viewer's"):
                seen.command("stop")
        for token, name, problem in (
            ("", "status", "forbidden"),
            ("look", "status", ""),
            ("look", "stop", "forbidden"),
        ):
            assert call(commands, Command(name=name, id=f"{token}{name}"), token).problem == problem
        for address in (views, commands):
            said = ctl(address, "set", "above=1", folder=tmp_path, PENSTOCK_OPERATOR_TOKEN="turn")
            assert said.returncode == 0, said.stderr
        assert call(commands, Command(name="shutdown", id="end"), "turn").is_done
        assert process.end().code == 130


def test_a_local_run_is_commanded_through_its_handle_and_its_door(nothing_left_open: None, tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/control"
    pipeline = Pipeline(
        name="control",
        sources={name: Source(controlled.Paced, rate=1000) for name in "ab"},
        events={"scan": Join("a", "b", by="key")},
        stages={"map": Map(controlled.scaled, source="scan"), "rows": Reduce(controlled.Rows, source="map")},
        control={"zmq": address},
    )
    with WebService(port=0) as web, pipeline.start("local", web=web) as run:
        until(lambda: run.statistics().edge("map", "rows").arrived > 10)
        change = call(address, Command(name="set", id="1", target="map", arguments={"values": {"gain": 2}}))
        assert change.is_done
        assert change.body["values"] == {"map.gain": 2}
        assert run.command("scale", "map", workers=2).is_done
        until(lambda: len([p for p in run.statistics().processes if p.role == "map" and p.pid]) == 2)
        refused = run.command("scale", "rows", workers=2)
        assert (refused.outcome, refused.problem) == ("refused", "unknown")
        bad = httpx.post(f"{web.address}/api/v1/commands", json={"name": "set", "arguments": {"values": {"gain": -1}}})
        assert (bad.status_code, bad.json()["problem"]) == (422, "argument")
        assert httpx.put(f"{web.address}/api/v1/stages/map/workers", json={"workers": 1}).status_code == 200
        with connect(web.address) as seen:
            told = [(each["door"], each["name"], each["outcome"]) for each in seen.commands]
        assert told == [
            ("zmq", "set", "done"), ("python", "scale", "done"), ("python", "scale", "refused"),
            ("http", "set", "refused"), ("http", "scale", "done"),
        ]  # fmt: skip
        assert run.command("drain", who="me", reason="enough").is_done
        report = run.wait(LONGEST_S)
    assert (report.outcome, report.reasons) == ("aborted", ["enough"])
    assert report.adds_up
    assert run.command("start").problem == "state"


def test_a_run_of_chains_can_be_ended_at_once_by_a_command(nothing_left_open: None) -> None:
    pipeline = Pipeline(sources={"ticks": Source(ticking.ticks)}, stages={"s": Steps(ticking.scaled, source="ticks")})
    with pipeline.start("chains") as run:
        assert run.command("status").state in ("waiting", "processing", "initialised")
        assert run.command("abort", reason="now").is_done
        assert run.wait(LONGEST_S).reasons[0] == "now"


@pytest.mark.parametrize("engine", ["local", "chains"])
def test_what_is_held_takes_nothing_in_and_loses_nothing(nothing_left_open: None, engine: str) -> None:
    pipeline = (
        Pipeline(
            name="control",
            sources={name: Source(controlled.Paced, rate=1000) for name in "ab"},
            events={"scan": Join("a", "b", by="key")},
            stages={"map": Map(controlled.scaled, source="scan"), "rows": Reduce(controlled.Rows, source="map")},
        )
        if engine == "local"
        else Pipeline(
            name="control",
            sources={"a": Source(ticking.ticks)},
            stages={
                "map": Steps(ticking.scaled, source="a", workers=2, run_in="process"),
                "rows": Steps(ticking.pairs, source="map"),
            },
        )
    )
    with pipeline.start(engine, is_held=True) as run:

        def came() -> int:
            return int(run.statistics().edges[0].arrived)

        def whys() -> dict[str, str]:
            return {each["name"]: each["why"] for each in run.command("status").body["states"]}

        assert run.command("status").state != "processing"
        assert came() == 0, "held from the beginning"
        assert run.command("start").is_done
        until(lambda: came() > 100)
        assert run.command("stop-data", who="me").is_done
        until(lambda: whys()["a"] == "held")
        assert run.command("stop-data", who="me").text.endswith("already held")
        assert run.command("start-data", "a").is_done
        assert run.command("stop-processing", "map").is_done
        until(lambda: whys()["map"] == "held")
        assert "given up" in run.command("reset").text
        assert run.command("start").is_done
        before = came()
        until(lambda: came() > before + 100)
        assert run.command("scale", "map", workers=3).is_done
        until(lambda: "map-2" in whys())
        assert run.command("restart", "map-0").is_done
        assert "no worker is called 'map-77'" in run.command("restart", "map-77").text
        assert run.command("stop-processing").is_done
        assert run.command("finish", who="me").is_done
        assert run.command("start").problem == "state"
        report = run.wait(LONGEST_S)
    assert (report.outcome, report.adds_up, report.exit_code) == ("finished", True, 0), report.reasons


def test_a_run_that_begins_held_is_set_off_by_an_operator(tmp_path: Path) -> None:
    with running(tmp_path, "--held") as (process, views, commands), connect(views) as seen:
        until(lambda: seen.states["states"][1]["why"] == "held")
        assert seen.status["steps"][0]["arrived"] == 0
        assert call(commands, Command(name="start", id="1")).is_done
        until(lambda: seen.status["steps"][0]["arrived"] > 10)
        assert seen.command("finish").is_done
        assert process.end().code == 0
    assert report(tmp_path)["outcome"] == "finished"
