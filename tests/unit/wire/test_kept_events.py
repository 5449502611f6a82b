"""Whole events as records: every part comes back as it was, and bytes that are no record are refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from penstock.core.codecs import encoded
from penstock.core.event import Event, event_type
from penstock.core.message import Message
from penstock.errors import RemoteProtocolError
from penstock.wire.kept_events import PackedEvent, join_records, read_event, split_records

ARRAYS = hnp.arrays(
    st.sampled_from([np.dtype(name) for name in ("u1", "<u2", ">i4", "f8", "c16", "U3", "?")]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
)
MESSAGES = st.builds(
    lambda key, metadata, arrays: Message(
        1, key, 5, metadata, arrays[0] if arrays else None, tuple(arrays[1:])
    ),  # of any dtype and shape
    st.none() | st.integers(0, 2**64 - 1),
    st.dictionaries(st.text(max_size=4), st.integers(-5, 5) | st.text(max_size=4) | ARRAYS, max_size=3),
    st.lists(ARRAYS, max_size=3),
)
PARTS = st.lists(st.none() | MESSAGES | st.lists(MESSAGES, min_size=1, max_size=3).map(tuple), max_size=3)


def same(found: Any, given_: Any) -> bool:
    if isinstance(given_, np.ndarray | np.generic):
        return found.dtype == given_.dtype and np.array_equal(found, given_, equal_nan=given_.dtype.kind in "fc")
    if isinstance(given_, Message):
        fields = ("id", "key", "timestamp_ns", "kind", "encodings")
        is_same = all(getattr(found, name) == getattr(given_, name) for name in fields)
        return is_same and same(dict(found.metadata), dict(given_.metadata)) and same(found.buffers, given_.buffers)
    if isinstance(given_, dict):
        return found.keys() == given_.keys() and all(same(found[name], given_[name]) for name in given_)
    if isinstance(given_, tuple):
        return len(found) == len(given_) and all(map(same, found, given_))
    return bool(found == given_)


@settings(max_examples=60, deadline=None)
@given(PARTS)
def test_an_event_comes_back_as_it_was(parts: list[Any]) -> None:
    names = tuple(f"s{k}" for k in range(len(parts)))
    event = event_type(names)(7, tuple(parts))
    packed = PackedEvent(event)
    record = packed.tobytes()
    assert len(record) == packed.nbytes
    assert packed.nbytes % 64 == 0
    found = read_event(record)
    assert (found.number, found.names) == (7, names)
    assert same(found.parts, event.parts)


def test_what_is_not_contiguous_or_compressed_comes_back_and_is_decoded_when_asked_for() -> None:
    image = np.arange(60, dtype=np.uint16).reshape(6, 10)
    payload, encoding = encoded(image, "zstd")
    event = event_type(("a", "b"))(
        1, (Message(array=image[::2, ::3]), Message(array=payload, encodings=(encoding,)))
    )  # as a decoder gives it
    found = read_event(PackedEvent(event).tobytes())
    part: Any = found["b"]
    assert np.array_equal(part.buffers[0], payload)
    assert np.array_equal(part.array, image)
    first: Any = found["a"]
    assert np.array_equal(first.array, image[::2, ::3])
    assert not first.array.flags.writeable


def test_records_lie_one_behind_the_other_in_a_body() -> None:
    records = [PackedEvent(Message(k, array=np.arange(k))).tobytes() for k in range(3)]
    body = join_records(records)
    assert [bytes(each) for each in split_records(body)] == records
    for cut in (1, 9, len(body) - 1):
        with pytest.raises(RemoteProtocolError, match="end in the midst"):
            list(split_records(body[:cut]))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400), st.integers(0, 255))
def test_a_record_that_is_damaged_is_refused_or_another_event_and_breaks_nothing(at: int, byte: int) -> None:
    record = bytearray(PackedEvent(event_type(("a",))(3, (Message(array=np.arange(20)),))).tobytes())
    record[at % len(record)] = byte
    try:
        found = read_event(bytes(record))
    except RemoteProtocolError:
        return
    assert isinstance(found, Event)
