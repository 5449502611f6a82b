"""The set of ids does what Python's does, at both ends of the numbers too, and a stream without holes stays small."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from penstock.core.id_set import LARGEST_ID, IdSet

Range = tuple[int, int]
Changes = list[tuple[str, Any]]
# Close to both ends, where numbers of 64 bits wrap around, and close together, so that intervals touch and meet.
LOW = st.integers(0, 40)
HIGH = st.integers(LARGEST_ID - 40, LARGEST_ID)
NUMBERS = LOW | HIGH
RANGES = st.one_of(st.tuples(LOW, LOW), st.tuples(HIGH, HIGH)).map(lambda pair: (min(pair), max(pair)))
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), NUMBERS),
        st.tuples(st.just("add_range"), RANGES),
        st.tuples(st.just("add_all"), st.sets(NUMBERS)),
        st.tuples(st.just("discard_range"), RANGES),
    ),
    max_size=12,
)


def column(numbers: Iterable[int]) -> NDArray[np.uint64]:
    return np.array(sorted(numbers), np.uint64)


def made(changes: Changes) -> tuple[IdSet, set[int]]:
    """Return a set and Python's, changed alike; each change says how many it changed."""
    mine = IdSet()
    plain: set[int] = set()
    for name, what in changes:
        if name == "add":
            assert mine.add(what) is (what not in plain)
            plain.add(what)
        elif name == "add_all":
            assert mine.add_all(column(what)) == len(what - plain)
            plain |= what
        else:
            some = set(range(what[0], what[1] + 1))
            expected = len(some - plain) if name == "add_range" else len(some & plain)
            assert getattr(mine, name)(*what) == expected
            plain = plain | some if name == "add_range" else plain - some
    return mine, plain


