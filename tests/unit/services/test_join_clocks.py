"""Deadlines of joins pass while every stream can come, and stand still while one cannot; told the time."""

import pytest

from penstock.core import Ledger
from penstock.core.decoder import Traits
from penstock.services.custody import Custody
from penstock.services.join_clocks import JoinClocks
from penstock.services.remote_source import RemoteSource
from penstock.services.settled_join import SettledJoin, joined_plan
from tests.unit.services.builder_cases import SCAN, Told, actors
from tests.unit.services.custody_cases import Instrument, plain_block

S = 1_000_000_000


class Case:
    """A join of two instruments that waits 1 s for the other one, of which one has sent a message."""

    def __init__(self) -> None:
        self.custody, self.ledger, self.fit = Custody(lambda made, fd: None), Ledger(), Told()
        self.a, self.b = (RemoteSource(name, self.ledger, self.custody) for name in "ab")
        plain = Traits(has_start=False, has_end=False)
        self.join = SettledJoin(joined_plan(SCAN), {"a": plain, "b": plain}, self.ledger, None)
        self.join.custody = self.custody
        self.clocks = JoinClocks({"fit": self.fit}, self.custody)  # type: ignore[dict-item]
        self.clocks.add(self.join, [self.a, self.b])
        self.instrument = Instrument(self.custody, "a", slots=1)
        self.join.take(self.instrument.give(plain_block(1, stream="a")), "a", 0)

    def is_late(self, now: int) -> bool:
        """Let the clocks look; return whether the join waits no longer."""
        self.clocks.look(now)
        return self.ledger.entry("a", "scan").in_flight == 0


@pytest.fixture
def case() -> Case:
    return Case()


def test_a_deadline_passes_at_its_time_and_says_when_that_is(case: Case) -> None:
    assert case.clocks.wait_until(5 * S) == S
    assert not case.is_late(S - 1)
    assert case.is_late(S)
    assert case.clocks.wait_until(5 * S) == 5 * S


def test_no_time_passes_while_a_stream_is_held(case: Case) -> None:
    case.b.is_held = True
    case.clocks.look_anew(S // 2)
    assert case.clocks.wait_until(9 * S) == 9 * S
    assert not case.is_late(9 * S)
    case.b.is_held = False
    case.clocks.look_anew(10 * S)
    assert case.clocks.wait_until(99 * S) == 10 * S + S // 2
    assert not case.is_late(10 * S + S // 2 - 1)
    assert case.is_late(10 * S + S // 2)


def test_who_is_held_and_has_ended_is_not_waited_for(case: Case) -> None:
    case.b.is_held = True
    case.b.end(0)
    case.clocks.look_anew(0)
    assert case.is_late(S)


def test_a_file_is_never_late(case: Case) -> None:
    case.b.is_file = True
    assert case.clocks.wait_until(9 * S) == 9 * S
    assert not case.is_late(9 * S)
    case.b.end(9 * S)
    assert case.is_late(10 * S)


def test_no_time_passes_while_a_source_waits_for_a_slot_of_events_that_are_worked_on(case: Case) -> None:
    kept = case.instrument.give(plain_block(1, 7, stream="a"), slot=0)
    with actors("a", role="source") as (reader,):
        case.a.peer = reader.peer
        reader.peer.pools[1] = case.instrument.made, case.instrument.pool.fd
        case.fit.is_idle = False
        assert not case.is_late(9 * S)
        case.fit.is_idle = True  # then it is the join that has the slots, and waits for the other stream
        assert not case.is_late(10 * S - 1), "it had no slot a moment ago, and has to fill one first"
        assert not case.is_late(10 * S)
        assert case.is_late(12 * S)
        reader.peer.pools.clear()
    assert len(kept) == 1
