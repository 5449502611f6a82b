"""A plain value comes back from its message as it was, also when a block of them was written down in between."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Message
from penstock.core.block_builder import BlockBuilder
from penstock.elements.plain_message import is_plain, plain_message, value_of, values_of
from penstock.wire.layout import measure, read_block, write_block

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5) | st.binary(max_size=5)
ARRAYS = st.builds(lambda n, dtype: np.arange(n, dtype=dtype), st.integers(0, 4), st.sampled_from(["u1", "i8", "f4"]))
KEYS = st.text(max_size=3) | st.sampled_from(["value", "buffers", "penstock:plain"]) | st.integers(0, 3)
VALUES = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=6,
)


def written(value: Any) -> Any:
    """Return a value with arrays as what can be compared."""
    if isinstance(value, np.ndarray):
        return "array", value.dtype.str, value.shape, value.tolist()
    if isinstance(value, list | tuple):
        return type(value), [written(each) for each in value]
    return {key: written(each) for key, each in value.items()} if isinstance(value, dict) else (type(value), value)


@given(VALUES)
def test_a_value_comes_back(value: Any) -> None:
    assert written(value_of(plain_message(value))) == written(value)


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_values_come_back_from_a_block_in_a_slot(values: list[Any]) -> None:
    builder = BlockBuilder("s")
    builder.add_all(map(plain_message, values), 0)
    found = []
    for block in builder.close():
        assert is_plain(block)
        slot = np.zeros(measure(block), np.uint8)
        found += list(values_of(read_block(write_block(block, slot), slot, "s")))
    assert written(found) == written(values)


def test_a_message_stays_one() -> None:
    message = Message(key=3, metadata={"value": 1})
    assert plain_message(message) is message
    assert value_of(message) is message


@pytest.mark.parametrize("make", [lambda array: array, lambda array: {"a": array}])
def test_an_array_that_is_filled_again_is_not_followed(make: Any) -> None:
    array = np.zeros(3)
    message = plain_message(make(array))
    array[:] = 1
    assert message.array.tolist() == [0, 0, 0]
