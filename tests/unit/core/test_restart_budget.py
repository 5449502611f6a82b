"""How long to wait for a successor, and when nobody is to follow any more."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from penstock.core.restart_budget import LONGEST_BACKOFF_S, RestartBudget, Restarts


def test_who_dies_now_and_then_is_followed_at_once_for_ever() -> None:
    budget = RestartBudget(Restarts(most=1, within_s=10))
    assert [budget.died(10.0 * k) for k in range(1000)] == [0.0] * 1000


def test_the_wait_doubles_up_to_a_limit() -> None:
    budget = RestartBudget(Restarts(most=9, backoff_s=0.1))
    waits = [budget.died(1.0) for _ in range(10)]
    assert waits == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0, None]
    assert budget.is_spent
    assert budget.died(1e9) is None, "a breaker that has opened stays open, however long ago it was"
    budget.reset()
    assert (budget.is_spent, budget.died(1e9)) == (False, 0.0)


def test_whoever_asks_for_a_longer_wait_has_it() -> None:
    budget = RestartBudget(Restarts(backoff_s=5))
    assert [budget.died(1.0) for _ in range(4)] == [0.0, 5.0, 5.0, 5.0]


def test_nobody_follows_where_none_may() -> None:
    budget = RestartBudget(Restarts(most=0, within_s=7.5))
    assert budget.died(3.0) is None
    assert budget.why == "it died once within 7.5 s"


@given(
    st.lists(st.floats(0, 30), min_size=1, max_size=60),
    st.integers(0, 8),
    st.floats(0.1, 100),
    st.floats(0, 10),
)
def test_never_more_than_so_many_within_so_long(
    steps: list[float], most: int, within_s: float, backoff_s: float
) -> None:
    budget = RestartBudget(Restarts(most=most, within_s=within_s, backoff_s=backoff_s))
    now = 0.0
    followed: list[float] = []
    for step in steps:
        now += step
        wait = budget.died(now)
        if wait is None:
            assert sum(now - each < within_s for each in followed) == most, "given up too early"
            break
        assert 0 <= wait <= max(LONGEST_BACKOFF_S, backoff_s)
        followed.append(now)
    assert all(b - a >= within_s for a, b in zip(followed, followed[most:], strict=False)) or not most
    assert most or not followed
    assert all(a <= b for a, b in pairwise(followed))
