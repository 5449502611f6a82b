"""Meter and progress: what they show, without a terminal; on a real one see tests/system/test_terminal_steps.py."""

import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from penstock.elements import terminal_display
from penstock.elements.shown_rate import ShownRate, bar, duration, rate_words
from penstock.elements.steps import meter
from penstock.elements.steps.meter import Meter
from penstock.elements.steps.progress import Progress
from penstock.elements.terminal_display import TerminalDisplay
from penstock.elements.user_code import Step, problems_of
from penstock.testing import ManualClock, make_message

PATIENCE_S = 60.0


class Board:
    """A surface that remembers."""

    def __init__(self) -> None:
        self.lines: Sequence[str] = ()
        self.kept: list[str] = []
        self.shows = 0

    def show(self, lines: Sequence[str]) -> None:
        self.lines = list(lines)
        self.shows += 1

    def keep(self, line: str) -> None:
        self.kept.append(line)

    def close(self) -> None:
        raise AssertionError("a host's surface is the host's")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def display(clock: ManualClock) -> TerminalDisplay:
    return TerminalDisplay(lambda: clock() / 1e9)


@pytest.fixture
def board(display: TerminalDisplay) -> Iterator[Board]:
    board = Board()
    with display.shown_by(board):
        yield board


def shown(step: Any, display: TerminalDisplay) -> Any:
    step._display = display
    return step


def until(is_so: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end_s, "it never came"
        time.sleep(0.002)


def test_several_share_one_display(display: TerminalDisplay, board: Board, clock: ManualClock) -> None:
    progress = shown(Progress(total=200, label="frames"), display)
    gauge = shown(Meter("I0", unit="A", low=0, high=2), display)
    item = {"I0": 0.5}
    assert progress(item) is item
    assert gauge(item) is item
    until(
        lambda: (
            board.lines == ["frames  1 of 200  [--------------------]  0 %", "I0      0.5 A  [#####---------------]"]
        )
    )
    for _ in range(99):
        progress({"I0": 1})
    clock.advance(s=10)
    gauge({"I0": 1})
    until(lambda: board.lines[0].startswith("frames  100 of 200  [##########----------]  50 %"))
    assert "10.0 s left" in board.lines[0]
    until(lambda: board.lines[1].startswith("I0      1 A  [##########----------]"))
    progress.close()
    until(lambda: len(board.lines) == 1)
    gauge.close()
    assert board.kept == ["frames  100 of 200 in 10.0 s, 10.0/s", "I0  1 A  [##########----------]  (2 items)"]
    assert not [thread for thread in threading.enumerate() if thread.name == "terminal display"]


def test_a_display_that_was_given_up_begins_again(display: TerminalDisplay, board: Board) -> None:
    for n in (1, 2):
        step = shown(Progress(), display)
        for _ in range(n):
            step(None)
        step.close()
        step.close()
    assert [line.split()[1] for line in board.kept] == ["1", "2"]


def test_many_items_do_not_draw(display: TerminalDisplay, board: Board) -> None:
    step = shown(Meter(), display)
    for number in range(100_000):
        step(number)
    step.close()
    assert board.shows < 10_000
    assert board.kept[0].endswith("(100000 items)")


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("", float),
        ("I0", lambda n: {"I0": n}),
        ("I0", lambda n: {"I0": np.array([n])}),
        ("pseudo.x", lambda n: {"pseudo": {"x": n}}),
        ("I0", lambda n: make_message(I0=n)),
    ],
)
def test_the_last_of_many_is_shown(
    display: TerminalDisplay, board: Board, field: str, make: Callable[[int], Any]
) -> None:
    step = shown(Meter(field, label="value"), display)
    for number in range(1001):
        step(make(number))
    until(lambda: "value  1000" in "".join(board.lines))
    for number in range(1001, 2002):
        step(make(number))
    step.close()
    assert board.kept == ["value  2001  (2002 items)"]
    assert step._last is meter._NOTHING


def test_what_is_changed_behind_it_is_not_what_was_there(display: TerminalDisplay, board: Board) -> None:
    step = shown(Meter("I0"), display)
    for number in range(1000):
        item = step({"I0": number})
        item["I0"] = -1
    step.close()
    assert board.kept == ["I0  999  (1000 items)"]


def test_what_has_no_value(display: TerminalDisplay, board: Board) -> None:
    with pytest.raises(LookupError, match='no field "I0"'):
        shown(Meter("I0"), display)({"I1": 1})
    step = shown(Meter("I0"), display)
    step({"I0": float("nan")})
    until(lambda: "nan" in "".join(board.lines))
    step({"I1": 1})
    until(lambda: "no value" in "".join(board.lines))
    step.close()


def test_without_a_terminal_there_are_lines_now_and_then(capfd: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock()
    plain = terminal_display._Plain(lambda: clock() / 1e9)
    said = []
    for at_s in range(41):
        plain.show([f"a  {at_s // 25}", "b"])
        said.append(capfd.readouterr().err)
        clock.advance(s=1)
    assert {at_s: text for at_s, text in enumerate(said) if text} == {10: "a  0\nb\n", 30: "a  1\n"}


def test_without_a_terminal_the_end_is_told(display: TerminalDisplay, capfd: pytest.CaptureFixture[str]) -> None:
    step = shown(Progress(label="n"), display)
    step(None)
    assert isinstance(display._surface, terminal_display._Plain)
    step.close()
    assert capfd.readouterr().err == "n  1\n"


def test_nobody_reads_standard_error(display: TerminalDisplay, monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(text)

    monkeypatch.setattr("sys.stderr", Closed())
    step = shown(Progress(), display)
    step(None)
    step.close()


def test_rates() -> None:
    rate = ShownRate()
    assert rate.seen(0, 0) == ""
    assert [rate.seen(now_s, now_s * now_s) for now_s in range(1, 7)] == [
        "1.00/s",
        "2.00/s",
        "3.00/s",
        "5.00/s",
        "7.00/s",
        "9.00/s",
    ]
    assert [rate.seen(now_s, 36) for now_s in range(7, 12)][-1] == "0/s"
    assert [rate_words(value) for value in (0, 0.05, 999.9, 1000, 2.5e6)] == [
        "0/s",
        "0.0500/s",
        "1.00e+03/s",
        "1.00k/s",
        "2.50M/s",
    ]


def test_bars_and_durations() -> None:
    assert (bar(-1, 2), bar(2, 2), bar(float("nan"), 2)) == ("[--]", "[##]", "[--]")
    assert [duration(s) for s in (0, 59.94, 60, 3600, 86400)] == ["0.0 s", "59.9 s", "1:00", "1:00:00", "24:00:00"]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Progress(0), "total is 0"),
        (lambda: Meter(low=0), "a bar has two ends"),
        (lambda: Meter(low=1, high=1), "write the smaller as low"),
    ],
)
def test_arguments(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()


def test_as_a_pipeline_binds_them() -> None:
    step = Step(Progress, {"total": 5}, stage="s")
    assert step.hooks.close is not None
    assert problems_of("step", Meter, {"field": "I0", "low": 0, "high": 2}) == []
    assert problems_of("step", Progress, {"total": "x"})
