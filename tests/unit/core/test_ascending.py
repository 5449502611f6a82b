"""Columns of strictly ascending numbers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.ascending import is_same

numbers = st.sets(st.one_of(st.integers(0, 6), st.integers(-(2**63), 2**63 - 1)), max_size=6).map(sorted)


@given(numbers, numbers)
def test_the_same_columns_are_the_same_and_others_are_not(some: list[int], others: list[int]) -> None:
    assert is_same(np.array(some, np.int64), np.array(others, np.int64)) == (some == others)
    assert is_same(np.array(some, np.int64), np.array(some, np.int64))
