"""Results that only name pieces: whatever is taken and gathered, what a reader picks is what lists would give."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.block import Rows
from penstock.core.resequencer import Resequencer
from penstock.core.result_range import ResultRange
from penstock.services.custody import HeldPiece
from penstock.services.far_results import FarResults, picked
from penstock.services.flow import with_values
from penstock.wire.envelopes import Picked
from penstock.wire.results import ResultsDescriptor, pack_results
from penstock.wire.slots import Slot

Values = list[str | None]


def piece(number: int, n: int, slot: Slot | None = None) -> HeldPiece:
    """Return a piece each of whose values says its piece and its row."""
    values = [value_of(number, row) for row in range(n)]
    (packed,) = pack_results(ResultRange(stage="fit", numbers=np.arange(n), values=values), 0)
    found = packed.descriptor()
    if slot is not None:
        found = ResultsDescriptor("fit", found.numbers, found.form, body=found.body, slot=slot, slot_bytes=4096)
    return HeldPiece(number, found, lambda *gone: None)


def value_of(number: int, row: int) -> str:
    return f"{number}.{row}"


def looked_up(values: FarResults) -> Values:
    """Return what each row is, as its piece says."""
    n = len(values)
    which = np.zeros(n, np.int32) if values.which is None else values.which
    rows = np.arange(n) + values.rows.start if isinstance(values.rows, slice) else values.rows
    present = np.ones(n, np.bool_) if values.present is None else values.present
    assert len(which) == len(rows) == len(present) == n
    return [
        value_of(values.pieces[k].number, row) if there else None
        for k, row, there in zip(which.tolist(), rows.tolist(), present.tolist(), strict=True)
    ]


Both = tuple[FarResults, Values]
"""Far, and as a list."""


@st.composite
def whole_pieces(draw: st.DrawFn, number: int) -> Both:
    """What one worker gave: some rows of it without a value."""
    n = draw(st.integers(1, 12))
    bits = draw(st.none() | st.integers(0, 2**n - 1))
    present = None if bits is None else np.array([bool(bits >> row & 1) for row in range(n)])
    values: Values = [value_of(number, row) if present is None or present[row] else None for row in range(n)]
    return FarResults([piece(number, n)], slice(0, n), None, present), values


@st.composite
def some_rows(draw: st.DrawFn, n: int) -> Rows:
    """A run of rows, or some of them one by one."""
    start = draw(st.integers(0, n))
    run = slice(start, draw(st.integers(start, n)))
    bits = draw(st.none() | st.integers(0, 2**n - 1))
    return run if bits is None else np.flatnonzero([bool(bits >> row & 1) for row in range(n)])


def taken(values: Values, rows: Rows) -> Values:
    return values[rows] if isinstance(rows, slice) else [values[row] for row in rows.tolist()]


@st.composite
def columns(draw: st.DrawFn) -> Both:
    """Rows of several pieces, after any cutting and putting together."""
    given = [draw(whole_pieces(number)) for number in range(1, draw(st.integers(1, 3)) + 1)]
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            k = draw(st.integers(0, len(given) - 1))
            far, near = given[k]
            rows = draw(some_rows(len(near)))
            given[k] = far.take(rows), taken(near, rows)
        else:
            given.append(draw(gathered(given)))
    return given[-1]


@st.composite
def gathered(draw: st.DrawFn, given: Sequence[Both]) -> Both:
    """Rows of several columns, and of one without values, in any order that keeps each column's own."""
    places = [(k, row) for k, (_, near) in enumerate(given) for row in range(len(near))]
    places += [(len(given), row) for row in range(draw(st.integers(0, 2)))]
    order = np.random.default_rng(draw(st.integers(0, 9999))).permutation(len(places)).tolist()
    order = order[: draw(st.integers(0, len(places)))]
    chosen = [places[at] for at in order]
    owners = np.array([k for k, _ in chosen], np.int32)
    rows = np.array([row for _, row in chosen], np.int32)
    for k in range(len(given) + 1):  # rows of one column ascend, as in ranges of results
        rows[owners == k] = np.sort(rows[owners == k])
    far = FarResults.gathered([*(column for column, _ in given), None], owners, rows)
    near = [
        None if k == len(given) else given[k][1][row] for k, row in zip(owners.tolist(), rows.tolist(), strict=True)
    ]
    return far, near


@given(columns())
def test_they_are_what_lists_would_be(both: Both) -> None:
    far, near = both
    assert len(far) == len(near)
    assert looked_up(far) == near


@given(columns(), st.data())
def test_rows_taken_are_those_of_a_list(both: Both, data: st.DataObject) -> None:
    far, near = both
    rows = data.draw(some_rows(len(near)))
    assert looked_up(far.take(rows)) == taken(near, rows)


def results(far: FarResults, **more: Any) -> ResultRange:
    return ResultRange(stage="fit", numbers=np.arange(5, 5 + len(far)), values=far, **more)


