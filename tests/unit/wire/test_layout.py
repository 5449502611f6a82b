"""Blocks in slots: what is written is read, without a copy; what no block is, is refused."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Block, RaggedColumn
from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.wire.layout import ALIGNMENT, BlockLayout, measure, pack_block, read_block, write_block
from tests.unit.wire.block_cases import (
    Corrupt,
    blocks,
    corruptions,
    empty_slot,
    parts_of,
    ragged_blocks,
    same_block,
    uniform_blocks,
    written,
)


def simple(n: int = 3, columns: tuple[Any, ...] = ()) -> Block:
    ids = np.arange(1, n + 1).astype(np.uint64)
    return Block(stream="detector", ids=ids, keys=ids, timestamps=np.zeros(n, np.int64), columns=columns)


def frozen_slot(data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    slot = empty_slot(len(data))
    slot[:] = np.frombuffer(data, np.uint8)
    return slot


def look_at_everything(block: Block) -> None:
    for message in block.messages():
        for buffer in message.buffers:
            buffer.tobytes()


@given(blocks)
def test_what_is_written_is_read(block: Block) -> None:
    layout, slot = written(block, spare=7)
    assert layout.nbytes == measure(block) == len(slot) - 7
    assert same_block(read_block(layout, slot, "detector"), block)


@given(blocks)
def test_arrays_are_read_only_views_of_the_slot(block: Block) -> None:
    layout, slot = written(block)
    for array in parts_of(read_block(layout, slot, "detector")):
        assert not array.flags.writeable
        assert not array.nbytes or np.shares_memory(array, slot)
        assert array.base is slot.base  # by which the pool knows that somebody kept it


@given(blocks)
def test_pieces_one_after_the_other_are_the_slot(block: Block) -> None:
    packed = pack_block(block)
    slot = frozen_slot(b"".join(piece.tobytes() for piece in packed.pieces()))
    assert len(slot) == packed.layout.nbytes
    assert same_block(read_block(packed.layout, slot, "detector"), block)


@given(uniform_blocks())
def test_columns_begin_at_cache_lines(block: Block) -> None:
    layout, slot = written(block)
    for array in parts_of(read_block(layout, slot, "detector")):
        assert array.__array_interface__["data"][0] % ALIGNMENT == 0 or not array.nbytes


@given(ragged_blocks())
def test_ragged_payload_begins_at_a_cache_line(block: Block) -> None:
    layout, slot = written(block)
    for column in read_block(layout, slot, "detector").columns:
        if isinstance(column, RaggedColumn) and column.nbytes:
            assert column.payload.__array_interface__["data"][0] % ALIGNMENT == 0


@given(blocks)
def test_a_slot_that_can_be_written_is_read_only_for_readers(block: Block) -> None:
    slot = empty_slot(measure(block))
    layout = write_block(block, slot)
    assert not any(array.flags.writeable for array in parts_of(read_block(layout, slot, "detector")))
    assert slot.flags.writeable


@given(blocks)
def test_a_layout_travels_in_few_bytes(block: Block) -> None:
    layout, _ = written(block)
    data = msgspec.msgpack.encode(layout)
    assert msgspec.msgpack.decode(data, type=BlockLayout) == layout
    assert len(data) < 64


@given(blocks)
def test_nothing_outside_the_block_is_written(block: Block) -> None:
    room = empty_slot(measure(block) + 64, fill=0x5A)
    write_block(block, room)
    assert (room[-64:] == 0x5A).all()


@given(blocks, corruptions())
def test_a_damaged_slot_is_refused_or_gives_arrays_of_the_slot(block: Block, corrupt: Corrupt) -> None:
    layout, slot = written(block)
    spoilt = frozen_slot(corrupt(slot.tobytes()))
    try:
        found = read_block(layout, spoilt, "detector")
        look_at_everything(found)
    except RemoteProtocolError:
        return
    assert all(not array.nbytes or np.shares_memory(array, spoilt) for array in parts_of(found))


sizes = st.integers(0, 300) | st.sampled_from([2**31, 2**40, 2**62])
layouts = st.builds(
    BlockLayout, sizes, sizes, sizes, sizes, is_keyed=st.booleans(), metadata=sizes,
    ragged=st.lists(st.tuples(sizes, sizes), max_size=3).map(tuple),
)  # fmt: skip


@given(blocks, layouts, st.integers(0, 255))
def test_a_layout_that_is_not_of_this_slot_is_refused(block: Block, layout: BlockLayout, mask: int) -> None:
    """Fields of another layout, some or all: a plausible block must lie within the slot."""
    own, slot = written(block)
    fields = {
        name: getattr(layout if mask >> bit & 1 else own, name)
        for bit, name in enumerate(BlockLayout.__struct_fields__)
    }
    fields["kind"] = own.kind
    try:
        found = read_block(BlockLayout(**fields), slot, "detector")
        look_at_everything(found)
    except RemoteProtocolError:
        return
    assert all(not array.nbytes or np.shares_memory(array, slot) for array in parts_of(found))


@given(blocks)
def test_a_slot_cut_off_anywhere_is_refused(block: Block) -> None:
    layout, slot = written(block)
    for stop in {0, layout.head, layout.nbytes // 2, layout.nbytes - 1} - {layout.nbytes}:
        with pytest.raises(RemoteProtocolError):
            read_block(layout, slot[:stop], "detector")


def hostile_heads() -> dict[str, Any]:
    return {
        "objects": [["|O", []]],
        "text of objects": [["<T16", []]],
        "fields of objects": [[{"fields": [["a", "|O", 0, None]], "size": 8}, []]],
        "an array of arrays": [[["<u2", [3]], []]],
        "negative shape": [["<u2", [-1]]],
        "huge shape": [["<u2", [2**62, 2**62]]],
        "huge shape of nothing": [["<u2", [2**62, 0]]],
        "a thousand axes": [["<u2", [1] * 1000]],
        "huge item": [["|V999999999", [999999999, 999]]],
        "fields beyond their size": [[{"fields": [["a", "<u8", 100, None]], "size": 8}, []]],
        "negative offset": [[{"fields": [["a", "<u8", -8, None]], "size": 8}, []]],
        "fields that are text": [[{"fields": "ab", "size": 8}, []]],
        "nameless fields": [[{"fields": [[1, "<u8", 0, None]], "size": 8}, []]],
        "endless fields": [[_nested(200), []]],
        "unknown unit": [["<M8[xx]", []]],
        "ragged": [None],
        "a million columns": [["<u2", [0]]] * 1_000_000,
        "no list": 7,
        "nothing in it": [[]],
    }


def _nested(depth: int) -> Any:
    return {"fields": [["a", _nested(depth - 1), 0, None]], "size": 1} if depth else "|u1"


@pytest.mark.parametrize("name", hostile_heads())
@pytest.mark.parametrize("rows", [0, 1])
def test_a_head_that_asks_for_too_much_is_refused(name: str, rows: int) -> None:
    head = msgspec.msgpack.encode(hostile_heads()[name])
    slot = np.zeros(-(-len(head) // 64) * 64 + 1024, np.uint8)
    slot[: len(head)] = np.frombuffer(head, np.uint8)
    places = -(-len(head) // 64) * 64 + rows * 192
    for nbytes in (places, len(slot), 2**62):
        with pytest.raises(RemoteProtocolError, match="stream detector"):
            read_block(BlockLayout(rows, rows, len(head), nbytes), slot, "detector")


def test_ragged_rows_of_no_type_are_refused() -> None:
    column = RaggedColumn(
        np.arange(6, dtype=np.uint8), np.array([0, 2, 6]), ((np.dtype("u1"), (2,)), (np.dtype("u1"), (4,))),
        np.array([0, 1], np.int32),
    )  # fmt: skip
    layout, slot = written(simple(2, (column,)))
    at = layout.nbytes - 128
    assert slot[at : at + 8].view(np.int32).tolist() == [0, 1]
    for wrong in ([0, 2], [-2, 1], [1, 1], [2**31 - 1, -(2**31)]):
        spoilt = slot.copy()
        spoilt[at : at + 8].view(np.int32)[:] = wrong
        with pytest.raises(RemoteProtocolError):
            read_block(layout, spoilt, "detector")


def test_what_a_ragged_row_is_cannot_change_after_it_was_checked() -> None:
    block = simple(1, (_one_ragged(),))
    slot = empty_slot(measure(block))
    found = read_block(write_block(block, slot), slot, "detector")
    column = found.columns[0]
    assert isinstance(column, RaggedColumn)
    assert not np.shares_memory(column.type_of, slot)


def _one_ragged() -> RaggedColumn:
    return RaggedColumn(np.zeros(2, np.uint8), np.array([0, 2]), ((np.dtype("u1"), (2,)),), np.zeros(1, np.int32))


def test_a_ragged_column_with_gaps_is_a_mistake_of_its_maker() -> None:
    column = RaggedColumn(np.zeros(9, np.uint8), np.array([0, 9]), ((np.dtype("u1"), (2,)),), np.zeros(1, np.int32))
    with pytest.raises(ValueError, match="directly after"):
        written(simple(1, (column,)))


def test_ragged_items_of_no_bytes_cannot_travel() -> None:
    column = RaggedColumn(np.zeros(0, np.uint8), np.zeros(2, np.int64), ((np.dtype("S0"), ()),), np.zeros(1, np.int32))
    with pytest.raises(ResultTypeError, match=r"stream detector: buffer 0 has items of no bytes"):
        measure(simple(1, (column,)))


def test_too_many_buffers_cannot_travel() -> None:
    with pytest.raises(ResultTypeError, match=r"1025 buffers; 1024 are allowed"):
        measure(simple(1, (np.zeros(1),) * 1025))


def test_a_slot_that_is_too_small_is_named() -> None:
    block = simple(3, (np.zeros((3, 100)),))
    with pytest.raises(ValueError, match=r"does not fit into a slot of 100"):
        write_block(block, empty_slot(100))


@pytest.mark.parametrize("ragged", [False, True])
def test_objects_cannot_travel(ragged: bool) -> None:
    dtype = np.dtype(object)
    column: Any = np.array([None, None, None])
    if ragged:
        column = RaggedColumn(np.zeros(0, np.uint8), np.zeros(4, np.int64), ((dtype, ()),), np.full(3, -1, np.int32))
    with pytest.raises(ResultTypeError, match=r"stream detector: buffer 0 is an array of Python objects"):
        measure(simple(3, (column,)))
