"""Many values at once are the bytes that they are one by one."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ResultTypeError
from penstock.wire.plain import encode_all
from penstock.wire.values import decode_value, encode_value

scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=4) | st.binary()
odd = st.sampled_from([(1, 2), {3}, 1j, np.float64(1.5), np.uint8(3), [[1], [2]], [(1,)], {"a": {"b": [1]}}, [None]])
values = st.dictionaries(st.text(max_size=3) | st.integers(), scalars | st.lists(scalars, max_size=3) | odd, max_size=4)


@given(st.lists(st.none() | scalars | values, max_size=6))
def test_many_are_written_as_one_list_is(many: list[Any]) -> None:
    assert encode_all(many) == encode_value(many)


@given(st.lists(st.fixed_dictionaries({"a": scalars | odd, "b": scalars}, optional={"c": scalars}), max_size=6))
def test_many_with_the_same_keys_are_written_as_one_list_is(many: list[Any]) -> None:
    assert encode_all(many) == encode_value(many)


leaves = scalars | st.lists(scalars, max_size=2) | odd
nested = st.recursive(leaves, lambda inner: st.dictionaries(st.sampled_from("ab") | st.just(1), inner, max_size=2))


@given(st.lists(st.fixed_dictionaries({"a": nested, "b": nested}), max_size=4))
def test_nested_ones_are_written_as_one_list_is(many: list[Any]) -> None:
    assert encode_all(many) == encode_value(many)


def test_deep_ones_and_one_that_holds_itself_are_left_to_whoever_walks() -> None:
    deep: Any = 1
    for _ in range(20):
        deep = {"x": deep}
    assert encode_all([deep, deep]) == encode_value([deep, deep])
    deep = {}
    deep["x"] = deep
    with pytest.raises(ResultTypeError):
        encode_all([deep])


@pytest.mark.parametrize("bad", [object(), [1, object()]])
def test_what_cannot_travel_is_refused(bad: Any) -> None:
    with pytest.raises(ResultTypeError):
        encode_all([{"shape": [1, 2]}, {"shape": bad}])


def test_lists_come_back() -> None:
    heads = [{"frame": n, "shape": [16, n], "type": "uint16"} for n in range(100)]
    assert decode_value(encode_all(heads)) == heads
