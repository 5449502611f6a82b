"""Blocks of an array against the same, one block at a time, in plain NumPy."""

import warnings
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from penstock.errors import SelectionError
from penstock.views.blocks import FEWER, Fewer, blocks_of, chosen, dtype_of_blocks

NUMBERS: dict[Fewer, Callable[[Any], Any]] = {
    "mean": np.nanmean,
    "max": np.nanmax,
    "min": np.nanmin,
    "every": lambda block: block[(0,) * block.ndim],
}
FLOATS = st.floats(-1e6, 1e6, width=32) | st.just(float("nan"))


def one_by_one(array: Any, size: int, fewer: Fewer) -> Any:
    shape = [-(-length // size) for length in array.shape]
    found = np.empty(shape, dtype_of_blocks(fewer, array.dtype))
    for at in product(*map(range, shape)):
        block = array[tuple(slice(k * size, (k + 1) * size) for k in at)]
        with warnings.catch_warnings(action="ignore"):  # of blocks without a number
            found[at] = NUMBERS[fewer](block)
    return found


shapes = npst.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=70).filter(lambda shape: np.prod(shape) < 2000)
floats = st.sampled_from(["f4", "f8"]).flatmap(lambda dtype: npst.arrays(dtype, shapes, elements=FLOATS))
wholes = st.sampled_from(["u1", "i2", "i8", "?"]).flatmap(
    lambda dtype: npst.arrays(dtype, shapes, elements={} if dtype == "?" else {"min_value": 0, "max_value": 200})
)


@given(floats | wholes, st.integers(1, 5) | st.integers(30, 80), st.sampled_from(FEWER))
def test_blocks_are_those_of_numpy(array: Any, size: int, fewer: Fewer) -> None:
    found = blocks_of(array, size, fewer)
    if size == 1:
        assert np.array_equal(found, array, equal_nan=array.dtype.kind == "f")
        return
    expected = one_by_one(array, size, fewer)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert found.flags.c_contiguous
    assert not np.shares_memory(found, array)
    scale = np.nanmax(np.abs(array), initial=1.0) if array.dtype.kind == "f" else 1.0
    assert np.allclose(found, expected, rtol=1e-6, atol=1e-6 * scale, equal_nan=True)


@given(st.integers(0, 999), st.integers(2, 60))
def test_a_thin_peak_stays(at: int, size: int) -> None:
    curve = np.zeros(1000)
    curve[at] = 60.0
    assert blocks_of(curve, size, "max").max() == 60.0
    assert np.isclose((blocks_of(curve, size, "mean")).max(), 60.0 / min(size, 1000 - at // size * size))
    assert blocks_of(-curve, size, "min").min() == -60.0


def test_what_is_no_number_does_not_count() -> None:
    image = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]])
    assert np.array_equal(blocks_of(image, 2, "mean"), [[3.0, np.nan]], equal_nan=True)
    assert np.array_equal(blocks_of(image, 2, "max"), [[5.0, np.nan]], equal_nan=True)


def test_infinities_stay_and_warn_nobody() -> None:
    row = np.array([np.inf, 1.0, np.inf, -np.inf])
    assert np.array_equal(blocks_of(row, 2, "mean"), [np.inf, np.nan], equal_nan=True)
    assert blocks_of(row, 2, "max").tolist() == [np.inf, np.inf]


def test_whole_numbers_do_not_wrap() -> None:
    assert blocks_of(np.full(10, 255, "u1"), 4, "mean").tolist() == [255.0, 255.0, 255.0]
    assert blocks_of(np.full(70, 255, "u1"), 35, "mean").tolist() == [255.0, 255.0]
    assert blocks_of(np.full(4, 60000, "f2"), 2, "mean").tolist() == [60000.0, 60000.0]


@pytest.mark.parametrize(
    ("dtype", "wanted", "is_had"),
    [
        ("f8", None, "mean"),
        ("?", None, "mean"),
        ("c16", None, "mean"),
        ("U5", None, "every"),
        ("M8[s]", None, "every"),
        ("u2", "max", "max"),
        ("S3", "every", "every"),
    ],
)
def test_the_default_goes_by_the_dtype(dtype: str, wanted: Fewer | None, is_had: Fewer) -> None:
    assert chosen(wanted, np.dtype(dtype)) == is_had


@pytest.mark.parametrize(("dtype", "wanted"), [("U5", "mean"), ("U5", "min"), ("c16", "max")])
def test_what_has_no_order_has_no_largest(dtype: str, wanted: Fewer) -> None:
    with pytest.raises(SelectionError, match=f"there is no {wanted}"):
        chosen(wanted, np.dtype(dtype))