def read(found: Picked | ResultsDescriptor, pieces: Sequence[HeldPiece]) -> Values:
    """Return what a reader who has the pieces picks."""
    assert isinstance(found, Picked)
    assert tuple(held.number for held in pieces) == found.pieces
    which = np.zeros(found.rows.size, np.int64) if found.which is None else found.which.array()
    columns: list[Any] = [held.results.read(_no_slot).values for held in pieces]
    return [columns[k][row] for k, row in zip(which.tolist(), found.rows.array().tolist(), strict=True)]


def _no_slot(slot: Slot, nbytes: int) -> Any:
    raise AssertionError("all of these are small")


@given(columns())
def test_a_reader_picks_the_same(both: Both) -> None:
    far, near = both
    flow = with_values(results(far, revision=3, lane="high"))
    assert isinstance(flow, ResultRange)
    expected = [value for value in near if value is not None]
    assert len(flow) == len(expected)
    if len(flow):
        found, pieces = picked(flow)
        assert isinstance(found, Picked)
        assert read(found, pieces) == expected
        assert found.numbers.array().tolist() == [5 + row for row, value in enumerate(near) if value is not None]
        assert (found.stage, found.lane, found.revision, found.copies) == ("fit", "high", 3, None)


@given(columns())
def test_a_reader_is_sent_no_piece_of_which_it_picks_nothing(both: Both) -> None:
    flow = with_values(results(both[0]))
    assert isinstance(flow, ResultRange)
    if len(flow) and isinstance(flow.values, FarResults) and flow.values.which is not None:
        found, pieces = picked(flow)
        assert isinstance(found, Picked)
        used = {int(value.partition(".")[0]) for value in looked_up(flow.values) if value is not None}
        assert {held.number for held in pieces} == used
        assert (found.which is None) == (len(pieces) == 1)


@given(st.lists(whole_pieces(1).map(lambda both: len(both[1])), min_size=1, max_size=5), st.randoms())
def test_any_order_of_arrival_is_picked_in_the_order_of_the_events(sizes: list[int], random: Any) -> None:
    ends = np.cumsum([0, *sizes]).tolist()
    owner = [number for number, n in enumerate(sizes) for _ in range(n)]
    random.shuffle(owner)
    ranges = []
    for number, n in enumerate(sizes):
        mine = np.array([event for event, of in enumerate(owner) if of == number], np.int64)
        far = FarResults([piece(number, n)], slice(0, n))
        ranges.append(ResultRange(stage="fit", numbers=mine, values=far))
    random.shuffle(ranges)
    resequencer = Resequencer()
    resequencer.expect(np.arange(ends[-1]))
    left = [flow for each in ranges for flow in resequencer.handle(each)]
    values = [value for flow in left for value in read(*picked(flow))]
    rows = [0] * len(sizes)
    expected = []
    for number in owner:
        expected.append(value_of(number, rows[number]))
        rows[number] += 1
    assert values == expected


def test_copies_travel_with_their_rows() -> None:
    far = FarResults([piece(1, 3)], slice(0, 3))
    found, _ = picked(results(far, copies=np.array([0, 2, 1], np.int32)))
    assert found.copies is not None
    assert found.copies.array().tolist() == [0, 2, 1]


def test_a_run_of_one_piece_needs_no_numbers() -> None:
    far = FarResults([piece(7, 100)], slice(20, 90))
    found, pieces = picked(results(far))
    assert isinstance(found, Picked)
    assert ([held.number for held in pieces], found.which) == ([7], None)
    assert (found.rows.size, found.rows.first, found.rows.step, found.rows.item) == (70, 20, 1, 0)


def test_what_goes_on_as_it_came_is_described_as_it_came() -> None:
    one, numbers = piece(1, 4), np.arange(4)
    whole = ResultRange(stage="fit", numbers=numbers, values=FarResults([one], slice(0, 4), None, None, numbers))
    assert picked(whole) == (one.results, ())
    for other in (
        whole.take(slice(1, 3)),
        msgspec.structs.replace(whole, numbers=numbers + 1),  # as a merge does
        ResultRange(stage="fit", numbers=numbers, values=FarResults([one], slice(0, 4))),
    ):
        found, pieces = picked(other)
        assert isinstance(found, Picked)
        assert (found.numbers.array().tolist(), pieces) == (other.numbers.tolist(), (one,))


def test_what_lies_in_a_slot_is_not_small() -> None:
    slot = Slot("w results", 1, 0)
    small, large = piece(1, 2), piece(2, 2, slot)
    assert FarResults([small], slice(0, 2)).is_small
    both = FarResults([small, large], np.array([0, 1]), np.array([0, 1], np.int32))
    assert not both.is_small
    assert both.nbytes == small.nbytes + large.nbytes > 4096


def test_rows_without_a_value_are_left_out_before() -> None:
    far = FarResults([piece(1, 2)], slice(0, 2), None, np.array([True, False]))
    with pytest.raises(AssertionError, match="left out before"):
        picked(results(far))
