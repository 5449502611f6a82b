"""Frames of the stream wire: any frames, however they are cut, come out as they went in; anything else is refused."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Block, Message
from penstock.errors import RemoteProtocolError
from penstock.wire import stream_requests as say
from penstock.wire.layout import pack_block, read_block
from penstock.wire.stream_frames import MOST_BODY_BYTES, MOST_HEAD_BYTES, PREFIX_BYTES, Frame, FrameReader, frame_bytes

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "stream-wire.md"

bodies = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda seed, n: np.random.default_rng(seed).bytes(n), st.integers(0, 99), st.integers(65_000, 600_000)),
)
frames = st.lists(st.tuples(st.integers(0, 2**64 - 1), st.binary(max_size=80), bodies), max_size=6)


def received(reader: FrameReader, data: bytes, cuts: Iterable[int]) -> list[Frame]:
    """Feed bytes in pieces of some sizes, over and over."""
    found: list[Frame] = []
    sizes = list(cuts)
    at = turn = 0
    while at < len(data):
        space = reader.space()
        n = min(len(space), len(data) - at, sizes[turn % len(sizes)])
        space[:n] = data[at : at + n]
        at, turn = at + n, turn + 1
        found += reader.received(n)
    return found


@given(frames, st.lists(st.sampled_from([1, 7, 31, 33, 1000, 70_000, 10**6]), min_size=1, max_size=4))
def test_frames_come_out_as_they_went_in(sent: list[tuple[int, bytes, bytes]], cuts: list[int]) -> None:
    if sum(len(body) for _, _, body in sent) > 10_000:
        cuts = [max(cut, 1000) for cut in cuts]
    data = b"".join(frame_bytes(number, head, body) + body for number, head, body in sent)
    reader = FrameReader()
    found = received(reader, data, cuts)
    assert [(frame.number, frame.head, frame.body.tobytes()) for frame in found] == sent
    assert reader.is_between
    for frame in found:
        assert not frame.body.flags.writeable
        assert not len(frame.body) or frame.body.ctypes.data % 64 == 0


@pytest.mark.parametrize("body", [b"", b"x" * 100, b"x" * 100_000], ids=len)
def test_no_changed_byte_passes(body: bytes) -> None:
    data = frame_bytes(7, b"head", body) + body
    for at in [*range(PREFIX_BYTES + 4), *range(PREFIX_BYTES + 4, len(data), 997)]:
        changed = bytearray(data)
        changed[at] ^= 1
        reader = FrameReader()
        try:
            assert received(reader, bytes(changed), [len(data)]) == []
        except RemoteProtocolError:
            continue
        assert 4 <= at < 12, "only a changed length may leave it waiting for more"
        assert not reader.is_between


@given(st.binary(min_size=4, max_size=100).filter(lambda data: not data.startswith(b"pst1")))
def test_garbage_is_refused_at_its_first_bytes(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="no frame"):
        received(FrameReader(), data, [1])


def test_nothing_is_allocated_for_a_body_that_is_too_large() -> None:
    data = frame_bytes(1, b"", b"x" * 1001)
    with pytest.raises(RemoteProtocolError, match="1001 bytes; at most 262144 and 1000 are taken"):
        received(FrameReader(most_body_bytes=1000), data, [len(data)])
    assert received(FrameReader(most_body_bytes=1001), data, [len(data)]) == []


def test_a_head_that_is_too_large_is_neither_sent_nor_taken() -> None:
    with pytest.raises(RemoteProtocolError, match="split the block"):
        frame_bytes(1, bytes(MOST_HEAD_BYTES + 1))
    data = bytearray(frame_bytes(1, bytes(MOST_HEAD_BYTES)))
    assert len(received(FrameReader(), bytes(data), [len(data)])) == 1
    data[4:8] = (MOST_HEAD_BYTES + 1).to_bytes(4, "little")
    with pytest.raises(RemoteProtocolError, match="are taken"):
        received(FrameReader(), bytes(data), [len(data)])
    assert MOST_BODY_BYTES < 2**32


@given(st.binary(max_size=60))
def test_any_head_is_read_or_refused(head: bytes) -> None:
    for opened in (say.open_request, say.open_answer):
        try:
            said = opened(head)
        except RemoteProtocolError:
            continue
        assert opened(say.encode_head(said)) == said


def test_a_block_is_read_where_it_was_received() -> None:
    block = Block.of("s", [Message(id=n, array=np.arange(20_000)) for n in (3, 9)])
    packed = pack_block(block)
    body = np.zeros(packed.places.end, np.uint8)
    head = say.encode_head(say.Append(2, packed.write(body)))
    data = frame_bytes(5, head, body.data) + body.tobytes()
    (frame,) = received(FrameReader(), data, [70_000])
    request = say.open_request(frame.head)
    assert isinstance(request, say.Append)
    found = read_block(request.layout, frame.body, "s")
    assert found.ids.tolist() == [3, 9]
    assert np.shares_memory(found.columns[0], frame.body)
    with pytest.raises(ValueError, match="WRITEABLE"):
        found.ids.flags.writeable = True


def test_a_token_is_in_no_text() -> None:
    hello = say.Hello(1, "secret-token", "me")
    assert "secret" not in repr(hello)
    assert "secret" not in str(hello)


def test_the_page_shows_the_bytes_there_are() -> None:
    text = PAGE.read_text()
    shown = {
        name: bytes.fromhex(re.sub(r"\s|#.*", "", code))
        for name, code in re.findall(r"<!-- bytes: (\w+) -->\n```text\n(.*?)```", text, re.DOTALL)
    }
    assert shown == examples()


def examples() -> dict[str, bytes]:
    """Return the frames that the page shows."""
    block = Block.of("run 1", [Message(id=1, timestamp_ns=2, array=np.array([1, 2, 3], "<u2"))])
    packed = pack_block(block)
    body = np.zeros(packed.places.end, np.uint8)
    layout = packed.write(body)
    append = say.encode_head(say.Append(1, layout))
    opened = say.encode_head(say.OpenWriter("c20261120/eiger/run 1", "interval", "4f2a"))
    return {
        "hello": frame_bytes(0, say.encode_head(say.Hello(1, "", "camera"))),
        "welcome": frame_bytes(0, say.encode_head(say.Welcome(1, 2, True, 64 << 20, MOST_BODY_BYTES))),
        "open": frame_bytes(1, opened),
        "append": frame_bytes(2, append, body.data) + body.tobytes(),
        "marks": frame_bytes(2, say.encode_head(say.Marks(1, 0, 1))),
    }
