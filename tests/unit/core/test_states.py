"""The state table: only what it allows, and what a whole is when its parts differ."""

from itertools import product

import pytest

from penstock.core.states import ALLOWED, Lifecycle, State, state_of_chain, state_of_copies
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
