"""What workers of a parallel stage are given, and what is taken back from them: by plain calls, without a thread."""

from typing import Any

import pytest

from penstock.services.strands.pace import AHEAD
from tests.unit.services.parallel_cases import ToldHand, Workplace


def put(place: Workplace, *items: Any, lane: int = 0) -> None:
    place.edges[lane].put_all(items)


def test_who_is_free_shares_what_there_is_and_a_few_wait_for_more() -> None:
    hands = [ToldHand("s-0"), ToldHand("s-1")]
    place = Workplace(*hands)
    place.pace.note(1, 100_000)  # 0.1 ms: spans of 20
    put(place, *range(16))
    place.handout.give_out(0)
    assert [hand.given for hand in hands] == [[*range(8)], [*range(8, 12)]]
    assert place.admission.left() == {"lane 0 → s": 4}
    put(place, 16)
    place.handout.give_out(0)  # now they are worth a turn
    assert place.admission.waiting == 2
    assert place.stage.entry.arrived == 15


def test_a_slow_item_is_given_to_who_has_nothing_only() -> None:
    hand = ToldHand("s-0")
    place = Workplace(hand)
    place.pace.note(1, 60_000_000)
    put(place, 1, 2)
    place.handout.give_out(0)
    assert hand.given == [1]
    hand.say(1)
    place.hear()
    place.handout.give_out(0)
    assert hand.given == [2]


def test_no_more_is_taken_in_than_may_soon_be_needed() -> None:
    hand = ToldHand("s-0")
    place = Workplace(hand)
    put(place, *range(100))
    while hand.given or not place.stage.entry.arrived:  # nobody takes what has come of them
        hand.say(*hand.given)
        place.hear()
        place.handout.give_out(0)
    assert place.stage.entry.arrived == AHEAD * place.pace.span
    assert place.admission.waiting == 100 - AHEAD * place.pace.span


def test_nothing_more_is_taken_in_when_the_run_is_to_fail() -> None:
    hand = ToldHand("s-0")
    place = Workplace(hand, on_error="fail")
    put(place, 1, 2)
    place.handout.give_out(0)
    hand.say(trouble="stage s: it broke; the item was 1")
    place.hear()
    put(place, *range(50))
    before = place.stage.entry.arrived
    place.handout.give_out(0)
    assert place.stage.entry.arrived == before
    assert not place.admission.has_room_for(0)


def test_an_urgent_item_waits_for_one_item_at_most() -> None:
    hand = ToldHand("s-0")
    place = Workplace(hand, lanes=2)
    place.pace.note(1, 100_000)
    for items in ("abcdef", "gh"):
        put(place, *items, lane=1)
        place.handout.give_out(0)
    assert hand.given == [*"abcdefgh"]
    put(place, "urgent", lane=0)
    assert place.handout.in_the_way(0) == place.staff.desks
    place.handout.give_out(0)
    assert hand.calls == ["recall"]
    assert hand.given == ["a", "urgent"]
    assert place.admission.waiting_in(1) == 7


def test_values_are_told_once_and_before_items() -> None:
    hand = ToldHand("s-0")
    place = Workplace(hand)
    put(place, 1)
    place.values.change({"s.above": 5})
    place.values.change({"s.below": 7})
    assert place.wakes == 2
    place.handout.give_out(0)
    place.values.change({"s.above": 6})
    put(place, 2)
    place.handout.give_out(0)
    assert hand.told == [{"s.above": 5, "s.below": 7}, {"s.above": 6}]


@pytest.mark.parametrize("on_error", ["skip", "fail"])
def test_what_cannot_travel_is_given_up_and_others_are_given(on_error: str) -> None:
    hand = ToldHand("s-0")
    place = Workplace(hand, on_error=on_error)
    place.pace.note(1, 100_000)
    put(place, len, 2, 3)
    place.handout.give_out(0)
    assert hand.given == [2]
    assert place.admission.waiting == 1
    assert place.stage.failures[0].cause.startswith("an item is a builtin_function_or_method, which cannot travel")
    assert place.ending.is_failing == (on_error == "fail")


def test_what_nobody_has_begun_is_discarded() -> None:
    hand = ToldHand("s-0")
    place = Workplace(hand)
    place.pace.note(1, 100_000)
    put(place, *range(5))
    place.handout.give_out(0)
    told: list[int] = []
    place.discarding.ask(told.append)
    place.discarding.ask(told.append)
    place.discarding.go_on()
    assert told == [4, 0]
    assert place.accounts() == {"aborted": 4}
    assert hand.given == [0]
    assert not place.discarding
