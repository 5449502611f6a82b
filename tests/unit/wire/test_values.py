"""Values as bytes: everything on the closed list comes back as it was, everything else is refused."""

import gc
import sys
import weakref
from collections import namedtuple
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import Ext

from penstock.core import Kind, Message
from penstock.core.codecs import encoded
from penstock.core.encoded_message import encoded_message
from penstock.core.values import check_value
from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.wire.values import decode_value, encode_value
from tests.unit.wire.value_cases import Peak, same, values

Point = namedtuple("Point", "x")


@given(values)
def test_what_may_be_returned_comes_back_as_it_was(value: Any) -> None:
    check_value(value, "stages.fit")
    assert same(decode_value(encode_value(value)), value)


def test_arrays_are_views_of_the_bytes() -> None:
    array = decode_value(encode_value({"a": np.arange(1000)}))["a"]
    assert not array.flags.owndata
    assert not array.flags.writeable


@pytest.mark.parametrize(
    "dtype",
    [
        np.dtype([("x", "<i2"), ("y", ">f8")], align=True),
        np.dtype({"names": ["a"], "formats": ["<i4"], "offsets": [8]}),
    ],
)
def test_padded_structures_keep_their_layout(dtype: np.dtype[Any]) -> None:
    array = np.zeros(3, dtype)
    assert decode_value(encode_value(array)).dtype == dtype
    assert same(decode_value(encode_value(array[0])), array[0])


def test_a_transposed_array_comes_back_with_the_same_content() -> None:
    array = np.arange(6).reshape(2, 3).T
    assert (decode_value(encode_value(array)) == array).all()


def test_a_message_comes_back_as_it_was_and_what_is_compressed_as_it_came() -> None:
    plain = Message(3, 7, 11, {"I0": 0.5, "table": np.arange(3)}, np.ones((2, 3)), (np.arange(4),), Kind.DATA)
    payload, encoding = encoded(np.arange(6, dtype=np.uint16).reshape(2, 3), "zstd")
    packed = encoded_message(Message(4, None, 12, {}, payload, (), Kind.START, (encoding,)))
    value = {"one": plain, "other": [packed]}
    check_value(value, "stages.fit")
    back = decode_value(encode_value(value))
    one, (other,) = back["one"], back["other"]
    assert (one.id, one.key, one.timestamp_ns, one.kind) == (3, 7, 11, Kind.DATA)
    assert same(one.metadata, dict(plain.metadata))
    assert same(list(one.arrays), list(plain.arrays))
    assert other.kind is Kind.START
    assert other.buffers[0].tobytes() == payload.tobytes()
    assert other.array.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("content", [[], [1, 2, 3, {}, [], 9, []], [1, 2, 3, {}, [], 0, ["zstd"]]])
def test_a_message_that_is_none_is_a_broken_protocol(content: Any) -> None:
    broken = msgspec.msgpack.encode(Ext(14, msgspec.msgpack.encode(["penstock.core.message.Message", content])))
    with pytest.raises(RemoteProtocolError):
        decode_value(broken)


def test_text_that_is_no_unicode_is_named() -> None:
    with pytest.raises(ResultTypeError, match="valid Unicode"):
        encode_value("\ud800")


@pytest.mark.parametrize("value", [object(), Point(1), [Exception()]])
def test_what_was_not_checked_is_still_refused(value: Any) -> None:
    with pytest.raises(ResultTypeError, match="cannot travel"):
        encode_value(value)


def test_a_dataclass_nobody_loaded_is_refused_without_loading_it() -> None:
    data = encode_value(Peak(1.0, 2)).replace(b"Peak", b"Pear")
    with pytest.raises(RemoteProtocolError, match="Pear is not loaded here"):
        decode_value(data)
    data = encode_value(Peak(1.0, 2)).replace(b"counts", b"kounts")
    with pytest.raises(RemoteProtocolError, match="other fields"):
        decode_value(data)
    loaded = set(sys.modules)
    name = Peak.__module__.encode()
    with pytest.raises(RemoteProtocolError):
        decode_value(encode_value(Peak(1.0, 2)).replace(name, b"antigravity"[: len(name)].ljust(len(name), b"_")))
    assert set(sys.modules) == loaded


def test_a_dataclass_is_filled_in_without_running_its_code() -> None:
    assert decode_value(encode_value(Loud.quiet())).text == "quiet"


@dataclass
class Loud:
    text: str

    def __post_init__(self) -> None:
        raise AssertionError("bytes must not run this")

    @classmethod
    def quiet(cls) -> "Loud":
        made = object.__new__(cls)
        made.text = "quiet"
        return made


def test_what_a_registered_decode_raises_is_a_broken_protocol() -> None:
    data = encode_value(Fraction(1, 3)).replace(b"\x01\x03", b"\x01\x00")
    with pytest.raises(RemoteProtocolError, match="ZeroDivisionError"):
        decode_value(data)


HOSTILE = [
    b"", b"\xc1", b"\xdd\xff\xff\xff\xff", b"\x91" * 100_000, b"\xc7\x00\x63", b"\xd4\x02\x00", b"\xd4\x07\x00",
    encode_value(np.zeros(3))[:-1], encode_value(np.zeros(3)) + b"\x00",
    encode_value(np.zeros(3)).replace(b"<f8", b"|O8"),
    encode_value({1, 2}).replace(b"\x92", b"\x91"), encode_value((1, 2)).replace(b"\x92\x01\x02", b"\xa2ab"),
    encode_value(date(2026, 1, 1)).replace(b"2026", b"20-6"),
    encode_value(np.zeros(2)).replace(b"\x91\x02", b"\x91\xff"),
    encode_value(np.zeros(2, "M8[s]")).replace(b"[s]", b"[q]"),
]  # fmt: skip


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_bytes(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_value(data)


@given(values, st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4), st.integers(0, 3))
def test_damaged_bytes_give_a_value_or_the_one_error(value: Any, damage: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(encode_value(value))
    for position, byte in damage:
        data[position % len(data)] = byte
    with suppress(RemoteProtocolError):
        decode_value(bytes(data[: len(data) - cut]))


@given(st.binary(max_size=60))
def test_any_bytes_give_a_value_or_the_one_error(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        decode_value(data)


def test_what_arrays_are_fetched_from_is_let_go_at_once() -> None:
    class Fetch:
        def __call__(self, *_: Any) -> Any:
            return np.zeros(3)

    fetch = Fetch()
    gone = weakref.ref(fetch)
    data = encode_value({"image": np.zeros(3)}, lambda _: 0)
    gc.collect()
    gc.disable()  # or it might come by just in time
    try:
        assert decode_value(data, fetch=fetch)["image"].tolist() == [0, 0, 0]
        del fetch
        assert gone() is None
    finally:
        gc.enable()
