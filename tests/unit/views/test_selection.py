"""Parts of arrays, written as text: the same elements as NumPy's own brackets give, known before anything is copied."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import SelectionError
from penstock.views.selection import coarser, selected_shape, selection

numbers = st.none() | st.integers(-12, 12)
slices = st.builds(slice, numbers, numbers, st.none() | st.integers(-4, 4).filter(bool))


def written(item: Any) -> str:
    if not isinstance(item, slice):
        return str(item)
    parts = [item.start, item.stop, *([] if item.step is None else [item.step])]
    return ":".join("" if part is None else str(part) for part in parts)


@st.composite
def cases(draw: Any) -> tuple[tuple[int, ...], list[Any]]:
    shape = tuple(draw(st.lists(st.integers(0, 9), max_size=4)))
    count = draw(st.integers(0, len(shape)))
    items = [draw(slices | st.integers(-length, length - 1)) if length else draw(slices) for length in shape[:count]]
    return shape, items


@given(cases(), st.sampled_from([",", " , "]))
def test_it_selects_what_numpy_selects(case: tuple[tuple[int, ...], list[Any]], comma: str) -> None:
    shape, items = case
    array = np.arange(int(np.prod(shape))).reshape(shape)
    index = selection(comma.join(map(written, items)), shape)
    expected = array[tuple(items)]
    assert np.array_equal(array[index], expected)
    assert selected_shape(index, shape) == expected.shape


@given(cases(), st.integers(1, 50))
def test_coarser_is_small_enough_and_takes_every_so_manieth(case: Any, most: int) -> None:
    shape, items = case
    array = np.arange(int(np.prod(shape))).reshape(shape)
    index = selection(",".join(map(written, items)), shape)
    widened, every = coarser(index, shape, most)
    whole = array[index]
    assert array[widened].size <= most or whole.size <= most
    assert np.array_equal(array[widened], whole[(slice(None, None, every),) * whole.ndim])
    assert every == 1 or whole.size > most


def test_an_ellipsis_stands_for_all_dimensions_between() -> None:
    array = np.arange(120).reshape(2, 3, 4, 5)
    for text, expected in (
        ("...,1", array[..., 1]),
        ("1,...", array[1, ...]),
        ("1,...,2", array[1, ..., 2]),
        ("...", array),
        (":,...,:", array),
    ):
        assert np.array_equal(array[selection(text, array.shape)], expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a", "selects nothing"),
        ("1.5", "selects nothing"),
        ("1:2:3:4", "selects nothing"),
        ("::0", "step of 0"),
        ("1,2,3", "3 entries for 2 dimensions"),
        ("4", "4 is outside dimension 0, which has 4"),
        ("0,-6", "-6 is outside dimension 1"),
        ("...,...", "more than one"),
        (",", "selects nothing"),
        ("1" * 30, "selects nothing"),
        ("[0]", "selects nothing"),
        ("None", "selects nothing"),
    ],
)
def test_what_is_not_written_so_is_refused(text: str, said: str) -> None:
    with pytest.raises(SelectionError, match=said):
        selection(text, (4, 5))
