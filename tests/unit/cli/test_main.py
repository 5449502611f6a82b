"""The command line: what it prints, what it exits with, and how quickly it says what it can do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.cli.main import COMMANDS, app
from penstock.pipeline.planned_names import PLANNED
from penstock.pipeline.registry import BUILT_IN

FOLDER = Path(__file__).parents[2] / "pipelines"
runner = CliRunner()


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    file = tmp_path / "wrong.yaml"
    file.write_text("sources:\n  a: {use: stinz}\nstages:\n  s: {from: b, steps: [count]}\n")
    return file


def test_help_lists_every_command() -> None:
    result = runner.invoke(app, ["--help"])
    assert result.exit_code == 0
    assert all(name in result.output and line in result.output for name, (_, line) in COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_asked(name: str) -> None:
    result = runner.invoke(app, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


def test_a_wrong_command_is_refused() -> None:
    result = runner.invoke(app, ["chek"])
    assert result.exit_code == 2
    assert "check" in result.output


def test_check_reports_everything_and_exits_with_2(wrong: Path) -> None:
    result = runner.invoke(app, ["check", str(wrong)])
    assert result.exit_code == 2
    assert 'there is no source "stinz"; did you mean "stins"?' in result.output
    assert f'stages.s.from ({wrong}, line 4): there is no "b"' in result.output
    assert "2 errors" in result.output


def test_check_of_a_right_one_says_what_is_known() -> None:
    result = runner.invoke(app, ["check", str(FOLDER / "fluorescence-debug.yaml")])
    assert result.exit_code == 0, result.output
    assert "contrast has no number of its own" in result.output
    assert "fit receives each Event of scan (contrast, xspress3)" in result.output


def test_check_for_machines(wrong: Path) -> None:
    found = json.loads(runner.invoke(app, ["check", str(wrong), "--json"]).output)
    assert (found["ok"], found["can_run"]) == (False, False)
    assert {(problem["where"], problem["line"]) for problem in found["problems"]} == {
        ("sources.a", 2),
        ("stages.s.from", 4),
    }


def test_check_explains_on_standard_output_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANNED, "steps", {"program": "what comes next"})
    monkeypatch.delitem(BUILT_IN["steps"], "program")
    result = runner.invoke(app, ["check", str(FOLDER / "serial-crystallography.yaml"), "--explain"])
    assert result.exit_code == 0
    assert result.stdout.startswith("name: serial-crystallography\n")
    assert "when_full: block" in result.stdout
    assert "not built yet" in result.stderr


def test_check_of_no_yaml(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text('sources: {a: "x\n')
    result = runner.invoke(app, ["check", str(file)])
    assert result.exit_code == 2
    assert "a quote is opened and never closed" in result.output


def test_graph_prints_and_writes(tmp_path: Path) -> None:
    file = str(FOLDER / "fluorescence-debug.yaml")
    assert "fit ×2" in runner.invoke(app, ["graph", file]).output
    svg = tmp_path / "g.svg"
    assert runner.invoke(app, ["graph", file, "--svg", str(svg)]).exit_code == 0
    assert svg.read_text().startswith("<svg")


def test_errors_have_no_traceback_unless_asked(wrong: Path) -> None:
    result = runner.invoke(app, ["graph", str(wrong)])
    assert result.exit_code == 2
    assert result.stderr.startswith("penstock: sources.a")
    assert "Traceback" not in result.output
    asked = runner.invoke(app, ["graph", str(wrong), "--debug"])
    assert type(asked.exception).__name__ == "CheckError"


def test_what_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    result = runner.invoke(app, ["graph", str(FOLDER / "xrf-map.yaml"), "--svg", str(tmp_path / "no" / "g.svg")])
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_list_knows_what_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANNED, "sinks", {"telex": "what is sent by wire"})
    assert "telex" in runner.invoke(app, ["list", "sinks"]).output
    found = json.loads(runner.invoke(app, ["list", "--json"]).output)
    assert {
        "kind": "sinks",
        "name": "telex",
        "line": "what is sent by wire",
        "origin": "planned",
    } in found
    assert runner.invoke(app, ["list", "sink"]).exit_code == 2


def test_describe_says_arguments() -> None:
    result = runner.invoke(app, ["describe", "threshold"])
    assert result.exit_code == 0
    assert "above: float | None = null" in result.output
    assert json.loads(runner.invoke(app, ["describe", "png", "--json"]).output)[0]["kind"] == "sink"
    assert runner.invoke(app, ["describe", "thrshold"]).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "ours"),
    [
        (["--help"], ""),
        (["run", "--help"], " pydantic"),
        (["streams", "--help"], " pydantic"),
        (["streams", "ls", "--help"], " pydantic"),
    ],  # typer reads a command's types by pydantic
)
def test_help_imports_nothing_heavy(arguments: list[str], ours: str) -> None:
    code = (
        "import sys\nfrom penstock.cli.main import app\n"
        f"try:\n    app({arguments!r})\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'pydantic', 'yaml', 'zmq', 'h5py', 'rich', 'matplotlib', 'msgspec'} & set(sys.modules)\n"
        "print('heavy:', *sorted(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.splitlines()[-1] == f"heavy:{ours}"
