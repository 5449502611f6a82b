"""A CBOR map is what any library reads, only that long byte strings are not copied."""

from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.cbor_item import LONG_BYTES, SELF_DESCRIBED, cbor_map
from penstock.errors import RemoteProtocolError

texts = st.text(max_size=5)
leaves = (
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.floats(allow_nan=False) | texts
    | st.binary(max_size=8) | st.integers(LONG_BYTES - 2, LONG_BYTES + 2).map(bytes)
)  # fmt: skip
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
maps = st.dictionaries(texts, values, max_size=5)


def plain(value: Any) -> Any:
    """Return a value with its views as bytes."""
    if isinstance(value, memoryview):
        assert len(value) >= LONG_BYTES
        return bytes(value)
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return value


@settings(max_examples=40)
@given(maps, st.booleans())
def test_a_map_is_what_was_written(value: dict[str, Any], has_magic: bool) -> None:
    encoded = SELF_DESCRIBED * has_magic + cbor2.dumps(value)
    assert plain(cbor_map(encoded, {})) == value
    assert plain(cbor_map(memoryview(encoded), {})) == value


@given(maps, st.data())
def test_damaged_bytes_give_a_map_or_the_one_error(value: dict[str, Any], data: st.DataObject) -> None:
    encoded = bytearray(cbor2.dumps(value))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = cbor_map(bytes(encoded[: data.draw(st.integers(0, len(encoded)))]), {})
    except RemoteProtocolError:
        return
    assert isinstance(found, dict)


def test_a_long_byte_string_shares_memory_with_what_came() -> None:
    encoded = cbor2.dumps({"a": [bytes(LONG_BYTES), b"short"]})
    long, short = cbor_map(encoded, {})["a"]
    assert np.shares_memory(np.frombuffer(long, np.uint8), np.frombuffer(encoded, np.uint8))
    assert short == b"short"


def test_a_tag_means_what_it_is_said_to_mean() -> None:
    encoded = cbor2.dumps({"a": cbor2.CBORTag(7, [cbor2.CBORTag(8, bytes(LONG_BYTES)), cbor2.CBORTag(9, 1)])})
    assert cbor_map(encoded, {7: sum, 8: len})["a"] == LONG_BYTES + 1


def test_what_a_tag_refuses_is_said() -> None:
    def refuse(content: Any) -> Any:
        raise RemoteProtocolError(f"{content} is not right")

    with pytest.raises(RemoteProtocolError, match="the start: 5 is not right"):
        cbor_map(cbor2.dumps({"a": [cbor2.CBORTag(7, 5)]}), {7: refuse}, "the start")


@pytest.mark.parametrize(
    ("encoded", "says"),
    [
        (b"", "is no CBOR map"),
        (b"\x01", "is no CBOR map"),
        (b"\xa1\x61a", "it ends early, after 3 bytes"),
        (b"\xa1\x61a\x43ab", "byte 3: a string of 3 bytes, of which 2 came"),
        (b"\xa1\x61a\x01\x01", "1 bytes behind its end"),
        (b"\xa1\x01\x01", "the key 1 is no text"),
        (b"\xa1\x61a\xff", "byte 3: a break that ends nothing"),
        (b"\xa1\x61a" + b"\x81" * 64 + b"\x01", "more than 64 levels"),
        (b"\xa1\x61a\x9a\x00\x01\x86\xa1" + bytes(100_001), "or 100000 items"),
        (b"\xa1\x61a\xf8\x20", "a simple value that is none of"),
        (b"\xa1\x61a\x1f", "begins no item"),
        (b"\xa1\x61a\x61\xff", "error decoding text string: 'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_an_error_says_where(encoded: bytes, says: str) -> None:
    with pytest.raises(RemoteProtocolError, match=says):
        cbor_map(encoded, {})
