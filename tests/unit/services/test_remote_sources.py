"""The sources of a run: all open before one reads, and what follows when one cannot be read any more."""

from typing import Any

from penstock.core import Ledger
from penstock.core.run import Outcome, RunState
from penstock.services.builder_course import BuilderCourse
from penstock.services.custody import Custody
from penstock.services.remote_sources import RemoteSources
from penstock.wire.envelopes import Begin, Go, Hold, Ready, Stop
from penstock.wire.supervision import GaveUp
from tests.unit.services.builder_cases import actors

WHY = "a was killed by SIGKILL"


class Case:
    """Two sources, without processes as yet."""

    def __init__(self, *, is_going: bool = False, **options: Any) -> None:
        self.course, self.state = BuilderCourse(is_going=is_going), RunState("r1")
        self.told: list[Any] = []
        self.failed: list[str] = []
        custody = Custody(lambda made, fd: None)
        self.sources = RemoteSources(
            "ab", Ledger(), custody, self.course, self.state, tell=self.told.append, fail=self.failed.append, **options
        )
        self.a, self.b = self.sources.by_name.values()


def test_nobody_reads_before_every_instrument_is_open() -> None:
    case = Case()
    with actors("a", "b", role="source") as (a, b):
        for actor in (a, b):
            case.sources.enter(actor.peer, Ready())
        case.sources.opened(a.peer, is_file=False)
        assert a.take(Go) == []
        case.sources.opened(b.peer, is_file=True)
        assert (a.take(Go), b.take(Go)) == ([Go()], [Go()])
        assert (case.a.is_file, case.b.is_file) == (False, True)
        case.sources.begin()
        assert len(a.take(Begin)) == len(b.take(Begin)) == 1


def test_a_successor_begins_where_its_predecessor_was() -> None:
    case = Case(is_going=True)
    case.a.last_id = 7
    with actors("a", role="source") as (a,):
        case.sources.enter(a.peer, Ready())
        (begin,) = a.take(Begin)
        assert (begin.shift, begin.skip) == (7, 0)
        case.sources.lose(a.peer, WHY, 1, is_replaced=True)
    assert case.state.reasons == (f"{WHY}: what a sent until it was read again is missing",)
    assert case.a.is_open
    with actors("a", role="source") as (again,):
        case.sources.enter(again.peer, Ready(is_repeatable=True))
        (begin,) = again.take(Begin)
        assert (begin.shift, begin.skip) == (0, 7)


def test_the_run_goes_on_without_an_instrument_that_nobody_reads_but_not_without_all_of_them() -> None:
    case = Case(is_going=True)
    with actors("a", "b", role="source") as (a, b):
        case.sources.lose(a.peer, WHY, 1, is_replaced=False)
        assert case.told == [GaveUp("a", WHY)]
        assert not case.a.is_open
        assert (case.state.prospect, case.failed) == (Outcome.INCOMPLETE, [])
        case.sources.lose(b.peer, "b too", 2, is_replaced=False)
        assert (case.state.prospect, case.failed) == (Outcome.FAILED, ["b too"])


def test_what_could_be_read_again_is_not_given_up() -> None:
    case = Case(is_going=True)
    case.a.is_repeatable = True
    with actors("a", role="source") as (a,):
        case.sources.lose(a.peer, WHY, 1, is_replaced=False)
    assert (case.failed, case.told) == ([WHY], [])


def test_held_instruments_are_left_alone_and_a_stop_ends_who_has_no_process() -> None:
    case = Case(is_held=True)
    with actors("a", role="source") as (a,):
        case.sources.enter(a.peer, Ready())
        assert a.take(Hold) == [Hold(True)]
        case.sources.hold("a", is_held=False)
        assert a.take(Hold) == [Hold(False)]
        assert (case.a.is_held, case.b.is_held) == (False, True)
        case.sources.release()
        case.sources.stop(1)
        assert a.take(Stop) == [Stop()]
        assert (case.a.is_open, case.b.is_open) == (True, False)


def test_what_nobody_read_is_said_of_instruments_that_do_not_repeat_it() -> None:
    case = Case()
    case.b.is_repeatable = True
    case.sources.note_missed({"a": 4, "b": 9})
    (reason,) = case.state.reasons
    assert "a" in reason
    assert "4" in reason
