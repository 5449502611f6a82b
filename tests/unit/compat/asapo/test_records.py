"""A message as ASAPO's clients see it, and what they send as a message of ours."""

import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.compat.asapo.handles import Handles
from penstock.compat.asapo.records import (
    checked_metadata,
    json_bytes,
    metadata_of,
    payload_of,
    record_of,
    said_of,
    typed_array,
)
from penstock.core.block import Block
from penstock.core.encoding import Encoding
from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.errors import StreamError
from penstock.streams.dataset import part_address
from penstock.streams.store import StoredBlock

KEYS = st.sampled_from(["a", "size", "exposed_path", "asapo", "dtype", "shape", "meta"])
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | FLOATS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(
    st.dictionaries(KEYS, VALUES, max_size=5),
    st.text(max_size=10),
    st.integers(1, 31),
    st.none() | st.integers(0, 2**40),
)
def test_what_a_producer_says_comes_back_whatever_names_it_uses(
    user: dict[str, Any], name: str, mode: int, size: int | None
) -> None:
    assert said_of(metadata_of(user, name, mode, size)) == (user, name, mode, size)
    assert checked_metadata(user) == user


def test_what_cannot_be_stored_is_refused() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    for user in ({"n": 2**64}, {"deep": deep}):
        with pytest.raises(StreamError):
            checked_metadata(user)


@pytest.mark.parametrize(
    ("user", "dtype", "shape"),
    [
        ({"dtype": "<u2", "shape": [2, 4]}, "<u2", (2, 4)),
        ({"dtype": "float32", "shape": [4]}, "<f4", (4,)),
        ({"dtype": ">i8", "shape": [2, 1]}, ">i8", (2, 1)),
        ({"dtype": "<u2", "shape": [2, 5]}, "|u1", (16,)),
        ({"dtype": "<u2", "shape": [-2, -4]}, "|u1", (16,)),
        ({"dtype": "<u2", "shape": "2,4"}, "|u1", (16,)),
        ({"dtype": "object", "shape": [2]}, "|u1", (16,)),
        ({"dtype": "S16", "shape": [1]}, "|u1", (16,)),
        ({"dtype": "no such type", "shape": [1]}, "|u1", (16,)),
        ({"shape": [16]}, "|u1", (16,)),
        ({"dtype": "<u2", "shape": [True, 8]}, "|u1", (16,)),
        ({}, "|u1", (16,)),
    ],
)
def test_a_payload_is_an_array_where_its_sender_says_so_and_it_fits(
    user: dict[str, Any], dtype: str, shape: tuple[int, ...]
) -> None:
    data = np.arange(16, dtype=np.uint8)
    found = typed_array(data, user)
    assert (found.dtype.str, found.shape) == (dtype, shape)
    assert found.tobytes() == data.tobytes()


def record(message: Message) -> Any:
    stored = StoredBlock(block=Block.of("s", [message]))
    return record_of(stored, 0, stream="s", part=2, source="h:1", buf_id=7)


def test_a_record_says_what_clients_need() -> None:
    sent = metadata_of({"n": 1}, "processed/a", 13, None)
    found = record(Message(3, None, 10, sent, np.arange(6, dtype=np.uint16)))
    assert json_bytes(found) == (
        b'{"_id":3,"timestamp":10,"name":"processed/a","size":12,"source":"h:1","buf_id":7,"dataset_substream":2,'
        b'"meta":{"n":1},"stream":"s","ingest_mode":13,"ib_source":"","time_id":0}'
    )
    without = record(Message(3, None, -10, metadata_of({}, "processed/a", 10, 99)))
    assert (without.size, without.buf_id, without.ingest_mode, without.timestamp) == (99, 0, 10, 0)


def test_what_our_own_send_says_what_it_is() -> None:
    frame = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = record(Message(1, 5, 10, {"energy": 1.5, "tags": np.arange(2)}, frame))
    assert (found.name, found.size, found.ingest_mode) == ("s/1", 24, 9)
    assert json_bytes(found.meta) == b'{"energy":1.5,"tags":[0,1],"dtype":"<f4","shape":[2,3]}'
    exposed = record(Message(1, 5, 10, {"exposed_path": 'raw/a"b\\c'}, frame))
    assert (exposed.name, exposed.ingest_mode) == ("raw/a'b/c", 13)
    two = Message(1, None, 0, {}, frame, (np.arange(2, dtype=np.uint8),))
    assert record(two).meta["buffers"] == [
        {"dtype": "<f4", "shape": [2, 3], "size": 24}, {"dtype": "|u1", "shape": [2], "size": 2},
    ]  # fmt: skip
    assert bytes(payload_of(two)) == frame.tobytes() + b"\0\1"
    assert len(payload_of(Message(1))) == 0


def test_of_what_is_compressed_the_decoded_array_is_told_and_given() -> None:
    frame = np.arange(1000, dtype=np.uint32).reshape(10, 100)
    packed = np.frombuffer(zlib.compress(frame.tobytes()), np.uint8)
    block = Block.of("s", [Message(1, None, 0, {}, packed, encodings=(Encoding("zlib", "<u4", (10, 100)),))])
    found = record_of(StoredBlock(block=block), 0, stream="s", part=0, source="h:1", buf_id=7)
    assert (found.size, found.meta) == (4000, {"dtype": "<u4", "shape": [10, 100]})


ADDRESS = StreamAddress("bt", "det", "s")


def test_a_number_stands_for_one_payload_also_after_a_restart() -> None:
    others = [StreamAddress("bt", "det", f"s{number}") for number in range(50)]
    before, after = Handles(), Handles()
    after.learn([*reversed(others), ADDRESS, part_address(ADDRESS, 2)])
    numbers = [before.of(ADDRESS, 0, 5), before.of(ADDRESS, 2, 5), before.of(ADDRESS, 0, 6)]
    assert len({*numbers}) == 3
    assert all(0 < number < 2**63 for number in numbers)
    for handles in (before, after):
        assert [handles.find(number) for number in numbers] == [
            (ADDRESS, 5), (part_address(ADDRESS, 2), 5), (ADDRESS, 6),
        ]  # fmt: skip
    for part, where in ((0, ADDRESS), (2, part_address(ADDRESS, 2))):
        large = before.of(ADDRESS, part, 2**31 + 7)  # as those of trains
        assert 2**63 <= large < 2**64
        assert (before.find(large), after.find(large)) == ((where, 2**31 + 7), None)
        assert after.of(ADDRESS, part, 2**31 + 7) == large
    assert before.find(12345) is None
