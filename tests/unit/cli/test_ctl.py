"""The words of ``penstock ctl``, and the table that ``status`` prints."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from penstock.cli.ctl_status import status_text
from penstock.cli.ctl_words import read_words
from penstock.cli.main import app
from penstock.errors import CommandError
from tests.unit.services.test_control_door import opened


@pytest.mark.parametrize(
    ("written", "address", "name", "target", "arguments"),
    [
        ("status", "here", "status", "", {}),
        ("localhost status", "localhost", "status", "", {}),
        ("127.0.0.1:8401 stop-data camera", "127.0.0.1:8401", "stop-data", "camera", {}),
        ("http://host:8400 stop all", "http://host:8400", "stop", "all", {}),
        ("tcp://[::1]:8420 start", "tcp://[::1]:8420", "start", "", {}),
        ("ipc:///run/pipe start", "ipc:///run/pipe", "start", "", {}),
        ("host.site:80 start fit", "host.site:80", "start", "fit", {}),
        ("scale fit 3", "here", "scale", "fit", {"workers": 3}),
        ("scale fit auto", "here", "scale", "fit", {"workers": "auto"}),
        ("mute hot 0.5", "here", "mute", "hot", {"for_s": 0.5}),
        ("unmute hot", "here", "unmute", "hot", {}),
        ("alarms", "here", "alarms", "", {}),
        ("restart fit-0", "here", "restart", "fit-0", {}),
        ("set a.b=3 c=-1.5 d=x=y", "here", "set", "", {"values": {"a.b": 3, "c": -1.5, "d": "x=y"}}),
        ("set fit roi=[1,2]", "here", "set", "fit", {"values": {"roi": [1, 2]}}),
        ('set a="3"', "here", "set", "", {"values": {"a": "3"}}),
        ("arm roi=3", "here", "arm", "", {"values": {"roi": 3}}),
    ],
)
def test_words_are_a_command(written: str, address: str, name: str, target: str, arguments: Any) -> None:
    words = read_words(written.split(), default="here")
    assert (words.address, words.name, words.target, words.arguments) == (address, name, target, arguments)
    command = words.command("", "me")
    assert (command.name, command.who) == (name, "me")
    assert command.id
    assert words.command("7", "me").id == "7"


@pytest.mark.parametrize(
    ("written", "options", "said"),
    [
        ("", {}, "no command"),
        ("tcp://host:1", {}, "no command"),
        ("strat", {}, 'did you mean "start"?'),
        ("stop camera fit", {}, "one target"),
        ("scale fit", {}, "a stage and a number"),
        ("scale 3", {}, "a stage and a number"),
        ("scale fit three", {}, "a stage and a number"),
        ("restart", {}, "penstock ctl restart WORKER"),
        ("acknowledge", {}, "penstock ctl acknowledge ALARM"),
        ("mute hot", {}, "penstock ctl mute no_beam 3600"),
        ("mute hot long", {}, "penstock ctl mute no_beam 3600"),
        ("set", {}, "set lacks a value"),
        ("set fit", {}, "set lacks a value"),
        ("stop roi=3", {}, "stop takes no values; it takes no arguments"),
        ("start", {"reason": "why"}, "start takes no reason"),
        ("stop", {"maps": ["scan=x.json"]}, "--map scan=x.json: [Errno 2]"),
        ("arm", {"maps": ["x.json"]}, "write JOIN=FILE"),
    ],
)
def test_what_is_no_command_is_said(written: str, options: Any, said: str) -> None:
    with pytest.raises(CommandError) as caught:
        read_words(written.split(), **options)
    assert said in str(caught.value)


def test_options_are_arguments(tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text('{"parts": {}}')
    words = read_words(["arm"], run="r2", maps=[f"scan={tmp_path / 'map.json'}"])
    assert words.arguments == {"run": "r2", "trigger_maps": {"scan": {"parts": {}}}}
    assert read_words(["drain"], reason="no beam").arguments == {"reason": "no beam"}


def test_states_are_a_table_with_workers_below_their_stage() -> None:
    def state(name: str, kind: str, of: str = "", why: str = "", since_s: float = 0.4) -> dict[str, Any]:
        return {"name": name, "kind": kind, "state": "waiting", "of": of, "why": why, "since_s": since_s}

    body = {
        "run": "", "progress": None, "feedback": None, "allowed": ["start", "stop"],
        "commands": {"received": 12_345, "busy": 0, "done": 3},
        "states": [
            state("beamline", "pipeline", since_s=90_000), state("camera", "source", why="held", since_s=7_300),
            state("fit", "stage"), state("fit-0", "worker", "fit"),
        ],
    }  # fmt: skip
    assert status_text(body).splitlines() == [
        "beamline  pipeline  waiting  1 d",
        "camera    source    waiting  2 h  held",
        "fit       stage     waiting  0 s",
        "  fit-0   worker    waiting  0 s",
        "commands: 12,345 received, 3 done",
        "allowed now: start, stop",
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--held --serve off --control off", "nobody could start it"),
        ("--held --engine inline", "takes no commands"),
        ("--control tcp://127.0.0.1:0 --engine inline", "takes no commands"),
        ("--control tcp://0.0.0.0:0", "can be reached from other machines"),
        ("--control here", "does not say how it is reached"),
    ],
)
def test_a_run_that_cannot_be_commanded_does_not_begin(
    options: str, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PENSTOCK_VIEWER_TOKEN", "PENSTOCK_OPERATOR_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "numbers.yaml").write_text(
        "sources: {n: {use: numbers, n: 3}}\nstages: {s: {from: n, steps: [count]}}\nserve: {http: 0}\n"
        "control: {zmq: 'tcp://127.0.0.1:0'}\n"
    )
    result = CliRunner().invoke(app, ["run", str(tmp_path / "numbers.yaml"), *options.split()])
    assert result.exit_code == 2
    assert said in result.output + capfd.readouterr().err


def test_progress_and_the_newest_feedback_are_shown_with_the_states() -> None:
    said = {
        "action": "stop",
        "reason": "",
        "run": "r1",
        "event": None,
        "number": 12,
        "time_ns": 1_000_000_000,
        "who": "sum",
    }
    progress = {"formed": 3, "completed": 3, "total": None, "is_over": True, "lost": 1}
    body = {"run": "r1", "states": [], "progress": progress, "feedback": said, "allowed": ["shutdown"], "commands": {}}
    assert status_text(body).splitlines()[:2] == [
        "progress: 3 through, 1 lost",
        "feedback: 12 00:00:01 sum: stop",
    ]


def test_what_is_said_is_one_line_and_an_exit_code() -> None:
    with opened() as found:

        def said(words: str) -> tuple[int, str, str]:
            result = CliRunner().invoke(app, ["ctl", found.door.address, *words.split()])
            return result.exit_code, result.stdout, result.stderr

        assert said("stop-data camera --who me") == (0, "camera held\n", "")
        code, out, err = said("scale ift 3")
        assert (code, out) == (1, "")
        assert err == "penstock ctl: no stage is called 'ift'; did you mean \"fit\"?\n"
        code, out, err = said("arm --json")
        assert (code, err) == (1, "")
        assert json.loads(out)["problem"] == "state"
        code, out, _ = said("status")
        assert code == 0
        assert out.splitlines()[:2] == [
            "demo      pipeline  processing  0 s  as the test says", "camera    source    waiting     0 s  held",
        ]  # fmt: skip
        assert said("mute hot 60 --who me")[1].startswith("nobody is told of hot until ")
        code, out, _ = said("alarms")
        assert (code, out.splitlines()[1]) == (0, "fit       error    normal  not known: fit.loss")
        assert out.startswith("hot       error    normal  muted by me until 1970-01-01T00:01:01Z; not known: ")
        code, out, err = said("acknowledge hto")
        assert (code, out) == (1, "")
        assert err == "penstock ctl: no alarm is called 'hto'; did you mean \"hot\"?\n"
        assert found.operator.desk.records()[0].who == "me"
        assert "@" in found.operator.desk.records()[-1].who


@pytest.mark.parametrize(("words", "code"), [("strat", 2), ("", 2), ("tcp://127.0.0.1:1 status --timeout-s 0.2", 1)])
def test_the_exit_code_says_whose_mistake_it_is(words: str, code: int) -> None:
    assert CliRunner().invoke(app, ["ctl", *words.split()]).exit_code == code
