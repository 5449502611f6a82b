"""States of everything in one thread, told the time: who has done something lately is at work."""

from typing import Any

import pytest

from penstock.core import Ledger
from penstock.core.parameters import Parameters
from penstock.core.run import Outcome, RunState
from penstock.core.states import State
from penstock.pipeline import Map, Pipeline, Source
from penstock.services.build import Rooms
from penstock.services.thread_states import LOOK_NS, ThreadStates
from penstock.testing import engine_cases as cases

S = 1_000_000_000


def taken(message: Any) -> int:
    return int(message.id)


class Read:
    """A source that has read so much."""

    def __init__(self, ledger: Ledger) -> None:
        self.entry = ledger.entry("instrument", "a")
        self.has_ended = False


class Case:
    """A source and a stage behind it."""

    def __init__(self) -> None:
        plan = Pipeline(
            name="run", sources={"a": Source(cases.Frames, n=1)}, stages={"map": Map(taken, source="a")}
        ).plan()
        self.ledger, self.state = Ledger(), RunState("r1")
        self.source = Read(self.ledger)
        intakes: Any = {"a": self.source}
        self.rooms = Rooms(parameters=Parameters([], validate=lambda parameter, value: value), intakes=intakes)
        self.states = ThreadStates(plan, self.state, self.ledger, 0)

    def at(self, now: int, **more: Any) -> dict[str, State]:
        return {each.name: State(each.state) for each in self.states.reports(self.rooms, now, **more)}


def test_who_has_done_something_lately_is_at_work_and_then_waits() -> None:
    case = Case()
    assert case.at(1) == {"run": State.WAITING, "a": State.WAITING, "map": State.WAITING}
    case.source.entry.arrive(3)
    assert case.at(S) == {"run": State.PROCESSING, "a": State.PROCESSING, "map": State.WAITING}
    case.ledger.entry("a", "map").arrive(3)
    assert case.at(S + 1)["map"] is State.PROCESSING
    assert set(case.at(9 * S).values()) == {State.WAITING}
    case.source.has_ended = True
    assert case.at(9 * S + 1)["a"] is State.STOPPED


@pytest.mark.parametrize(("outcome", "state"), [(Outcome.FAILED, State.FAULT), (Outcome.ABORTED, State.STOPPED)])
def test_the_pipeline_ends_as_the_run_does(outcome: Outcome, state: State) -> None:
    case = Case()
    case.state.mark(outcome, "because")
    pipeline, *others = case.states.reports(case.rooms, 1, has_ended=True)
    assert (pipeline.state, pipeline.why) == (state, "because")
    assert {other.state for other in others} == {State.STOPPED}


def test_looking_now_and_then_is_enough_to_know_since_when() -> None:
    case = Case()
    case.source.entry.arrive(1)
    case.states.look(case.rooms, LOOK_NS - 1)
    case.states.look(case.rooms, LOOK_NS)
    for quarter in range(2, 20):
        case.states.look(case.rooms, quarter * LOOK_NS)
    _, source, _ = case.states.reports(case.rooms, 5 * S)
    assert source.state == State.WAITING
    assert source.since_s == pytest.approx(3.5, abs=0.5)
