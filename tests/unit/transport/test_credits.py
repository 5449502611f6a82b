"""Credits: never more in flight than agreed, never more back than was sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import StateError
from penstock.transport.credits import Credits


@given(st.integers(1, 20), st.lists(st.tuples(st.booleans(), st.integers(1, 25)), max_size=60))
def test_messages_in_flight_are_bounded(limit: int, deeds: list[tuple[bool, int]]) -> None:
    mine, in_flight = Credits(limit), 0
    for is_take, count in deeds:
        if is_take:
            may = in_flight + count <= limit
            assert mine.take(count) is may
            in_flight += count * may
        elif count > in_flight:
            with pytest.raises(StateError, match=f"{count} credits came back, and {in_flight} messages"):
                mine.give(count)
        else:
            mine.give(count)
            in_flight -= count
        assert mine.in_flight == in_flight
        assert mine.available == limit - in_flight


@pytest.mark.parametrize("count", [0, -1])
def test_less_than_one_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="nothing could ever be sent"):
        Credits(count)
    mine = Credits(2)
    mine.take()
    with pytest.raises(ValueError, match="cannot be taken"):
        mine.take(count)
    with pytest.raises(ValueError, match="cannot be given back"):
        mine.give(count)
    assert mine.in_flight == 1
