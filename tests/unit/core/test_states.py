"""The state table: only what it allows, and what a whole is when its parts differ."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.states import ALLOWED, Lifecycle, State, state_of_chain, state_of_copies, way
from penstock.errors import StateError

W, P, F, S, D, X, I = (  # noqa: E741
    State.WAITING, State.PROCESSING, State.FINISHING, State.STOPPED, State.DEGRADED, State.FAULT, State.INITIALISED,
)  # fmt: skip


def reach(state: State) -> Lifecycle:
    """Return something in this state, by the shortest legal way."""
    ways = {I: [], W: [W], P: [W, P], F: [W, F], S: [S], D: [W, D], X: [X]}
    thing = Lifecycle("fit.0")
    for step in ways[state]:
        thing.become(step)
    return thing


@pytest.mark.parametrize(("before", "after"), [pair for pair in product(State, State) if pair[0] is not pair[1]])
def test_only_what_the_table_allows(before: State, after: State) -> None:
    thing = reach(before)
    if after in ALLOWED[before]:
        assert thing.become(after, "because")
        assert (thing.state, thing.why) == (after, "because")
    else:
        with pytest.raises(StateError, match=f"fit.0 is {before} and cannot become {after}; it can become "):
            thing.become(after)
        assert thing.state is before


def test_the_refusal_names_what_is_allowed() -> None:
    with pytest.raises(StateError, match=r"it can become fault, stopped$"):
        reach(F).become(P)


def test_becoming_the_same_is_no_change() -> None:
    assert not reach(W).become(W)


def test_every_state_leads_to_stopped() -> None:
    ends = {S}
    for _ in State:
        ends |= {state for state in State if ALLOWED[state] & ends}
    assert ends == set(State)


@pytest.mark.parametrize(
    ("workers", "stage"),
    [
        ([], I), ([I, I], I), ([I, W], W), ([W, P], P), ([F, W], F), ([F, S], F), ([S, S], S), ([S, W], W),
        ([X, P], D), ([X, X], X), ([X, S], X), ([D, P], D), ([X, D], D), ([X, I], D),
    ],
)  # fmt: skip
def test_a_stage_from_its_workers(workers: list[State], stage: State) -> None:
    assert state_of_copies(workers) is stage
    assert state_of_copies(reversed(workers)) is stage


@pytest.mark.parametrize(
    ("stages", "pipeline"),
    [
        ([], I), ([I, W], I), ([W, W], W), ([W, P], P), ([F, S], F), ([F, P], P), ([S, S], S),
        ([X, P], X), ([D, P], D), ([X, D], X), ([D, I], D),
    ],
)  # fmt: skip
def test_a_pipeline_from_its_stages(stages: list[State], pipeline: State) -> None:
    assert state_of_chain(stages) is pipeline
    assert state_of_chain(reversed(stages)) is pipeline


@pytest.mark.parametrize(("before", "after"), list(product(State, State)))
def test_the_way_is_legal_and_none_is_shorter(before: State, after: State) -> None:
    found = way(before, after)
    near = {before}
    for _ in found[:-1]:
        near |= {state for each in near for state in ALLOWED[each]}
        assert after not in near, "there was a shorter way"
    for here, there in zip((before, *found), found, strict=False):
        assert there in ALLOWED[here]
    assert (before, *found)[-1] is after


def test_of_two_ways_it_takes_the_one_that_breaks_nothing() -> None:
    assert way(P, S) == (W, S)
    assert way(W, I) == (S, I)


@given(st.lists(st.sampled_from(State), max_size=20))
def test_whatever_is_seen_is_reached_by_legal_steps_only(seen: list[State]) -> None:
    thing = Lifecycle("fit.0")
    for state in seen:
        before = thing.state
        steps = thing.reach(state, "because")
        assert thing.state is state
        assert thing.why == "because"
        assert all(there in ALLOWED[here] for here, there in zip((before, *steps), steps, strict=False))


@given(st.lists(st.sampled_from(State), min_size=1, max_size=8))
def test_nothing_claims_to_work_whose_parts_cannot(states: list[State]) -> None:
    copies, chain = state_of_copies(states), state_of_chain(states)
    assert (copies is X) == (X in states and set(states) <= {X, S})
    assert (chain is X) == (X in states)
    if not {P, D} & set(states):
        assert P not in (copies, chain)
    if not {X, D} & set(states):
        assert D not in (copies, chain)
