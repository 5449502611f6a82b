"""What each process is at, as its event builder sees it."""

from typing import Any

import pytest

from penstock.core import Ledger
from penstock.core.states import State
from penstock.services.builder_course import BuilderCourse
from penstock.services.custody import Custody
from penstock.services.peer_states import RECENTLY_NS, PeerStates
from penstock.services.remote_source import RemoteSource
from tests.unit.services.builder_cases import actors
from tests.unit.services.floor_cases import closing
from tests.unit.services.test_remote_map import Stage

NOW = 9_000_000_000


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({"is_ready": False}, State.INITIALISED),
        ({"is_closed": True}, State.STOPPED),
        ({"is_leaving": True}, State.FINISHING),
        ({"worked_ns": NOW - RECENTLY_NS + 1}, State.PROCESSING),
        ({"worked_ns": NOW - RECENTLY_NS}, State.WAITING),
        ({}, State.WAITING),
    ],
)
def test_a_worker_is_at_what_it_said_last(given: dict[str, Any], state: State) -> None:
    with closing(Stage("a")) as stage:
        states = PeerStates(BuilderCourse(), {}, {"fit": stage.stage})
        for name, value in given.items():
            setattr(stage["a"].peer, name, value)
        assert states.of(stage["a"].peer, NOW) is state


def test_who_has_something_to_do_works_until_all_close() -> None:
    with closing(Stage("a")) as stage:
        course = BuilderCourse()
        states = PeerStates(course, {}, {"fit": stage.stage})
        stage.give(stage.events(1))
        assert states.of(stage["a"].peer, NOW) is State.PROCESSING
        course.is_closing = True
        assert states.of(stage["a"].peer, NOW) is State.FINISHING


def test_a_held_source_works_until_it_has_answered() -> None:
    source = RemoteSource("a", Ledger(), Custody(lambda made, fd: None))
    states = PeerStates(BuilderCourse(), {"a": source}, {})
    with actors("a", role="source") as (a,):
        source.enter(a.peer)
        source.hold(True)
        assert states.of(a.peer, NOW) is State.PROCESSING
        source.obey()
        assert states.of(a.peer, NOW) is State.WAITING
