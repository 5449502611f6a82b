"""Latencies in a table: right to 6 %, whatever they are."""

from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.monitor.latency import Latency

DURATIONS = st.lists(st.tuples(st.integers(1, 1 << 49), st.integers(1, 1000)), min_size=1, max_size=30)


@given(durations=DURATIONS, percent=st.sampled_from([1, 50, 90, 99, 100]))
def test_a_percentile_is_right_to_six_percent(durations: list[tuple[int, int]], percent: int) -> None:
    latency = Latency()
    for ns, count in durations:
        latency.add(ns, count)
    each = sorted(ns for duration, count in durations for ns in repeat(duration, count))
    true = each[max(0, -(-percent * len(each) // 100) - 1)]
    assert latency.total == len(each)
    assert latency.max_s == each[-1] / 1e9
    assert latency.percentile_s(percent) * 1e9 == pytest.approx(true, rel=1 / 16 + 1e-9, abs=0.5)


def test_another_thread_may_look_while_one_is_added() -> None:
    latency, seen = Latency(), list[float]()

    class LookedAt(int):
        def bit_length(self) -> int:
            seen.append(latency.percentile_s(50))
            return super().bit_length()

    latency.add(LookedAt(1_000_000))
    latency.add(LookedAt(1_000_000))
    assert seen == [0.0, pytest.approx(0.001)]


def test_what_is_out_of_range_counts_at_the_edge() -> None:
    latency = Latency()
    latency.add(-5)
    assert (latency.total, latency.percentile_s(99), latency.max_s) == (1, 0.0, 0.0)
    latency.add(1 << 62)
    assert latency.max_s == (1 << 62) / 1e9
    assert latency.percentile_s(100) > 1e6


def test_without_any_it_says_nothing() -> None:
    assert (Latency().percentile_s(50), Latency().max_s) == (0.0, 0.0)
