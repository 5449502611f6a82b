"""How long a client may be kept waiting, which says nothing of its own time limit."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from penstock.compat.asapo.patience import LEAST_S, MOST_S, Patience

PAUSE_S = 0.1


def call(patience: Patience, now: float, limit_s: float, asked: str = "next") -> float:
    """Ask for what never comes, as a client does: until its time is up, and once more; return when it gives up."""
    began = now
    while True:
        is_last = now - began >= limit_s
        now += patience.ask(asked, now)
        patience.answer_nothing(now)
        if is_last:
            return now
        now += PAUSE_S


def test_who_has_time_may_soon_wait_for_long() -> None:
    patience = Patience()
    assert patience.ask("next", 10.0) == LEAST_S
    call(Patience(), 10.0, 5.0)
    call(patience, 20.0, 5.0)
    assert patience.s == MOST_S
    patience.answer()
    assert patience.ask("next", 40.0) == MOST_S


@given(st.lists(st.floats(0.0, 3.0), min_size=1, max_size=10), st.floats(0.0, 1.0))
def test_nobody_is_kept_much_longer_than_its_limit(limits: list[float], before_s: float) -> None:
    assume(not 0.05 < before_s < 0.25)  # that pace would be taken for a client's own
    patience, now = Patience(), 10.0
    for limit_s in limits:
        for _ in range(3):  # it may take a call to see that the limit has become shorter
            began = now
            now = call(patience, now, limit_s)
            took_s = now - began
            now += before_s
        assert took_s <= 3 * limit_s + 3 * (LEAST_S + PAUSE_S) + 1e-6


@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.5, 10.0])
def test_who_gives_up_at_once_is_never_kept_for_long(after_s: float) -> None:
    patience, now = Patience(), 10.0
    for number in range(20):
        assert patience.ask(f"stream {number % 3}", now) == LEAST_S
        now += LEAST_S
        patience.answer_nothing(now)
        now += after_s
