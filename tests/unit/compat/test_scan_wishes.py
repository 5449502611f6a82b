"""Which feedback a scan obeys: stop for good, next once, and not what came too late for its point."""

from hypothesis import given
from hypothesis import strategies as st

from penstock.compat.scan_wishes import ScanWishes
from penstock.core.feedback import Feedback


def said(action: str, event: int | None, number: int) -> Feedback:
    return Feedback(action=action, run="r1", event=event, number=number, time_ns=0)


def test_next_is_obeyed_once_and_only_at_its_own_point() -> None:
    wishes = ScanWishes()
    assert wishes.wants([said("next", 3, 1)], first_event=4) == "", "it came too late"
    assert wishes.wants([said("next", 4, 2), said("next", 5, 3)], first_event=4) == "next"
    assert (wishes.wants([], first_event=4), wishes.looked_at) == ("", 3)
    assert wishes.wants([said("next", None, 4)], first_event=9) == "next", "what is about no event is about now"
    assert wishes.wants([said("next", 1, 5)]) == "next", "it is not known which events the point has"
    assert wishes.wants([said("refocus", 1, 6)]) == ""


def test_stop_holds_and_to_ask_for_it_takes_no_next_away() -> None:
    wishes = ScanWishes()
    assert wishes.stop([said("next", 1, 1)]) is None
    assert wishes.wants([said("next", 1, 1)]) == "next"
    stop = said("stop", 2, 2)
    assert wishes.stop([stop]) is stop
    assert [wishes.wants([stop]), wishes.wants([]), wishes.stop([])] == ["stop", "stop", stop]


@given(st.lists(st.tuples(st.sampled_from(["stop", "next", "other"]), st.integers(0, 9)), max_size=20), st.data())
def test_however_it_comes_in_pieces_stop_wins_and_each_next_counts_once(
    words: list[tuple[str, int]], data: st.DataObject
) -> None:
    found = [said(action, event, number + 1) for number, (action, event) in enumerate(words)]
    wishes = ScanWishes()
    was_stopped, at = False, 0
    while at < len(found):
        piece = found[at : at + data.draw(st.integers(1, 5))]
        first = data.draw(st.integers(0, 9))
        at += len(piece)
        was_stopped = was_stopped or any(each.action == "stop" for each in piece)
        has_next = any(each.action == "next" and each.event is not None and each.event >= first for each in piece)
        assert wishes.wants(piece, first) == ("stop" if was_stopped else "next" if has_next else "")
        assert wishes.looked_at == at
