"""Workers of a parallel stage that begin, are recalled, leave, and are replaced: by plain calls."""

import pytest

from penstock.errors import PenstockError
from penstock.services.strands.pace import RECALL_NS
from penstock.services.strands.run import StageFailedError
from tests.unit.services.parallel_cases import ToldHand, Workplace


def busy(*items: int) -> tuple[Workplace, ToldHand]:
    hand = ToldHand("s-0")
    place = Workplace(hand)
    place.care.start()
    place.pace.note(1, 100_000)
    place.edges[0].put_all(items)
    place.handout.give_out(0)
    (desk,) = place.staff.desks
    desk.look(1)
    return place, hand


def test_everybody_begins_once() -> None:
    place, hand = busy()
    place.care.start()
    assert hand.calls == ["start"]
    hand.wake()
    assert place.wakes == 1


def test_who_cannot_begin_is_named() -> None:
    def fails() -> None:
        raise PenstockError("no process can be made")

    hand = ToldHand("s-0")
    hand.on_start = fails
    with pytest.raises(StageFailedError, match="stage s: no process can be made"):
        Workplace(hand).care.start()


def test_who_is_long_at_an_item_gives_back_the_others_once() -> None:
    place, hand = busy(1, 2, 3)
    (desk,) = place.staff.desks
    assert list(place.care.due_ns(desk)) == [1 + RECALL_NS]
    place.care.look_after(desk, 1 + RECALL_NS)
    assert "recall" not in hand.calls
    for _ in range(2):
        place.care.look_after(desk, 2 + RECALL_NS)
    assert hand.calls.count("recall") == 1
    assert hand.given == [1]
    assert place.admission.waiting == 2


@pytest.mark.parametrize("is_replaced", [False, True])
def test_who_leaves_ends_when_it_has_done_what_it_has_begun(is_replaced: bool) -> None:
    place, hand = busy(1, 2)
    (desk,) = place.staff.desks
    if is_replaced:
        place.staff.restart("s-0")
        place.staff.obey()
    else:
        desk.is_leaving = True
    place.care.look_after(desk, 2)
    assert hand.given == [1]
    assert "finish" not in hand.calls
    hand.say(1)
    place.hear()
    place.care.look_after(desk, 3)
    assert hand.has_ended
    assert [each.hand for each in place.staff.desks] == place.made
    assert [made.calls for made in place.made] == [["start"]] * is_replaced
    assert place.admission.waiting == 1


def test_at_the_end_everybody_is_asked_to_end_once() -> None:
    place, hand = busy()
    place.care.finish()
    place.care.finish()
    assert hand.calls == ["start", "finish"]


def test_who_ends_in_the_midst_of_its_work_fails_the_run() -> None:
    place, hand = busy(1)
    hand.halt()
    with pytest.raises(StageFailedError, match="stage s: s-0 has ended in the midst of its work"):
        place.hear()
