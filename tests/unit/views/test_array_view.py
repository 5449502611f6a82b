"""A view equals the array one would have kept, and notes what was touched."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.views import ArrayView, Axis


def test_a_view_begins_filled() -> None:
    view = ArrayView((2, 3), fill=np.nan, unit="counts", axes=("y", "x"), title="map")
    assert np.isnan(view.array).all()
    assert view.attributes == {"unit": "counts", "title": "map", "axes": ["y", "x"]}
    assert ArrayView((2,)).attributes == {}


def test_the_array_is_read_only() -> None:
    view = ArrayView((2,))
    with pytest.raises(ValueError, match="read-only"):
        view.array[0] = 1


def test_what_is_set_and_added() -> None:
    view = ArrayView((2, 3), "i8")
    view.set((1, 2), 5)
    view.add((1, 2), 2)
    view.add(0, [1, 2, 3])
    assert view.array.tolist() == [[1, 2, 3], [0, 0, 7]]
    assert view.version == 3


def test_an_element_named_twice_counts_twice() -> None:
    view = ArrayView((3,), "i8")
    view.add(np.array([1, 1, 2]), 1)
    assert view.array.tolist() == [0, 2, 1]


@pytest.mark.parametrize("dtype", ["u1", "i8"])
def test_whole_numbers_do_not_take_others(dtype: str) -> None:
    view = ArrayView((None,), dtype)
    for write in (view.append, lambda value: view.set(0, value), lambda value: view.add(0, value)):
        with pytest.raises(TypeError, match=r"cannot hold 1\.5; declare it as float, or round"):
            write(1.5)
    assert len(view) == 0


def test_whole_numbers_take_whole_numbers() -> None:
    view = ArrayView((2,), "u4")
    view.add(0, 3)
    view.add(..., np.array([1, 2], "i8"))
    assert view.array.tolist() == [4, 2]


def test_a_number_may_be_a_view() -> None:
    view = ArrayView((), "i8")
    view.add(..., 3)
    assert view.array == 3
    assert view.shape == ()


@given(st.lists(st.integers(-1000, 1000), max_size=300))
def test_a_growing_view_holds_all_that_was_appended(values: list[int]) -> None:
    view = ArrayView((None, 2), "i8")
    for value in values:
        view.append((value, -value))
    assert view.array.tolist() == [[value, -value] for value in values]
    assert view.take_touched() == range(len(values))
    assert len(view) == view.version == len(values)


def test_a_growing_view_may_be_set_beyond_its_end() -> None:
    view = ArrayView((None,), fill=np.nan)
    view.set(200, 7.0)
    assert len(view) == 201
    assert np.isnan(view.array[:200]).all()
    assert view.array[200] == 7.0


def test_what_a_reader_holds_stays_when_a_view_grows() -> None:
    view = ArrayView((None,), "i8")
    view.append(1)
    before = view.array
    for value in range(1000):
        view.append(value)
    assert before.tolist() == [1]


def test_a_row_of_another_shape_leaves_no_row() -> None:
    view = ArrayView((None, 2))
    with pytest.raises(ValueError, match="broadcast"):
        view.append([1, 2, 3])
    assert len(view) == 0


def test_a_fixed_view_does_not_grow() -> None:
    view = ArrayView((3,))
    with pytest.raises(ValueError, match=r"declare it with shape \(None, …\)"):
        view.append(1)
    with pytest.raises(IndexError):
        view.set(3, 1)
    assert view.version == 0


INDEX = st.one_of(
    st.integers(-8, 7),
    st.tuples(st.integers(-8, 7), st.integers(0, 2)),
    st.slices(8),
    st.just(...),
    st.lists(st.integers(0, 7), min_size=1, max_size=5).map(np.array),
    st.lists(st.booleans(), min_size=8, max_size=8).map(np.array),
)


@given(st.lists(st.tuples(INDEX, st.integers(1, 9), st.booleans()), max_size=8))
def test_touched_rows_hold_every_change(changes: list[tuple[Any, int, bool]]) -> None:
    view, expected = ArrayView((8, 3), "i8"), np.zeros((8, 3), "i8")
    follower = view.array.copy()
    for index, value, is_set in changes:
        if is_set:
            view.set(index, value)
            expected[index] = value
        else:
            view.add(index, value)
            np.add.at(expected, index, value)
        rows = view.take_touched()
        follower[rows.start : rows.stop] = view.array[rows.start : rows.stop]
        assert follower.tolist() == expected.tolist() == view.array.tolist()
    assert view.take_touched() == range(0)


def test_touched_rows_are_few() -> None:
    view = ArrayView((100, 3))
    view.set((7, 1), 1)
    view.add(9, 1)
    assert view.take_touched() == range(7, 10)


@pytest.mark.parametrize(
    ("shape", "axes", "text"),
    [
        ((2, 3), ("y",), "1 axes for 2 dimensions"),
        ((2, None), (), "only the first dimension may grow"),
        ((2,), (Axis("x", values=np.arange(3)),), 'axis "x" has 3 values for a length of 2'),
    ],
)
def test_declarations_that_contradict_themselves(shape: Any, axes: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ArrayView(shape, axes=axes)


def test_a_copy_no_longer_follows() -> None:
    view = ArrayView((None,), unit="V", title="t")
    view.append(1)
    copy = view.copy()
    view.append(2)
    assert copy.array.tolist() == [1]
    assert (copy.unit, copy.title, copy.version, copy.grows) == ("V", "t", 1, True)


def test_numpy_takes_a_view_as_an_array() -> None:
    view = ArrayView((2,), "i8")
    view.set(0, 3)
    assert np.sum(view) == 3
    assert np.array(view, "f4").dtype == np.float32
