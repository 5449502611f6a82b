"""Things are found in any state, and have come there by ways that the table allows."""

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.lives import Lives, way
from penstock.core.states import ALLOWED, State


@pytest.mark.parametrize(("begin", "end"), list(product(State, State)))
def test_there_is_a_way_from_every_state_to_every_other(begin: State, end: State) -> None:
    steps = [begin, *way(begin, end)]
    assert steps[-1] is end
    assert all(after in ALLOWED[before] for before, after in pairwise(steps))
    assert len(steps) == len(set(steps))
    assert (len(steps) == 2) == (end in ALLOWED[begin])


def test_a_worker_that_was_replaced_meanwhile_has_been_broken() -> None:
    assert way(State.PROCESSING, State.INITIALISED) == (State.FAULT, State.INITIALISED)
    assert way(State.INITIALISED, State.PROCESSING) == (State.WAITING, State.PROCESSING)
    assert way(State.FINISHING, State.FINISHING) == ()


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(State), st.floats(0, 5))))
def test_since_when_is_since_the_last_change(found: list[tuple[str, State, float]]) -> None:
    lives, now = Lives(), 0.0
    last: dict[str, tuple[State, float]] = {}
    for name, state, step in found:
        now += step
        was, since = last.get(name, (State.INITIALISED, now))
        assert lives.note("worker", name, state, now) == (state is not was)
        last[name] = (state, since if state is was else now)
        assert lives.since_s("worker", name, now) == now - last[name][1]
    assert lives.since_s("source", "a", now) == 0, "another kind has another life"
