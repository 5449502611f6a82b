"""The history of numbers: the newest points the closest, bounded, exact, in the order of time."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from penstock.monitor.history import SPANS, History, Span

SMALL = (Span(1, 4), Span(10, 3), Span(60, 2))
pauses = st.lists(st.one_of(st.floats(0.0, 3.0), st.floats(5.0, 40.0)), max_size=120)


@given(pauses)
def test_it_keeps_some_of_what_was_added_in_order_and_all_of_the_newest(steps: list[float]) -> None:
    history, now, added = History(SMALL), 0.0, {}
    for k, pause in enumerate(steps):
        now += pause
        if history.add(now, {"total": k}):
            added[now] = k
    piece = history.piece()
    times = piece.times_s.tolist()
    assert times == sorted(set(times))
    assert {time: added[time] for time in times} == dict(zip(times, piece.series.get("total", []), strict=False))
    assert len(times) <= sum(span.points for span in SMALL)
    fine = [time for time in added if time in times][-4:]
    assert times[-4:] == fine
    if times:
        assert times[-1] == max(added)


@given(st.integers(1, 200))
def test_a_point_a_second_is_kept_to_the_second_then_to_the_ten_then_to_the_minute(count: int) -> None:
    history = History(SMALL)
    for second in range(count):
        history.add(second, {"total": second})
    times = history.piece().times_s
    assert times[-4:].tolist() == list(range(max(0, count - 4), count))
    steps = np.diff(times)
    assert np.all(np.diff(steps[:-4]) <= 0), "older ones never lie closer than newer ones"
    assert np.all(steps <= 60)


def test_a_week_is_bounded_in_memory_and_totals_are_exact() -> None:
    history = History()
    first = (1 << 53) - 10 * 86_400 - 1
    for second in range(0, 8 * 86_400, 20):
        history.add(second, {"total": first + second})
    piece = history.piece()
    assert len(piece.times_s) <= sum(span.points for span in SPANS)
    assert piece.times_s[-1] - piece.times_s[0] > 6.9 * 86_400
    assert all(int(total) == first + int(time) for time, total in zip(*piece[:1], piece.series["total"], strict=True))


def test_a_number_that_comes_later_or_goes_is_nan_where_it_was_not() -> None:
    history = History(SMALL)
    history.add(0, {"a": 1})
    history.add(1, {"a": 2, "b": 5})
    history.add(2, {"b": 6})
    piece = history.piece(["b", "a", "nobody"])
    assert list(piece.series) == ["b", "a"]
    np.testing.assert_array_equal(piece.series["a"], [1, 2, np.nan])
    np.testing.assert_array_equal(piece.series["b"], [np.nan, 5, 6])


def test_names_are_bounded_and_those_without_room_counted() -> None:
    history = History(SMALL, most_series=2)
    for second in range(3):
        history.add(second, {"a": 0, "b": 0, "c": 0, "d": 0})
    assert (history.names, history.unkept) == (["a", "b"], 2)


def test_a_part_is_asked_for_by_time_and_by_number_of_points() -> None:
    history = History((Span(1, 100),))
    for second in range(50):
        history.add(second, {"a": second})
    assert history.piece(since_s=45).times_s.tolist() == [45, 46, 47, 48, 49]
    chosen = history.piece(most=5).times_s
    assert len(chosen) == 5
    assert (chosen[0], chosen[-1]) == (0, 49)
    assert history.piece(most=1).times_s.tolist() == [49]


def test_who_looks_a_little_early_loses_no_point_and_time_never_goes_back() -> None:
    history = History(SMALL)
    assert [history.add(time, {}) for time in (0.0, 0.98, 1.97, 1.98, 1.0)] == [True, True, True, False, False]
