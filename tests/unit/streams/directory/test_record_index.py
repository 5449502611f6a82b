"""Blocks are found by position, id and time whatever the order of their ids: as by looking at each of them."""

from itertools import accumulate
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from penstock.streams.directory import record_index
from penstock.streams.directory.record_index import RecordIndex
from penstock.streams.segment import RECORD

Span = tuple[int, int, int]
"""First id, last id, messages."""


@pytest.fixture(autouse=True, scope="module")
def short_tail() -> Any:
    """So that a few blocks are enough to be sorted and to be behind the sorting."""
    patch = pytest.MonkeyPatch()
    patch.setattr(record_index, "_TAIL", 3)
    yield
    patch.undo()


def spans(ascending: bool) -> st.SearchStrategy[list[Span]]:
    one = st.tuples(st.integers(1, 40), st.integers(0, 10), st.integers(1, 5)).map(lambda s: (s[0], s[0] + s[1], s[2]))
    if not ascending:
        return st.lists(one, max_size=12)
    gaps = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 5), st.integers(1, 5)), max_size=12)
    return gaps.map(put_in_a_row)


def put_in_a_row(gaps: list[Span]) -> list[Span]:
    found: list[Span] = []
    at = 0
    for gap, length, rows in gaps:
        found.append((at + gap, at + gap + length, rows))
        at += gap + length
    return found


def records(made: list[Span]) -> NDArray[Any]:
    found = np.zeros(len(made), RECORD)
    ends = [0, *accumulate(rows for _, _, rows in made)]
    for row, (first, last, rows) in enumerate(made):
        found[row]["first_id"], found[row]["last_id"], found[row]["rows"] = first, last, rows
        found[row]["position"] = ends[row]
        found[row]["first_ns"], found[row]["last_ns"] = first * 10, last * 10
    return found


@given(
    st.booleans().flatmap(spans), st.lists(st.integers(1, 4), max_size=12), st.integers(0, 60), st.integers(0, 60),
    st.integers(0, 5),
)  # fmt: skip
def test_it_finds_what_looking_at_each_finds(
    made: list[Span], cuts: list[int], first: int, last: int, gone: int
) -> None:
    index, all_records, at, segment = RecordIndex(), records(made), 0, 1
    segments: list[int] = []
    for cut in [*cuts, len(made)]:
        index.add(all_records[at : at + cut], segment)
        index.overlapping(first, last)  # whatever was asked before changes nothing
        segments += [segment] * len(made[at : at + cut])
        at, segment = at + cut, segment + 1
    index.drop(gone)
    there = [number for number in range(len(made)) if segments[number] >= gone]
    by_id = [n for n in there if made[n][0] <= last and made[n][1] >= first]
    found = index.overlapping(first, last)
    assert sorted(found) == (by_id if first <= last else [])
    assert [made[n][0] for n in found] == sorted(made[n][0] for n in found)
    assert index.within(first * 10, last * 10) == by_id
    assert len(index) == len(there)
    assert index.last_id == max((span[1] for span in made), default=0)
    assert index.first_id == min((made[n][0] for n in there), default=0)
    assert index.end == sum(rows for _, _, rows in made)
    assert index.count == sum(made[n][2] for n in there)
    behind = [n for n in there if int(all_records[n]["position"]) + made[n][2] > first]
    assert index.at(first) == (behind[0] if behind else index.stop)
    for number in there:
        assert index.segment(number) == segments[number]
        assert index.header(number).first_id == made[number][0]
    for one in range(1, segment):
        assert list(index.of_segment(one)) == [n for n in range(len(made)) if segments[n] == one]
