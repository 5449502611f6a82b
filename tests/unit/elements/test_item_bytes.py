"""Items as bytes and back: JSON for others, and our own form, which loses nothing."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.message import Kind, Message
from penstock.elements.item_bytes import Encoding, bytes_to_item, item_to_bytes
from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.views import ArrayView
from penstock.wire.values import encode_value

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(PLAIN)
def test_json_comes_back_as_it_was_and_others_read_the_same(item: Any) -> None:
    data = item_to_bytes("json")(item)
    assert bytes_to_item("json")(data) == item == json.loads(data)


@given(PLAIN | st.complex_numbers(allow_nan=False) | st.binary() | st.tuples(st.integers(), st.text()))
def test_our_own_form_keeps_every_type(item: Any) -> None:
    back = bytes_to_item("penstock")(item_to_bytes("penstock")(item))
    assert (type(back), back) == (type(item), item)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (np.array([[1, 2], [3, 4]], "u2"), "[[1,2],[3,4]]"),
        ([np.float32(0.5), np.int64(3), np.bool_(True), np.str_("a")], '[0.5,3,true,"a"]'),
        ({"nan": float("nan"), "most": np.array([np.inf])}, '{"nan":null,"most":[null]}'),
        (MappingProxyType({"a": 1}), '{"a":1}'),
        (datetime(2026, 11, 20, tzinfo=UTC), '"2026-11-20T00:00:00+00:00"'),
        ({"map": ArrayView((2,), "i8")}, '{"map":[0,0]}'),
        (2**70, str(2**70)),
        (b"ab", '"YWI="'),
    ],
)
def test_what_json_lacks_is_written_as_others_expect_it(item: Any, text: str) -> None:
    assert item_to_bytes("json")(item).decode() == text


def test_json_of_others_may_have_nan() -> None:
    assert np.isnan(bytes_to_item("json")(b'{"z": NaN}')["z"])


@pytest.mark.parametrize("item", [object(), {(1, 2): 3}, "\ud800"])
def test_what_cannot_be_json_is_refused(item: Any) -> None:
    with pytest.raises(ResultTypeError, match=rf"^a {type(item).__name__} cannot be written as JSON: "):
        item_to_bytes("json")(item)


def test_text_and_bytes() -> None:
    assert item_to_bytes("text")(5.5) == b"5.5"
    assert bytes_to_item("text")("µ".encode()) == "µ"
    assert item_to_bytes("bytes")(np.arange(2, dtype="u1")) == b"\x00\x01"
    assert bytes_to_item("bytes")(b"\xff") == b"\xff"
    for item, remedy in (("text", "write encoding: text"), ({}, "write encoding: json")):
        with pytest.raises(ResultTypeError, match=remedy):
            item_to_bytes("bytes")(item)
    with pytest.raises(ResultTypeError, match="no Unicode"):
        item_to_bytes("text")("\ud800")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_message_keeps_all_its_fields(count: int) -> None:
    arrays = [np.arange(6, dtype="f4").reshape(2, 3) + n for n in range(count)]
    message = Message(7, 2**64 - 1, 5, {"x": (1, 2)}, arrays[0] if arrays else None, tuple(arrays[1:]), Kind.END)
    back = bytes_to_item("penstock")(item_to_bytes("penstock")(message))
    assert (back.id, back.key, back.timestamp_ns, back.metadata, back.kind) == (
        7,
        2**64 - 1,
        5,
        {"x": (1, 2)},
        Kind.END,
    )
    assert [each.tolist() for each in back.buffers] == [each.tolist() for each in arrays]
    assert all(each.dtype == np.float32 for each in back.buffers)


@given(st.binary())
def test_foreign_bytes_are_a_value_or_refused(data: bytes) -> None:
    encodings: tuple[Encoding, ...] = ("json", "text", "penstock")
    for encoding in encodings:
        for hostile in (data, b"\xc1" + data):
            with suppress(ValueError, RemoteProtocolError):
                bytes_to_item(encoding)(hostile)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        7,
        [1, 2, 3],
        [1, -1, 0, {}, [], 0],
        [1, None, 0, [], [], 0],
        [1, None, 0, {}, [5], 0],
        [1, None, 0, {}, [], 9],
        [1, None, "0", {}, [], 0],
        [1, None, 0, {}, 5, 0],
    ],
)
def test_what_is_no_message_is_refused(fields: Any) -> None:
    with pytest.raises(RemoteProtocolError, match="are no message"):
        bytes_to_item("penstock")(b"\xc1" + encode_value(fields))


def test_deep_json_is_refused() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        bytes_to_item("json")(b"[" * 100_000)


def test_what_is_not_on_the_closed_list_is_refused() -> None:
    with pytest.raises(ResultTypeError):
        item_to_bytes("penstock")(object())
