"""What came of the items of a parallel stage: what goes on, when it counts as done, and where a run fails."""

from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.services.strands.passed_on import PassedOn
from penstock.services.strands.run import StageFailedError
from penstock.services.strands.shares import Shares
from penstock.services.strands.steps_copy import GIVEN_UP
from tests.unit.services.parallel_cases import ToldHand, Workplace


def answered(*outcomes: Any, trouble: str = "", **plan: Any) -> Workplace:
    """Return a place where one worker has said what came of its items."""
    hand = ToldHand("s-0")
    place = Workplace(hand, **plan)
    place.pace.note(1, 100_000)
    place.edges[0].put_all(range(len(outcomes) + bool(trouble)))
    place.handout.give_out(0)
    hand.say(*outcomes, trouble=trouble)
    place.hear()
    return place


def test_what_was_filtered_and_what_failed_does_not_go_on() -> None:
    place = answered("a", None, GIVEN_UP, "b", object)
    assert list(place.outflow.ready()) == ["a", "b", object]
    place.outflow.count_given()
    assert place.accounts() == {"done": 3, "filtered": 1, "failed": 1}


def test_what_nobody_took_is_not_done() -> None:
    place = answered("a", "b", "c")
    assert list(islice(place.outflow.ready(), 2)) == ["a", "b"]
    place.outflow.count_given()
    assert place.accounts() == {"done": 2}
    assert place.stage.entry.in_flight == 1


def test_a_run_fails_behind_what_came_before() -> None:
    place = answered("a", None, trouble="stage s: it broke; the item was 2", on_error="fail")
    taken: list[Any] = []
    with pytest.raises(StageFailedError, match="it broke; the item was 2"):
        taken.extend(place.outflow.ready())
    assert taken == ["a"]
    assert place.accounts() == {"done": 1, "filtered": 1, "failed": 1}


@given(st.permutations(range(5)), st.integers(0, 5), st.booleans())
def test_the_first_so_many_have_gone_on_when_none_of_them_is_left(turns: list[int], until: int, is_kept: bool) -> None:
    shares = Shares(5, order="kept" if is_kept else "free")
    passed_on = PassedOn(shares)
    shares.add(list(range(5)))
    for worker in range(5):
        shares.give(worker, 1)
    gone: list[int] = []
    for worker in turns:
        shares.answer(worker, [worker])
        passed_on.has(until)
        passed_on.look()
        ready = [item for piece in shares.take_ready() for item in piece]
        passed_on.add(len(ready))
        gone += ready
        passed_on.look()
        assert passed_on.has(until) == (set(gone) >= set(range(until)))
