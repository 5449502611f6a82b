"""The resequencer: any order of arrival, any cut, any repetition leaves as the one order, once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.resequencer import Resequencer
from penstock.core.result_range import ResultRange
from penstock.errors import StateError


def results(
    numbers: Sequence[int],
    values: Sequence[Any] | str | None = "same",
    copies: list[int] | None = None,
    revision: int = 0,
) -> ResultRange:
    return ResultRange(
        stage="fit",
        numbers=np.array(numbers, np.int64),
        values=[f"v{number}" for number in numbers] if values == "same" else values,
        copies=None if copies is None else np.array(copies, np.int32),
        revision=revision,
    )


def expecting(*numbers: int, deliveries: list[int] | None = None, order: Any = "kept") -> Resequencer:
    resequencer = Resequencer(order)
    owed = None if deliveries is None else np.array(deliveries, np.int32)
    resequencer.expect(np.array(numbers, np.int64), owed)
    return resequencer


def pairs(released: Sequence[ResultRange]) -> list[tuple[int, Any]]:
    return [
        (int(number), None if piece.values is None else piece.values[row])
        for piece in released
        for row, number in enumerate(piece.numbers)
    ]


def test_what_everything_waits_for_passes_as_it_is() -> None:
    resequencer = expecting(0, 1, 2, 3)
    first = results([0, 1])
    assert resequencer.handle(first) == [first]
    assert (resequencer.waiting, resequencer.held, resequencer.next_number) == (2, 0, 2)


def test_long_ranges_leave_uncopied() -> None:
    resequencer = expecting(*range(128))
    resequencer.handle(results(range(64, 128)))
    released = resequencer.handle(results(range(64)))
    assert [piece.numbers.tolist() for piece in released] == [list(range(64)), list(range(64, 128))]


def test_what_comes_early_is_held() -> None:
    resequencer = expecting(0, 1, 2, 3)
    assert resequencer.handle(results([2, 3])) == []
    assert (resequencer.held, resequencer.next_number) == (2, 0)
    assert pairs(resequencer.handle(results([0, 1]))) == [(0, "v0"), (1, "v1"), (2, "v2"), (3, "v3")]
    assert (resequencer.held, resequencer.waiting, resequencer.next_number) == (0, 0, None)


def test_alternating_ranges_of_sticky_workers_become_one() -> None:
    n = 64
    resequencer = expecting(*range(n))
    resequencer.handle(results(range(1, n, 2)))
    (released,) = resequencer.handle(results(range(0, n, 2)))
    assert pairs([released]) == [(k, f"v{k}") for k in range(n)]


def test_ranges_of_different_revisions_are_not_mixed() -> None:
    resequencer = expecting(0, 1, 2)
    resequencer.handle(results([1], revision=1))
    resequencer.handle(results([2], revision=1))
    released = resequencer.handle(results([0]))
    assert [(piece.numbers.tolist(), piece.revision) for piece in released] == [([0], 0), ([1, 2], 1)]


def test_what_came_before_is_dropped_and_counted() -> None:
    resequencer = expecting(0, 1, 2)
    resequencer.handle(results([0]))
    resequencer.handle(results([2]))
    assert resequencer.handle(results([0])) == []
    assert resequencer.handle(results([2], ["other"])) == []
    assert resequencer.duplicates == 2
    assert pairs(resequencer.handle(results([1]))) == [(1, "v1"), (2, "v2")]


def test_a_lease_given_again_overlaps_what_came() -> None:
    resequencer = expecting(0, 1, 2, 3)
    resequencer.handle(results([0, 1]))
    assert resequencer.is_missing(np.arange(4)).tolist() == [False, False, True, True]
    assert pairs(resequencer.handle(results([0, 1, 2, 3]))) == [(2, "v2"), (3, "v3")]
    assert resequencer.duplicates == 2


def test_events_without_results_are_passed_on_without_values() -> None:
    resequencer = expecting(0, 1, 2)
    resequencer.handle(results([1], None))
    resequencer.handle(results([2]))
    released = resequencer.handle(results([0]))
    assert pairs(released) == [(0, "v0"), (1, None), (2, "v2")]


def test_copies_of_an_event_leave_together() -> None:
    resequencer = expecting(0, 1, 2, deliveries=[2, 0, 1])
    assert resequencer.handle(results([0, 2], ["debug", "last"], copies=[1, 0])) == []
    assert pairs(resequencer.handle(results([0], ["main"]))) == [(0, "main"), (0, "debug"), (2, "last")]


def test_events_for_nobody_do_not_hold_up_others() -> None:
    resequencer = expecting(0, 1, deliveries=[0, 0])
    assert (resequencer.waiting, resequencer.next_number) == (0, None)


def test_more_results_of_a_waiting_event() -> None:
    resequencer = expecting(0)
    resequencer.expect_more(np.array([0]), np.array([1], np.int32))
    assert resequencer.handle(results([0])) == []
    assert pairs(resequencer.handle(results([0], ["more"], copies=[7]))) == [(0, "v0"), (0, "more")]
    with pytest.raises(StateError, match="event 0 has left"):
        resequencer.expect_more(np.array([0]), np.array([1], np.int32))


@pytest.mark.parametrize("number", [1, 5])
def test_an_event_nobody_expects_is_an_error(number: int) -> None:
    resequencer = expecting(0, 2, 4)
    with pytest.raises(StateError, match=f"event {number} was never expected"):
        resequencer.handle(results([number]))


def test_numbers_must_ascend() -> None:
    resequencer = expecting(0, 1)
    with pytest.raises(StateError, match="must ascend"):
        resequencer.expect(np.array([1]))


@st.composite
def deliveries_in_any_order(draw: st.DrawFn) -> tuple[list[list[int]], list[list[int]], list[ResultRange]]:
    """Segments of event numbers, results owed for each event, and results cut, shuffled and repeated."""
    numbers = sorted(draw(st.sets(st.integers(0, 60), min_size=1, max_size=30)))
    cuts = sorted(draw(st.sets(st.integers(1, len(numbers)), max_size=3)) | {len(numbers)})
    segments = [numbers[a:b] for a, b in zip([0, *cuts], cuts, strict=False) if b > a]
    owed = [[draw(st.integers(0, 2)) for _ in segment] for segment in segments]
    of = dict(zip(numbers, [k for segment in owed for k in segment], strict=True))
    arrivals = []
    for copy in (0, 1):
        ours = [number for number in numbers if of[number] > copy]
        worker = [draw(st.integers(0, 2)) for _ in ours]
        for name in range(3):
            mine = [number for number, at in zip(ours, worker, strict=True) if at == name]
            half = draw(st.integers(0, len(mine)))
            arrivals += [(copy, part) for part in (mine[:half], mine[half:]) if part]
    arrivals += draw(st.lists(st.sampled_from(arrivals), max_size=3)) if arrivals else []
    ranges = [
        results(part, [f"{number}.{copy}" for number in part], [copy] * len(part) if copy else None)
        for copy, part in draw(st.permutations(arrivals))
    ]
    return segments, owed, ranges


@given(deliveries_in_any_order(), st.sampled_from(["kept", "free"]))
def test_any_order_of_arrival_gives_the_same(
    case: tuple[list[list[int]], list[list[int]], list[ResultRange]], order: Any
) -> None:
    segments, owed, arrivals = case
    resequencer = Resequencer(order)
    for segment, deliveries in zip(segments, owed, strict=True):
        resequencer.expect(np.array(segment, np.int64), np.array(deliveries, np.int32))
    wanted = [
        (number, f"{number}.{copy}")
        for segment, deliveries in zip(segments, owed, strict=True)
        for number, count in zip(segment, deliveries, strict=True)
        for copy in range(count)
    ]
    got: list[tuple[int, Any]] = []
    came = 0
    for arrival in arrivals:
        came += len(arrival)
        got += pairs(resequencer.handle(arrival))
        if order == "kept":
            assert came == len(got) + resequencer.held + resequencer.duplicates
    assert (got if order == "kept" else sorted(got)) == wanted
    assert came == len(got) + resequencer.duplicates
    assert (resequencer.held, resequencer.waiting) == (0, 0)
