"""The commands on SNAP's files: what they refuse, and what they print."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from penstock.cli.main import app
from penstock.cli.snap import main

MODULE = """
def numbers(count: int, sigma: float = 1):
    yield from range(count)

def above(threshold: float):
    return lambda item: item if item > threshold else None

def tell(fmt: str):
    return print
"""
RIGHT = "node: !Node [!chain:a [!from cli_numbers.numbers: {count: 2}, cli_numbers.tell: {fmt: x}]]\n"
WRONG = """\
node: !Node
  - !chain:a
    - !from cli_numbers.numbers: {count: 3, sgma: 1}
    - cli_numbers.nothing
    - .timing.evry: {seconds: 1}
    - cli_numbers.above: {threshold: high}
    - !to bb
  - !chain:b
    - cli_numbers.tell: {fmt: !obj:cli_numbers.missing {}}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    Path("cli_numbers.py").write_text(MODULE)
    Path("right.yml").write_text(RIGHT)
    Path("wrong.yml").write_text(WRONG)
    Path("own.yaml").write_text("sources: {a: {use: stins, connect: 'tcp://127.0.0.1:1'}}\n")


def said(words: Sequence[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        app(words)
    captured = capsys.readouterr()
    assert ended.value.code == code, captured.err
    return captured.out + captured.err


def test_check_tells_all_mistakes_with_the_lines_of_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    found = dict(re.findall(r"wrong\.yml, line (\d+)\): (.*)", said(["check", "wrong.yml"], capsys, 2)))
    assert found["3"].startswith('numbers has no argument "sgma"')
    assert found["4"].startswith('cli_numbers has no "nothing"')
    assert found["5"] == 'there is no element .timing.evry here or installed; did you mean ".timing.every"?'
    assert "is refused" in found["6"]
    assert found["7"] == 'there is no chain "bb" to send to; did you mean "b"?'
    assert found["9"].startswith('cli_numbers has no "missing"')


def test_a_node_that_is_right_is_checked_drawn_and_converted(capsys: pytest.CaptureFixture[str]) -> None:
    assert "nothing is wrong" in said(["check", "right.yml", "-n", "node"], capsys)
    assert "cli_numbers:tell" in said(["graph", "right.yml"], capsys)
    written = said(["convert", "right.yml"], capsys)
    assert written.startswith("# Converted from the node node of right.yml.\nname: node\n")
    said(["convert", "right.yml", "-o", "converted.yaml"], capsys)
    assert Path("converted.yaml").read_text() == written
    assert "nothing is wrong" in said(["check", "converted.yaml"], capsys)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("convert own.yaml", "own.yaml is no file of another system; name one of SNAP, rta-dp or dranspose"),
        ("convert wrong.yml", 'there is no chain "bb" to send to'),
        ("convert right.yml -n nodde", 'there is no node "nodde"; did you mean "node"?'),
        ("convert right.yml -o nowhere/own.yaml", "cannot be written: No such file or directory"),
        ("run own.yaml -n node", "own.yaml is a pipeline file, which has no nodes; leave --node out"),
        ("graph own.yaml -n node", "own.yaml is a pipeline file, which has no nodes; leave --node out"),
    ],
)
def test_what_cannot_be_done_is_told(words: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert text in said(words.split(), capsys, 2)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("", "the following arguments are required: config"),
        ("nowhere.yml", "nowhere.yml cannot be read: No such file or directory"),
        ("right.yml -n nodde", 'there is no node "nodde"; did you mean "node"?'),
        ("wrong.yml --node node", 'there is no chain "bb" to send to'),
        ("right.yml -v loud", "invalid choice: 'LOUD'"),
    ],
)
def test_the_command_snap_says_what_is_wrong(words: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    assert ended.value.code == 2
    assert text in capsys.readouterr().err
