"""A cadence: nothing comes early, nothing is left out, small delays are made up for and long ones are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import NS_PER_S
from penstock.elements.cadence import LATE_NS, Cadence

START_NS = 1_700_000_000 * NS_PER_S
EVERY_NS = 10_000_000


@given(st.lists(st.integers(0, 3 * LATE_NS), max_size=50), st.integers(1, 4))
def test_messages_are_never_early(delays: list[int], together: int) -> None:
    cadence, now = Cadence(EVERY_NS / NS_PER_S), START_NS
    given = 0
    for delay in delays:
        now += delay
        while cadence.is_due(now):
            cadence.gave(together)
            given += together
            assert given <= (now - START_NS) // EVERY_NS + together
        wait_s = cadence.wait_s(now)
        assert wait_s is not None
        assert 0 < wait_s <= together * EVERY_NS / NS_PER_S


def test_a_small_delay_is_made_up_for_and_a_long_one_puts_off() -> None:
    cadence = Cadence(EVERY_NS / NS_PER_S)
    assert cadence.is_due(START_NS)
    cadence.gave(1)
    assert given_at(cadence, START_NS + 50_000_000) == 5
    assert given_at(cadence, START_NS + NS_PER_S) == 1


def test_a_clock_that_is_set_back_holds_nothing_up() -> None:
    cadence = Cadence(EVERY_NS / NS_PER_S)
    assert given_at(cadence, START_NS) == 1
    wait_s = cadence.wait_s(START_NS - 3600 * NS_PER_S)
    assert wait_s is not None
    assert wait_s <= EVERY_NS / NS_PER_S


def test_without_a_rate_everything_is_due() -> None:
    cadence = Cadence(0)
    cadence.gave(1000)
    assert cadence.is_due(START_NS)
    assert cadence.wait_s(START_NS) is None


def test_no_interval_is_negative() -> None:
    with pytest.raises(ValueError, match="every_s is -1; write seconds"):
        Cadence(-1)


def given_at(cadence: Cadence, now_ns: int) -> int:
    given = 0
    while cadence.is_due(now_ns):
        cadence.gave(1)
        given += 1
    return given
