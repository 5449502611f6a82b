"""The end of a run in its event builder: closed books, and everybody told; who is late is named."""

import select
from collections.abc import Iterator

import pytest

from penstock.core import Ledger
from penstock.core.run import Outcome, RunState
from penstock.services.builder_course import BuilderCourse
from penstock.services.closing import ABORT_NS, CLOSE_NS, Closing
from penstock.services.custody import Custody
from penstock.services.peers import Peers
from penstock.services.remote_source import RemoteSource
from penstock.wire.envelopes import Close
from tests.unit.services.builder_cases import actors
from tests.unit.services.floor_cases import Actor


class Case:
    """A run with a worker and an instrument's process, about to be closed."""

    def __init__(self, worker: Actor, source: Actor, epoll: select.epoll) -> None:
        self.worker, self.source = worker, source
        self.course, self.state, self.ledger = BuilderCourse(is_going=True), RunState("r1"), Ledger()
        self.peers = Peers(epoll)
        self.peers.enter(worker.peer)
        self.peers.enter(source.peer)
        self.sources = {"a": RemoteSource("a", self.ledger, Custody(lambda made, fd: None))}
        self.closing = Closing(self.course, self.state, self.ledger, self.peers)

    def begin(self, now: int = 0) -> list[Close]:
        """Begin to close; return what both are told."""
        self.closing.begin(self.sources, {}, now)
        self.peers.flush()
        return self.worker.take(Close) + self.source.take(Close)


@pytest.fixture
def case() -> Iterator[Case]:
    with actors("fit-0") as (worker,), actors("a", role="source") as (source,), select.epoll() as epoll:
        yield Case(worker, source, epoll)


def test_everybody_is_told_how_it_ended_and_it_is_done_when_the_workers_have_closed(case: Case) -> None:
    said = case.begin()
    assert len(said) == 2
    assert (said[0].ended_well, said[0].outcome, said[0].trouble) == (True, "finished", "")
    assert case.course.is_closing
    assert case.course.is_settled
    assert not case.closing.is_done(1)
    case.worker.peer.is_closed = True
    assert case.closing.is_done(1), "it waits for the process of an instrument"
    assert case.state.prospect is Outcome.FINISHED
    assert case.ledger.rows()[0] == said[0].ledger[0]


def test_who_does_not_close_in_time_is_named(case: Case) -> None:
    case.begin(now=5)
    assert case.closing.due_ns == 5 + CLOSE_NS
    assert not case.closing.is_done(4 + CLOSE_NS)
    assert case.closing.is_done(5 + CLOSE_NS)
    assert case.state.reasons == ("fit-0 did not close in time",)


def test_a_run_that_is_stopped_at_once_waits_little_and_keeps_its_books_open_for_that(case: Case) -> None:
    entry = case.ledger.entry("scan", "fit")
    entry.arrive(3)
    case.state.mark(Outcome.ABORTED, "stopped")
    (said, _) = case.begin()
    case.closing.hurry(0)
    assert (said.ended_well, said.outcome, said.trouble) == (False, "aborted", "stopped")
    assert entry.in_flight == 3
    assert case.closing.is_done(ABORT_NS)
    assert entry.in_flight == 0
    assert case.state.reasons == ("stopped",), "it was stopped, so nobody is late"


def test_what_broke_off_is_a_reason_and_an_instrument_that_never_spoke_is_remarked(case: Case) -> None:
    case.begin()
    assert "silent" in str(case.sources["a"].entry.remarks)
    case.sources["a"].trouble = "connection lost"
    case.begin()
    assert case.state.reasons == ("connection lost",)


def test_a_successor_that_comes_when_all_is_over_is_told_so(case: Case) -> None:
    with actors("fit-1") as (late,):
        case.closing.tell(late.peer)
        assert late.take(Close) == []
        case.begin()
        case.closing.tell(late.peer)
        assert len(late.take(Close)) == 1
