"""Whole numbers of a batch: any come back, in few bytes; what bytes claim is bounded."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import RemoteProtocolError
from penstock.wire.integers import MAX_INTEGERS, Integers, encode_integers

whole = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(whole | st.integers(-3, 300), max_size=20))
def test_any_come_back(numbers: list[int]) -> None:
    data = msgspec.msgpack.encode(encode_integers(np.array(numbers, np.int64)))
    assert msgspec.msgpack.decode(data, type=Integers).array().tolist() == numbers


@given(st.sets(whole | st.integers(-3, 300), max_size=20))
def test_ascending_ones_come_back(numbers: set[int]) -> None:
    column = encode_integers(np.array(sorted(numbers), np.int64), is_ascending=True)
    assert column.array().tolist() == sorted(numbers)


@given(whole, st.integers(-(2**70), 2**70), st.integers(0, 30))
def test_a_progression_needs_no_bytes(first: int, step: int, n: int) -> None:
    numbers = [first + step * k for k in range(n)]
    if all(-(2**63) <= number < 2**63 for number in [step, *numbers]):
        column = encode_integers(np.array(numbers, np.int64))
        assert not len(column.data)
        assert column.array().tolist() == numbers


def test_each_needs_as_many_bytes_as_its_distance() -> None:
    for span, item in ((255, 1), (256, 2), (65_535, 2), (65_536, 4), (2**32 - 1, 4), (2**32, 8)):
        assert encode_integers(np.array([-5, -4, -5 + span])).item == item


@pytest.mark.parametrize(
    "column",
    [
        Integers(MAX_INTEGERS + 1, 0, 1),
        Integers(2**62),
        Integers(3, 2**63 - 1, 1),
        Integers(3, 0, -(2**63)),
        Integers(3, 0, 0, 2, memoryview(b"12345")),
        Integers(3, 0, 0, 3, memoryview(b"123456789")),
        Integers(0, 0, 0, 2),
        Integers(3, 0, 1, 0, memoryview(b"1")),
    ],
)
def test_what_makes_no_sense_is_refused(column: Integers) -> None:
    with pytest.raises(RemoteProtocolError):
        column.array()
