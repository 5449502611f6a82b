"""What a parallel stage and its workers say: it comes back as it was, and what cannot travel is named."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.wire.steps import (
    Answered,
    Closed,
    End,
    Failed,
    Made,
    Recall,
    Returned,
    Set,
    Work,
    cannot_travel,
    decode,
    decode_values,
    encode,
    encode_values,
)

PLAIN = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text() | st.binary()
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner), max_leaves=8
)


@dataclass
class Hit:
    x: int
    tags: list[str]


@given(st.lists(VALUES, max_size=5))
def test_items_come_back(values: list[Any]) -> None:
    assert decode_values(msgspec.Raw(encode_values(values)), len(values)) == values


def test_data_classes_and_arrays_come_back_and_may_be_changed() -> None:
    hit, image = decode_values(msgspec.Raw(encode_values([Hit(3, ["a"]), np.arange(4.0)])), 2)
    image[0] = 7
    assert hit == Hit(3, ["a"])
    assert image.tolist() == [7.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (len, "is a builtin_function_or_method, which cannot travel between processes"),
        ({"f": [len]}, "['f'][0] is a builtin_function_or_method, which cannot travel"),
        (np.array([len]), "is an array of Python objects"),
        ("\ud800", "cannot be written"),
    ],
)
def test_what_cannot_travel_is_named(value: Any, why: str) -> None:
    assert why in cannot_travel(value)
    with pytest.raises(ResultTypeError):
        encode_values([1, value])
    assert cannot_travel(1) == ""


@pytest.mark.parametrize("message", [Work(1, msgspec.Raw(b"\x91\x01")), Set(b"\x80"), End(), Recall()])
def test_words_to_a_worker(message: Any) -> None:
    assert decode(encode(message), "worker") == message


@pytest.mark.parametrize(
    "message",
    [
        Made(),
        Returned(3),
        Closed("x"),
        Answered(1, msgspec.Raw(b"\x91\x01"), 5, [(1, 0, 0, 1, 5, 5)], [0], [Failed("c", "t", "i")], "no"),
    ],
)
def test_words_of_a_worker(message: Any) -> None:
    assert decode(encode(message), "stage") == message


@pytest.mark.parametrize("data", [b"", b"\xc1", encode(Made()), b"\x92\xa4Work\x01"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="do not understand each other"):
        decode(data, "worker")


def test_another_number_of_items_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="3 items were announced"):
        decode_values(msgspec.Raw(encode_values([1, 2])), 3)
