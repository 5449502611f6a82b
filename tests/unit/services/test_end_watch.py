"""When a run is over, as the event builder sees it, told the time."""

from typing import Any

import pytest

from penstock.core import Ledger
from penstock.core.run import Outcome, RunState
from penstock.services.builder_course import BuilderCourse
from penstock.services.custody import Custody
from penstock.services.end_watch import LINGER_NS, MOST_LINGERING, EndWatch
from penstock.services.remote_source import RemoteSource
from penstock.services.wiring import Wiring
from tests.unit.services.builder_cases import Told, order

S = 1_000_000_000


class Case:
    """Two instruments that no join reads, and a stage; reading stops as the event builder stops it."""

    def __init__(self, **options: Any) -> None:
        custody = Custody(lambda made, fd: None)
        ledger = Ledger()
        self.a, self.b = (RemoteSource(name, ledger, custody) for name in "ab")
        self.course, self.state, self.fit = BuilderCourse(), RunState("r1"), Told()
        self.watch = EndWatch(
            self.course, self.state, Wiring(order(joins=(), stages=())), sources={"a": self.a, "b": self.b}, joins={},
            stages={"fit": self.fit}, stop=self.stop, **options,  # type: ignore[dict-item]
        )  # fmt: skip

    def stop(self) -> None:
        self.course.is_stopping = True

    def end(self, *sources: RemoteSource) -> None:
        for source in sources or (self.a, self.b):
            source.end(0)


def test_it_is_over_when_all_instruments_have_ended_and_all_is_done() -> None:
    case = Case()
    case.fit.is_idle = False
    assert not case.watch.is_over(1)
    case.end(case.a)
    case.fit.is_idle = True
    assert not case.watch.is_over(2)
    case.end(case.b)
    assert case.watch.is_over(3)
    assert not case.course.is_stopping


def test_behind_the_end_it_waits_for_what_is_on_its_way_but_not_for_ever() -> None:
    case = Case()
    case.a.has_ended = case.b.has_ended = True  # their scan is over, and their connections are open
    assert not case.watch.is_over(S)
    assert case.watch.due_ns == S + LINGER_NS
    case.watch.hear(S + 1)
    assert not case.watch.is_over(S + LINGER_NS)
    assert case.watch.is_over(S + 1 + LINGER_NS)
    case = Case()
    case.a.has_ended = case.b.has_ended = True
    assert not case.watch.is_over(S)
    for _ in range(MOST_LINGERING):
        case.watch.hear(S + 1)
    assert case.watch.is_over(S + 2)


def test_files_are_waited_for_no_longer() -> None:
    case = Case()
    for source in (case.a, case.b):
        source.has_ended = source.is_file = True
    assert case.watch.is_over(S)


def test_a_replay_is_read_to_its_end() -> None:
    case = Case(reads_all=True)
    case.a.has_ended = case.b.has_ended = True
    assert not case.watch.is_over(S)
    case.end()
    assert case.watch.is_over(S)


def test_silence_stops_the_reading_once_something_has_come() -> None:
    case = Case(silent_s=2.0)
    case.fit.is_idle = False
    assert not case.watch.is_over(100 * S)
    case.watch.hear(100 * S)
    assert (case.watch.is_over(102 * S - 1), case.course.is_stopping) == (False, False)
    assert (case.watch.is_over(102 * S), case.course.is_stopping) == (False, True)
    assert case.state.reasons == ("nothing has arrived for 2 s",)
    assert case.state.prospect is Outcome.INCOMPLETE


def test_what_is_held_is_not_silent_and_nothing_is_over() -> None:
    case = Case(silent_s=2.0)
    case.watch.hear(S)
    case.a.is_held = True
    case.watch.note_hold(2 * S)
    assert not case.watch.is_over(50 * S)
    case.a.is_held = False
    case.watch.note_hold(50 * S)
    assert (case.watch.is_over(51 * S), case.course.is_stopping) == (False, False)
    assert (case.watch.is_over(52 * S), case.course.is_stopping) == (False, True)


@pytest.mark.parametrize("held", ["a", "fit"])
def test_a_run_that_begins_held_is_not_over(held: str) -> None:
    case = Case(is_held=True)
    getattr(case, held).is_held = True
    case.end(case.b)
    if held == "fit":
        case.end(case.a)
    assert not case.watch.is_over(S)
    case.course.is_stopping = True
    case.end()
    assert case.watch.is_over(S)


def test_who_holds_something_is_to_see_the_end_before() -> None:
    case = Case()
    case.fit.holds = True
    case.a.is_file = case.b.is_file = True
    case.a.has_ended = case.b.has_ended = True
    assert not case.watch.is_over(S)
    assert case.course.is_stopping
    case.end()
    assert case.watch.is_over(S)


def test_behind_a_failure_only_what_stands_before_it_is_waited_for() -> None:
    case = Case()
    case.fit.is_idle = case.fit.is_settled = False
    case.fit.holds = True
    case.course.is_failing = True
    assert not case.watch.is_over(S)
    case.fit.is_settled = True
    assert case.watch.is_over(S)
