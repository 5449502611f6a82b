"""Items as ZeroMQ messages: whatever may travel comes back as it was, and hostile frames raise the one error."""

import struct
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.event import event_type
from penstock.core.message import Kind, Message
from penstock.core.result import Result
from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.testing.hostile import packets
from penstock.wire.item_frames import HEAD_BYTES, OWN_FRAME_BYTES, ItemKind, ItemWriter, read_frames
from penstock.wire.values import encode_value
from tests.unit.wire.value_cases import Peak, same, values

LARGE = np.arange(OWN_FRAME_BYTES, dtype="<u2").reshape(2, -1)


def sent(item: Any, **about: int) -> list[bytes]:
    """What arrives of an item: copies, as a socket makes them."""
    return [bytes(frame) for frame in ItemWriter(7).frames(item, **about)]


@given(values, st.integers(0, 2**64 - 1))
def test_what_may_travel_comes_back_as_it_was(item: Any, number: int) -> None:
    received = read_frames(sent(item, number=number))
    assert same(received.item, item)
    assert (received.sender, received.number, received.is_end) == (7, number, False)


@pytest.mark.parametrize(
    "item",
    [
        LARGE, LARGE.T, LARGE[:, ::2], LARGE.byteswap().view(">u2"), LARGE.astype("M8[ns]"),
        np.zeros(3000, [("x", "<f8"), ("y", "<i4")]),
        np.zeros(3000, [("x", "<f8", (2,))]), np.zeros((200, 100)) > 0, np.zeros(5000, "U3"),
        {"n": 3, "images": [LARGE, np.zeros(2), LARGE + 1], "raw": b"x" * 20_000}, Peak(1.0, LARGE),
        (LARGE, {"a": LARGE}),
        b"\x00\x01" * OWN_FRAME_BYTES, "ä" * OWN_FRAME_BYTES, [LARGE] * 3,
    ],
    ids=range(15),
)  # fmt: skip
def test_large_buffers_have_frames_of_their_own(item: Any) -> None:
    frames = sent(item)
    assert same(read_frames(frames).item, item) or (read_frames(frames).item == item).all()


def test_arrays_are_views_of_the_frames_that_came_and_cannot_be_written() -> None:
    frames = [bytearray(frame) for frame in ItemWriter().frames({"image": LARGE})]
    assert len(frames) == 2
    array = read_frames([bytes(frames[0]), memoryview(frames[1])]).item["image"]
    assert np.shares_memory(array, np.frombuffer(frames[1], np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_nothing_is_copied_of_what_is_sent() -> None:
    frames = ItemWriter().frames(LARGE)
    assert np.shares_memory(np.frombuffer(frames[1], np.uint8), LARGE)
    raw = bytes(OWN_FRAME_BYTES)
    assert ItemWriter().frames(raw)[1] is raw


def test_more_arrays_than_there_may_be_frames_stay_with_the_value() -> None:
    item = [np.full(OWN_FRAME_BYTES, k % 256, np.uint8) for k in range(300)]
    frames = sent(item)
    assert len(frames) == 1 + 255
    assert same(read_frames(frames).item, item)


def test_a_message_of_an_instrument_comes_back_as_one() -> None:
    message = Message(
        id=4, key=17, timestamp_ns=5, metadata={"motor": 0.5}, array=LARGE, more=(np.arange(3),), kind=Kind.START
    )
    found = read_frames(sent(message)).item
    assert (found.id, found.key, found.timestamp_ns, found.kind) == (4, 17, 5, Kind.START)
    assert found.metadata == {"motor": 0.5}
    assert [each.tolist() for each in found.buffers] == [LARGE.tolist(), [0, 1, 2]]
    assert read_frames(sent(Message(key=None))).item.array is None


def test_of_a_result_the_value_is_sent() -> None:
    assert read_frames(sent(Result(3, {"a": 1}))).item == {"a": 1}


def test_an_end_mark_says_how_the_run_ended() -> None:
    received = read_frames([bytes(frame) for frame in ItemWriter(9).end("failed")])
    assert (received.item, received.sender, received.is_end) == ("failed", 9, True)


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (object(), "cannot travel"),
        ({"a": {1: object()}}, r"\['a'\]\[1\] is a object"),
        (np.array([object()]), "array of Python objects"),
        ("\ud800", "Unicode"),
        ({"a": "\ud800"}, "Unicode"),
        (event_type(("a",))(0, (None,)), "several streams"),
        (Message(array=np.array([object()])), "array of Python objects"),
    ],
)
def test_what_cannot_travel_is_refused(item: Any, says: str) -> None:
    with pytest.raises(ResultTypeError, match=says):
        ItemWriter().frames(item)


@pytest.mark.parametrize("parts", [pytest.param(parts, id=name) for name, parts in packets()])
def test_packets_of_others_are_refused_with_what_would_be_right(parts: list[bytes]) -> None:
    with pytest.raises(RemoteProtocolError, match=r"are no item of penstock.*encoding: json"):
        read_frames(parts)


def head(kind: int, behind: int, body: bytes = b"", zero: int = 0) -> bytes:
    return struct.pack("<4sBBHQQ", b"psi1", kind, behind, zero, 0, 0) + body


PLACED = sent(LARGE)


@pytest.mark.parametrize(
    "frames",
    [
        [head(0, 0)], [head(4, 0, b"\x01")], [head(0, 0, b"\x01", 1)], [head(0, 1, b"\x01")],
        [head(0, 0, b"\x01"), b"more"], [head(1, 1, b"x"), b"bytes"], [head(1, 0)], [head(1, 2), b"a", b"b"],
        [head(2, 0, b"\x01")], [head(2, 0, encode_value([0, 9, None, 0, {}, []]))],
        [head(2, 0, encode_value([0, 0, None, 0, {}, [1]]))], [head(2, 0, encode_value([0, 0, "k", 0, {}, []]))],
        [head(3, 0, b"\x01")], [PLACED[0], PLACED[1][:-1]], [PLACED[0], b""], PLACED[:1],
        [PLACED[0].replace(b"\x92\x02", b"\x92\xff"), PLACED[1]],
        [PLACED[0][:-1] + b"\x01", PLACED[1]], [b"psi2" + PLACED[0][4:], PLACED[1]], [PLACED[0][: HEAD_BYTES - 1]],
    ],
    ids=range(20),
)  # fmt: skip
def test_hostile_frames(frames: list[bytes]) -> None:
    with pytest.raises(RemoteProtocolError):
        read_frames(frames)


@given(
    st.one_of(values, st.just(LARGE), st.just(Message(array=LARGE, key=1))),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
    st.integers(0, 3),
)
def test_damaged_frames_give_an_item_or_the_one_error(item: Any, damage: list[tuple[int, int]], cut: int) -> None:
    first, *behind = sent(item)
    changed = bytearray(first)
    for position, byte in damage:
        changed[position % len(changed)] = byte
    with suppress(RemoteProtocolError):
        read_frames([bytes(changed[: len(changed) - cut]), *behind])


def test_kinds_keep_their_numbers() -> None:
    assert [(kind.name, kind.value) for kind in ItemKind] == [("VALUE", 0), ("BYTES", 1), ("MESSAGE", 2), ("END", 3)]