def all_of(ids: IdSet) -> list[int]:
    found: list[int] = ids.ids(0, 1000).tolist()
    return found


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return the intervals of some numbers."""
    found = groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0])
    return [(run[0][1], run[-1][1]) for run in (list(run) for _, run in found)]


@given(CHANGES)
def test_it_holds_what_pythons_set_holds(changes: Changes) -> None:
    mine, plain = made(changes)
    assert all_of(mine) == sorted(plain)
    assert (mine.count, mine.first, mine.last) == (len(plain), min(plain, default=0), max(plain, default=0))
    assert mine == IdSet(column(plain))


@given(CHANGES)
def test_it_keeps_as_few_intervals_as_can_be(changes: Changes) -> None:
    mine, plain = made(changes)
    firsts, lasts = (np.frombuffer(table, "<u8").tolist() for table in mine.tables())
    assert list(zip(firsts, lasts, strict=True)) == runs(plain)
    assert IdSet.from_tables(*mine.tables()) == mine
    assert IdSet.from_tables(*mine.tables()).count == len(plain)


@given(CHANGES, st.lists(NUMBERS))
def test_it_tells_which_of_some_are_in(changes: Changes, asked: list[int]) -> None:
    mine, plain = made(changes)
    ids = np.array(asked, np.uint64)
    assert mine.contains(ids).tolist() == [number in plain for number in asked]
    assert mine.present(ids).tolist() == [number for number in asked if number in plain]
    assert [number in mine for number in ids] == [number in plain for number in asked]


@given(CHANGES, RANGES)
def test_it_tells_what_is_missing_between(changes: Changes, between: Range) -> None:
    mine, plain = made(changes)
    firsts, lasts = mine.missing(*between)
    assert list(zip(firsts.tolist(), lasts.tolist(), strict=True)) == runs(
        set(range(between[0], between[1] + 1)) - plain
    )


@given(CHANGES, RANGES)
def test_it_yields_what_is_there_between(changes: Changes, between: Range) -> None:
    mine, plain = made(changes)
    assert list(mine.ranges(*between)) == runs(plain & set(range(between[0], between[1] + 1)))
    assert list(mine.ranges()) == runs(plain)


@given(CHANGES, NUMBERS)
def test_it_finds_the_first_in_and_out_from_a_number_on(changes: Changes, start: int) -> None:
    mine, plain = made(changes)
    absent = start
    while absent in plain:
        absent += 1
    assert mine.first_absent(start) == absent
    assert mine.first_present(start) == min((number for number in plain if number >= start), default=None)


@given(CHANGES, NUMBERS, st.integers(0, 12))
def test_it_lists_some_from_a_number_on(changes: Changes, start: int, limit: int) -> None:
    mine, plain = made(changes)
    assert mine.ids(start, limit).tolist() == [number for number in sorted(plain) if number >= start][:limit]


@given(CHANGES, CHANGES)
def test_differences_and_intersections_are_sets_of_their_own(changes: Changes, others: Changes) -> None:
    (mine, plain), (other, plain_other) = made(changes), made(others)
    both, only = mine.intersection(other), mine.difference(other)
    assert (all_of(both), all_of(only)) == (sorted(plain & plain_other), sorted(plain - plain_other))
    assert (both.count, only.count) == (len(plain & plain_other), len(plain - plain_other))
    only.add_range(0, LARGEST_ID)
    assert all_of(mine) == sorted(plain)


@given(CHANGES, RANGES)
def test_a_copy_is_a_set_of_its_own(changes: Changes, more: Range) -> None:
    mine, plain = made(changes)
    copy = mine.copy()
    copy.add_range(*more)
    assert all_of(mine) == sorted(plain)


def test_all_the_ids_there_are() -> None:
    ids = IdSet()
    assert ids.add_range(0, LARGEST_ID) == 2**64
    assert (ids.count, ids.first_absent(7), ids.ids(5, 3).tolist()) == (2**64, 2**64, [5, 6, 7])
    assert ids.missing(0, LARGEST_ID)[0].tolist() == []
    assert not ids.add(LARGEST_ID)
    assert "1" not in ids
    assert ids.difference(ids).count == 0
    assert ids.discard_range(1, LARGEST_ID - 1) == 2**64 - 2
    assert all_of(ids) == [0, LARGEST_ID]


def test_a_stream_without_holes_is_one_interval_however_it_came() -> None:
    ids = IdSet()
    for block in np.split(np.arange(1, 100_001, dtype=np.uint64), 100)[::-1]:
        ids.add_all(block)
    for number in range(100_001, 101_001):
        ids.add(number)
    assert list(map(len, ids.tables())) == [8, 8]
    assert ids.count == 101_000


@pytest.mark.parametrize("numbers", [[1, 1], [2, 1], [1, 5, 4], [1, 3, 2]])
def test_ids_that_do_not_ascend_are_refused(numbers: list[int]) -> None:
    ids = IdSet()
    with pytest.raises(ValueError, match="ascend"):
        ids.add_all(np.array(numbers, np.uint64))
    assert ids.count == 0


@pytest.mark.parametrize("between", [(-1, 3), (5, 4), (0, 2**64)])
@pytest.mark.parametrize("method", ["add_range", "discard_range", "missing"])
def test_what_is_no_range_is_refused(method: str, between: Range) -> None:
    with pytest.raises(ValueError, match="no range"):
        getattr(IdSet(), method)(*between)
    with pytest.raises(ValueError, match="no range"):
        IdSet().add(-1)


@pytest.mark.parametrize("firsts", [[5, 1], [1, 3], [3, 4], [9, 20]])
def test_tables_that_are_none_are_refused(firsts: list[int]) -> None:
    lasts = np.array([2, 8], "<u8").tobytes()
    with pytest.raises(ValueError, match="set of ids"):
        IdSet.from_tables(np.array(firsts, "<u8").tobytes(), lasts)
    with pytest.raises(ValueError, match="set of ids"):
        IdSet.from_tables(b"", lasts)


def test_it_shows_its_intervals() -> None:
    assert repr(IdSet(np.array([1, 2, 3, 7], np.uint64))) == "IdSet(1-3, 7)"
    assert repr(IdSet(np.arange(0, 40, 2, dtype=np.uint64))).endswith("14, …)")
