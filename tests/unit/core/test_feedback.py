"""What user code says back to the scan: what may be said, and that each is kept once and found by its number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.feedback import MOST_KEPT, FeedbackBook, Said, checked_action, event_of
from penstock.core.result import Result

words = st.tuples(
    st.sampled_from(["stop", "next", "refocus"]),
    st.one_of(st.none(), st.integers(0, 20)),
    st.sampled_from(["fit", "sum"]),
)


@given(st.lists(words), st.integers(-2, 30), st.integers(0, 30))
def test_each_is_kept_once_in_its_order_and_found_by_its_number(
    said: list[tuple[str, int | None, str]], after: int, most: int
) -> None:
    book = FeedbackBook("r1")
    kept: list[tuple[str, int | None, str]] = []
    for time_ns, (action, event, who) in enumerate(said):
        is_again = event is not None and (action, event, who) in kept
        found = book.take(Said(action, "why", event, time_ns, who), who)
        assert (found is None) == is_again
        if found is not None:
            kept.append((action, event, who))
            assert (found.number, found.run, found.time_ns) == (len(kept), "r1", time_ns)
    assert (book.count, book.repeated) == (len(kept), len(said) - len(kept))
    found_since = book.since(after, most)
    assert [each.number for each in found_since] == list(range(1, len(kept) + 1))[max(0, after) :][:most]
    assert [(each.action, each.event, each.who) for each in found_since] == kept[max(0, after) :][:most]


def test_of_very_many_the_last_are_kept_and_say_that_others_came_before() -> None:
    book = FeedbackBook("r1")
    for event in range(MOST_KEPT + 5):
        book.take(Said("next", "", event, 0, "fit"), "fit")
    kept = book.since(0)
    assert (len(kept), kept[0].number, kept[-1].number) == (MOST_KEPT, 6, MOST_KEPT + 5)
    assert [each.event for each in book.since(MOST_KEPT + 3)] == [MOST_KEPT + 3, MOST_KEPT + 4]


@pytest.mark.parametrize("action", ["", "two\nlines", "x" * 201, 7, None])
def test_what_is_no_short_line_is_no_action(action: object) -> None:
    with pytest.raises(ValueError, match='is no action of feedback; write "stop", "next"'):
        checked_action(action)


def test_it_is_about_an_event_a_result_or_a_number() -> None:
    assert [event_of(about) for about in (None, 0, 7, Result(9, "value", 0))] == [None, 0, 7, 9]


@pytest.mark.parametrize("about", [-1, True, "7", 1.5, object()])
def test_what_has_no_number_is_refused(about: object) -> None:
    with pytest.raises(ValueError, match="is no event; give its number"):
        event_of(about)
