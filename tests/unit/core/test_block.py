"""Blocks: what messages went in comes out, whole or in part, from columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst
from numpy.typing import NDArray

from penstock.core.block import Block, RaggedColumn, concatenate, pick
from penstock.core.message import NO_METADATA, Kind, Message

dtypes: st.SearchStrategy[np.dtype[Any]] = st.sampled_from(
    [np.dtype("<u2"), np.dtype(">f8"), np.dtype("S3"), np.dtype([("a", "<i4"), ("b", "<f4")])]
)
arrays = dtypes.flatmap(
    lambda dtype: nst.arrays(dtype, nst.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
)
buffers = st.lists(arrays, max_size=3)


@st.composite
def message_lists(draw: st.DrawFn) -> list[Message]:
    """Messages of one kind, all or none with a key, with up to three buffers of any shape."""
    n = draw(st.integers(1, 6))
    has_keys = draw(st.booleans())
    uniform = draw(st.none() | buffers)
    made = []
    for number in range(n):
        made_of: list[Any] = uniform if uniform is not None else draw(buffers)
        made.append(
            Message(
                id=number + 1,
                key=draw(st.integers(0, 2**64 - 1)) if has_keys else None,
                timestamp_ns=draw(st.integers(-(2**63), 2**63 - 1)),
                metadata=draw(st.sampled_from([NO_METADATA, {"exposure_s": 0.1 * number}])),
                array=made_of[0] if made_of else None,
                more=tuple(made_of[1:]),
                kind=Kind.START,
            )
        )
    return made


def same_array(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())


def same(a: Message, b: Message) -> bool:
    heads = [(m.id, m.key, m.timestamp_ns, dict(m.metadata), m.kind, len(m.buffers)) for m in (a, b)]
    return heads[0] == heads[1] and all(map(same_array, a.buffers, b.buffers)) and len(a.more) == len(b.more)


def all_same(found: Sequence[Message], wanted: Sequence[Message]) -> bool:
    return len(found) == len(wanted) and all(map(same, found, wanted))


@given(message_lists())
def test_messages_come_out_as_they_went_in(messages: list[Message]) -> None:
    block = Block.of("xspress3", messages)
    assert len(block) == len(messages)
    assert block.nbytes == sum(array.nbytes for message in messages for array in message.buffers)
    assert all_same(list(block.messages()), messages)


@given(message_lists(), st.integers(0, 7), st.integers(0, 7))
def test_a_slice_of_a_block_shares_its_payload(messages: list[Message], start: int, stop: int) -> None:
    block = Block.of("xspress3", messages)
    part = block.take(slice(start, stop))
    assert all_same(list(part.messages()), messages[start:stop])
    for column, whole in zip(part.columns, block.columns, strict=True):
        mine = column.payload if isinstance(column, RaggedColumn) else column
        theirs = whole.payload if isinstance(whole, RaggedColumn) else whole
        assert not mine.size or np.shares_memory(mine, theirs)


@given(message_lists(), st.data())
def test_rows_of_a_block_by_index(messages: list[Message], data: st.DataObject) -> None:
    rows = sorted(data.draw(st.sets(st.integers(0, len(messages) - 1))))
    part = Block.of("xspress3", messages).take(np.array(rows, np.intp))
    assert all_same(list(part.messages()), [messages[row] for row in rows])


@given(message_lists(), st.data())
def test_a_part_of_a_part(messages: list[Message], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(messages)))
    block = Block.of("xspress3", messages).take(slice(cut, len(messages)))
    rows = sorted(data.draw(st.sets(st.integers(0, max(0, len(block) - 1))))) if len(block) else []
    assert all_same(list(block.take(np.array(rows, np.intp)).messages()), [messages[cut + row] for row in rows])
    assert all_same(list(block.take(slice(0, 1)).messages()), messages[cut : cut + 1])


@given(message_lists(), st.data())
def test_blocks_put_together_hold_what_they_held(messages: list[Message], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(messages)))
    parts = [part for part in (messages[:cut], messages[cut:]) if part]
    assert all_same(list(concatenate([Block.of("x", part) for part in parts]).messages()), messages)


def test_a_block_can_number_its_messages() -> None:
    block = Block.of("x", [Message(id=9), Message(id=9)], first_id=2**63)
    assert block.ids.tolist() == [2**63, 2**63 + 1]


def test_ids_and_keys_use_all_64_bits() -> None:
    block = Block.of("x", [Message(id=2**64 - 1, key=2**64 - 1)])
    assert [(m.id, m.key) for m in block.messages()] == [(2**64 - 1, 2**64 - 1)]


def test_payload_cannot_be_written() -> None:
    uniform = Block.of("x", [Message(array=np.zeros(2)), Message(array=np.zeros(2))])
    ragged = Block.of("x", [Message(array=np.zeros(2)), Message(array=np.zeros(3))])
    for block in (uniform, ragged):
        for message in block.messages():
            with pytest.raises(ValueError, match="read-only"):
                message.array[0] = 1


def test_uniform_messages_make_one_array() -> None:
    block = Block.of("x", [Message(array=np.full((2, 3), k, np.uint16)) for k in range(4)])
    (column,) = block.columns
    assert isinstance(column, np.ndarray)
    assert column.shape == (4, 2, 3)
    assert column.dtype == np.uint16


@given(st.integers(0, 5), st.integers(0, 10), st.booleans(), st.data())
def test_some_of_some_rows(start: int, size: int, by_index: bool, data: st.DataObject) -> None:
    rows: slice | NDArray[np.intp] = slice(start, start + size)
    base = np.arange(20)
    if by_index:
        rows = np.array(sorted(data.draw(st.sets(st.integers(0, 19)))), np.intp)
        size = len(rows)
    positions = sorted(data.draw(st.sets(st.integers(0, size - 1)))) if size else []
    indices = np.array(positions, np.intp)
    assert base[pick(rows, indices)].tolist() == base[rows][indices].tolist()
    cut = slice(*sorted((data.draw(st.integers(0, 12)), data.draw(st.integers(0, 12)))))
    assert base[pick(rows, cut)].tolist() == base[rows][cut].tolist()


def test_arrays_whose_items_have_no_bytes_are_read_again() -> None:
    empty = np.zeros(3, "S")
    ragged = Block.of("a", [Message(array=empty.astype("S0")), Message(array=np.arange(2))], 1)
    first, second = (message.array for message in ragged.messages())
    assert first.shape == (3,)
    assert second.tolist() == [0, 1]
    assert not second.flags.writeable


@given(st.lists(st.integers(0, 9), max_size=12), st.booleans())
def test_messages_of_some_rows_are_views_of_the_block(rows: list[int], is_ragged: bool) -> None:
    arrays = [np.full((2, 1 + n % 3 if is_ragged else 2), n) for n in range(10)]
    block = Block.of("a", [Message(key=n, metadata={"n": n}, array=array) for n, array in enumerate(arrays)], 1)
    found = list(block.messages(np.array(rows, np.intp)))
    assert [message.key for message in found] == rows
    assert [message.metadata["n"] for message in found] == rows
    column = block.columns[0]
    payload = column if isinstance(column, np.ndarray) else column.payload
    for row, message in zip(rows, found, strict=True):
        assert np.array_equal(message.array, arrays[row])
        assert np.shares_memory(message.array, payload)
