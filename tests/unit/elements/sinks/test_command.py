"""The sink that starts programs, one or several at once."""

import sys
from contextlib import suppress
from pathlib import Path

import pytest

from penstock.elements.sink import RunFacts
from penstock.elements.sinks.command import CommandSink
from penstock.errors import SinkError


@pytest.fixture
def run(tmp_path: Path) -> RunFacts:
    return RunFacts(pipeline="p", run="r1", folder=str(tmp_path))


def test_an_item_is_done_when_its_program_is(run: RunFacts, capfd: pytest.CaptureFixture[str]) -> None:
    sink = CommandSink(["sh", "-c", 'echo "$1" >> said; echo aloud', "sh", "{x}"])
    sink.open(run)
    for number in range(3):
        sink.write({"x": f"; rm said {number}"})
        assert Path(run.folder, "said").read_text().count("\n") == number + 1
    sink.close(True)
    assert Path(run.folder, "said").read_text() == "".join(f"; rm said {number}\n" for number in range(3))
    assert capfd.readouterr().out == ""


def test_failures_name_program_and_reason(run: RunFacts) -> None:
    sink = CommandSink(["sh", "-c", "echo no phone line >&2; exit 2"])
    sink.open(run)
    with pytest.raises(SinkError, match="sh ended with code 2: no phone line"):
        sink.write(None)
    with pytest.raises(SinkError, match='no field "x"'):
        CommandSink(["echo", "{x}"]).write({"y": 1})
    sink.close(False)


def test_a_program_that_is_not_there_is_noticed_at_the_start(run: RunFacts) -> None:
    with pytest.raises(SinkError, match="there is no program no-such-program"):
        CommandSink(["no-such-program"]).open(run)


WAITS_FOR_THE_OTHERS = """
import pathlib, sys, time
name, others, code = sys.argv[1:]
pathlib.Path(name).touch()
while len(list(pathlib.Path(".").iterdir())) < int(others):
    time.sleep(0.002)
sys.exit(int(code))
"""


def test_several_at_once(run: RunFacts) -> None:
    sink = CommandSink([sys.executable, "-c", WAITS_FOR_THE_OTHERS, "{}", 3, 0], at_once=3)
    sink.open(run)
    for number in range(3):
        sink.write(number)
    sink.close(True)


def test_never_more_at_once_than_said(run: RunFacts) -> None:
    sink = CommandSink(
        ["sh", "-c", "for d in a b; do mkdir $d 2>/dev/null && {{ sleep 0.02; rmdir $d; exit 0; }}; done; exit 1"],
        at_once=2,
    )
    sink.open(run)
    for _ in range(8):
        sink.write(None)
    sink.close(True)


def test_failures_among_several_are_told_together_and_once(run: RunFacts) -> None:
    sink = CommandSink([sys.executable, "-c", WAITS_FOR_THE_OTHERS, "{name}", 4, "{code}"], at_once=4)
    sink.open(run)
    for name, code in enumerate((3, 3, 0, 3)):  # none of them ends before all have begun
        sink.write({"name": name, "code": code})
    with pytest.raises(SinkError, match=r"python\S* ended with code 3 \(and 2 more failed\)"):
        sink.close(True)
    sink.close(False)


def test_a_failure_is_told_with_a_later_item(run: RunFacts) -> None:
    sink = CommandSink(["false"], at_once=2)
    sink.open(run)
    with pytest.raises(SinkError, match="false ended with code 1"):  # noqa: PT012 - one of them, sooner or later
        for _ in range(4):  # of four, two have ended when the last begins
            sink.write(None)
    with suppress(SinkError):  # those that ended after it
        sink.close(False)


def test_how_many_at_once() -> None:
    with pytest.raises(ValueError, match="at_once is 0"):
        CommandSink(["true"], at_once=0)
