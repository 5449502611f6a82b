"""Values that lie elsewhere: whatever is chosen of them and put in an order, it is what lists would give."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from penstock.core.block import Rows
from penstock.core.resequencer import Resequencer
from penstock.core.result_range import FarValues, ResultRange, gather


class Far(FarValues):
    """Values of which only this test knows what they are."""

    def __init__(self, hidden: Sequence[Any], present: NDArray[np.bool_] | None) -> None:
        self.hidden = list(hidden)
        self.present = present

    def __len__(self) -> int:
        return len(self.hidden)

    def take(self, rows: Rows) -> Self:
        chosen = self.hidden[rows] if isinstance(rows, slice) else [self.hidden[row] for row in rows.tolist()]
        return type(self)(chosen, None if self.present is None else self.present[rows])

    @classmethod
    def gathered(cls, columns: Sequence[Self | None], piece: NDArray[np.int32], row: NDArray[np.int32]) -> Self:
        found = [columns[p] for p in piece.tolist()]
        hidden = [None if column is None else column.hidden[r] for column, r in zip(found, row.tolist(), strict=True)]
        return cls(hidden, np.array([value is not None for value in hidden]))


def far(values: Any) -> Far | None:
    if values is None:
        return None
    has_value = np.array([value is not None for value in values], np.bool_)
    return Far(values, None if has_value.all() else has_value)


def elsewhere(results: ResultRange) -> ResultRange:
    """Return the same results with their values out of reach."""
    return ResultRange(
        stage=results.stage, numbers=results.numbers, values=far(results.values), revision=results.revision,
        copies=results.copies, lane=results.lane, arrived_ns=results.arrived_ns,
    )  # fmt: skip


def seen(results: Sequence[ResultRange]) -> list[tuple[int, Any, int]]:
    """Number, value and revision of each result, also of those that lie elsewhere."""
    found = []
    for each in results:
        values: Any = each.values
        if values is None:
            values = [None] * len(each)
        elif isinstance(values, Far):
            present = np.ones(len(values), np.bool_) if values.present is None else values.present
            assert len(present) == len(values.hidden) == len(each)
            values = [value if there else None for value, there in zip(values.hidden, present, strict=True)]
        found += [(n, value, each.revision) for n, value in zip(each.numbers.tolist(), values, strict=True)]
    return found


def test_they_are_not_looked_at() -> None:
    values: Any = far([1, 2])
    for row in (0, slice(0, 1), -1):
        with pytest.raises(TypeError, match="lie in another process"):
            values[row]
    with pytest.raises(TypeError, match="lie in another process"):
        list(values)


@st.composite
def cut_ranges(draw: st.DrawFn) -> list[ResultRange]:
    """Results of ascending events, dealt out over several ranges: in runs, or one by one."""
    n, m = draw(st.integers(1, 80)), draw(st.integers(1, 4))
    numbers = np.cumsum(draw(st.lists(st.integers(1, 3), min_size=n, max_size=n)))
    owner = np.array(draw(st.lists(st.integers(0, m - 1), min_size=n, max_size=n)))
    if draw(st.booleans()):
        owner = np.sort(owner)
    return [range_of(draw, numbers[owner == k]) for k in range(m) if (owner == k).any()]


def range_of(draw: st.DrawFn, numbers: NDArray[np.int64]) -> ResultRange:
    kind = draw(st.sampled_from(["all", "all", "some", "none"]))
    values: list[Any] | None = [f"v{number}" for number in numbers.tolist()]
    if kind == "some":
        values = [value if k % 3 else None for k, value in enumerate(values or ())]
    return ResultRange(
        stage="fit", numbers=numbers, values=None if kind == "none" else values, revision=draw(st.integers(0, 1))
    )


@given(cut_ranges(), st.data())
def test_rows_taken_are_those_of_a_list(ranges: list[ResultRange], data: st.DataObject) -> None:
    whole = ranges[0]
    start = data.draw(st.integers(0, len(whole)))
    rows: list[Rows] = [slice(start, data.draw(st.integers(start, len(whole))))]
    rows.append(np.array(sorted(data.draw(st.sets(st.integers(0, len(whole) - 1)))), np.intp))
    for some in rows:
        assert seen([elsewhere(whole).take(some)]) == seen([whole.take(some)])
        assert elsewhere(whole).take(some).revision == whole.revision


@given(cut_ranges())
def test_gathered_they_are_those_of_lists(ranges: list[ResultRange]) -> None:
    numbers = np.concatenate([each.numbers for each in ranges])
    order = np.argsort(numbers)
    piece = np.concatenate([np.full(len(each), k, np.int32) for k, each in enumerate(ranges)])[order]
    row = np.concatenate([np.arange(len(each), dtype=np.int32) for each in ranges])[order]
    near = gather(ranges, piece, row, numbers[order])
    there = gather([elsewhere(each) for each in ranges], piece, row, numbers[order])
    assert seen(there) == seen(near)
    assert [len(each) for each in there] == [len(each) for each in near]
    assert all(each.values is None or isinstance(each.values, Far) for each in there)


@given(cut_ranges(), st.randoms(use_true_random=False), st.sampled_from(["kept", "free"]))
def test_the_resequencer_gives_them_the_order_that_it_gives_lists(
    ranges: list[ResultRange], random: Any, order: Any
) -> None:
    arriving = list(ranges)
    random.shuffle(arriving)
    numbers = np.sort(np.concatenate([each.numbers for each in ranges]))
    left: list[list[tuple[int, Any, int]]] = []
    for form in (lambda each: each, elsewhere):
        resequencer = Resequencer(order)
        resequencer.expect(numbers)
        left.append([each for part in arriving for each in seen(resequencer.handle(form(part)))])
        assert resequencer.waiting == 0
    assert left[0] == left[1]
    if order == "kept":
        assert [number for number, *_ in left[1]] == numbers.tolist()
