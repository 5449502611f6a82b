"""Compressed buffers pass through blocks as they came, beside others, and are decoded once and only when asked for."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core import Block, EventBatch, Message, PartColumn, RaggedColumn
from penstock.core.block import concatenate, with_encodings
from penstock.core.block_builder import BIG_BYTES, BlockBuilder
from penstock.core.codecs import encoded
from penstock.core.encoded_message import with_array
from penstock.core.encoding import Encoding
from penstock.core.message import flaw_of
from penstock.errors import DecodingError
from penstock.wire.layout import pack_block, read_block

pytest.importorskip("imagecodecs")
pytest.importorskip("bitshuffle")

OWN = Encoding("own", "<u2", (3,))


def frame(number: int) -> Any:
    return np.random.default_rng(number).poisson(3, (5 + number % 3, 7)).astype("<u2")


def message(number: int, how: str) -> Message:
    """A message whose first buffer is what ``how`` says; some have a second."""
    array = frame(number)
    encodings: tuple[Encoding, ...] = ()
    if how == "own":
        array, encodings = np.frombuffer(b"own bytes", np.uint8), (OWN,)
    elif how != "plain":
        payload, encoding = encoded(array, how)
        array, encodings = payload, (encoding,)
    if how == "plain" and number % 2:
        more, second = encoded(array.T, "lz4")
        return Message(number, number, 0, {}, array, (more,), encodings=(None, second))
    return Message(number, number, 0, {"n": number}, array, encodings=encodings)


def check(messages: Any, sent: list[Message]) -> None:
    for found, first in zip(messages, sent, strict=True):
        assert (found.id, found.key, dict(found.metadata)) == (first.id, first.key, dict(first.metadata))
        assert [b.tobytes() for b in found.buffers] == [b.tobytes() for b in first.buffers]
        assert [one for one in found.encodings if one] == [one for one in first.encodings if one]
        if OWN in found.encodings:
            with pytest.raises(
                DecodingError, match=rf"stream s, frame {first.id} \(message {first.id}\): own, 9 bytes"
            ):
                _ = found.array
            continue
        np.testing.assert_array_equal(found.array, frame(first.id))
        assert found.array is found.array
        for array in found.more:
            np.testing.assert_array_equal(array, frame(first.id).T)
            assert array is found.more[0]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from(["plain", "bslz4", "zstd", "own"]), min_size=1, max_size=12),
    st.lists(st.integers(0, 11), max_size=4),
)
def test_blocks_carry_any_mixture_wherever_they_are_cut(hows: list[str], cuts: list[int]) -> None:
    sent = [message(number, how) for number, how in enumerate(hows, 1)]
    whole = Block.of("s", sent)
    check(whole.messages(), sent)
    edges = sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})
    pieces = [whole.take(slice(a, b)) for a, b in pairwise(edges)]
    joined = concatenate(pieces)
    check(joined.messages(), sent)
    packed = pack_block(joined)
    out = np.zeros(packed.places.end, np.uint8)
    layout = packed.write(out)
    assert b"".join(piece.tobytes() for piece in packed.pieces()) == out.tobytes()
    read = read_block(layout, out, "s")
    check(read.messages(), sent)
    rows = np.array(sorted(set(cuts) & set(range(len(sent)))), np.intp)
    check(read.take(rows).messages(), [sent[row] for row in rows])
    check(read.messages(rows), [sent[row] for row in rows])
    check(Block.of("s", list(read.messages())).messages(), sent)  # as a step passes them on


def test_a_large_compressed_frame_is_not_copied_into_its_block() -> None:
    payload = np.random.default_rng(0).integers(0, 256, BIG_BYTES, np.uint8)
    encoding = Encoding("bslz4", "<u2", (1000, 1000))
    builder = BlockBuilder("s")
    builder.add(Message(array=payload, encodings=(encoding,)), 0)
    (block,) = builder.close()
    (column,) = block.columns
    assert isinstance(column, RaggedColumn)
    assert np.shares_memory(column.payload, payload)
    assert block.nbytes == payload.nbytes
    (found,) = block.messages()
    assert found.buffers[0].tobytes() == payload.tobytes()
    assert found.encodings == (encoding,)


def test_small_ones_share_a_block_with_plain_ones() -> None:
    builder = BlockBuilder("s")
    sent = [message(number, how) for number, how in enumerate(["plain", "bslz4", "lz4", "plain", "bszstd"], 1)]
    builder.add_all(sent, 0)
    (block,) = builder.close()
    check(block.messages(), sent)


def test_a_batch_has_them_stacked_and_decodes_once() -> None:
    sent = [message(3 * number, "bslz4") for number in range(1, 5)]
    part = PartColumn(block=Block.of("s", sent), rows=slice(1, 4))
    batch = EventBatch(join="j", names=("s",), numbers=np.arange(3), parts=(part,))
    stacked = batch.parts[0].array
    np.testing.assert_array_equal(stacked, [frame(m.id) for m in sent[1:]])
    assert part.array is stacked
    different = PartColumn(block=Block.of("s", [message(1, "bslz4"), message(2, "lz4")]), rows=slice(0, 2))
    with pytest.raises(ValueError, match="arrays of stream s differ in dtype or shape"):
        _ = different.array


def test_a_batch_of_plain_arrays_is_a_view() -> None:
    block = Block.of("s", [Message(n, array=np.full(3, n)) for n in range(4)])
    stacked = PartColumn(block=block, rows=slice(1, 3)).array
    assert stacked.tolist() == [[1] * 3, [2] * 3]
    assert np.shares_memory(stacked, block.columns[0])


def test_what_was_said_beside_a_block_is_said_in_it() -> None:
    payload, encoding = encoded(frame(1), "zstd")
    uniform = Block.of("s", [Message(n, array=payload) for n in (1, 2)])
    ragged = Block.of("s", [Message(1, array=payload), Message(2), Message(3, array=payload[:3])])
    assert [m.array.tolist() for m in with_encodings(uniform, [encoding]).messages()] == [frame(1).tolist()] * 2
    first, second, third = with_encodings(ragged, [encoding, None][:1]).messages()
    assert (first.array.tolist(), second.array) == (frame(1).tolist(), None)
    with pytest.raises(DecodingError, match="stream s, message 3: zstd, 3 bytes: "):
        _ = third.array
    assert with_encodings(uniform, [None]) is uniform


def test_another_array_takes_the_place_of_the_first() -> None:
    (found,) = Block.of("s", [message(3, "plain")]).messages()
    changed = with_array(found, np.arange(2))
    assert changed.array.tolist() == [0, 1]
    np.testing.assert_array_equal(changed.more[0], frame(3).T)
    assert changed.encodings == (None, found.encodings[1])
    (found,) = Block.of("s", [message(3, "bslz4")]).messages()
    changed = with_array(found, np.arange(2))
    assert (type(changed), changed.encodings, changed.buffers[0].tolist()) == (Message, (), [0, 1])


@pytest.mark.parametrize(
    ("bad", "flaw"),
    [
        (Message(array=np.zeros(3), encodings=(OWN,)), r"a buffer is own, but of float64 \[3\]; give its bytes"),
        (Message(encodings=(OWN,)), "it has 1 encodings for 0 buffers"),
        (Message(array=np.zeros(3), encodings=("lz4",)), "its encodings are"),  # type: ignore[arg-type]
    ],
)
def test_a_message_that_cannot_be_is_told(bad: Message, flaw: str) -> None:
    assert flaw.replace("\\", "") in flaw_of(bad)
    if isinstance(bad.encodings[0], Encoding) and bad.array is not None:
        with pytest.raises(ValueError, match=r"must be \(n,\) uint8"):
            Block.of("s", [bad])
