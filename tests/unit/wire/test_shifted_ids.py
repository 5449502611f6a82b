"""Ids that a merge has given anew: the same slot, described with how far they are from those in it."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock.core import Block, EventBatch, PartColumn
from penstock.errors import RemoteProtocolError
from penstock.wire.descriptors import (
    BlockDescriptor,
    EventsDescriptor,
    PlacedBlock,
    decode,
    describe_block,
    describe_events,
    encode,
)
from tests.unit.wire.block_cases import Pool, same_block, uniform_blocks


def plain_block(n: int, first_id: int = 1) -> Block:
    ids = np.arange(first_id, first_id + n).astype(np.uint64)
    return Block(stream="detector", ids=ids, timestamps=np.arange(n), columns=(np.arange(n, dtype=np.uint16),))


def moved(placed: PlacedBlock, shift: int, first: int = 0) -> PlacedBlock:
    return msgspec.structs.replace(placed, shift=shift, first=first)


def travelled(descriptor: BlockDescriptor | EventsDescriptor, pool: Pool) -> Any:
    return decode(encode(descriptor)).read(pool.read)


@given(uniform_blocks(), st.integers(-(2**62), 2**62) | st.integers(-9, 9))
def test_a_block_comes_back_with_its_new_ids_and_nothing_else_new(block: Block, shift: int) -> None:
    pool = Pool()
    found = travelled(describe_block("detector", moved(pool.put(block), shift)), pool)
    assert found.ids.tolist() == [(each + shift) % 2**64 for each in block.ids.tolist()]
    assert same_block(replace(found, ids=block.ids), block)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(-5, 1000))
def test_some_rows_of_a_slice_have_the_new_ids_of_those_rows(first: int, start: int, shift: int) -> None:
    pool, whole = Pool(), plain_block(20, first_id=5)
    placed = moved(pool.put(whole), shift, first)
    for rows in (slice(start, start + 2), np.array([start + 1, start])):
        found = travelled(describe_block("detector", placed, rows), pool)
        expected = np.arange(20)[first:][rows] + 5 + shift
        assert found.ids.tolist() == expected.tolist()
        assert found.columns[0].tolist() == (expected - 5 - shift).tolist()


@given(st.integers(0, 2**40), st.integers(0, 5))
def test_the_parts_of_events_have_them_too(shift: int, first: int) -> None:
    pool, whole = Pool(), plain_block(10)
    placed = moved(pool.put(whole), shift, first)
    batch = EventBatch(
        join="scan", names=("a", "b"), numbers=np.arange(3),
        parts=(PartColumn(block=whole, rows=slice(1, 4)), PartColumn(block=whole, rows=np.array([4, 0, 2]))),
    )  # fmt: skip
    events = list(travelled(describe_events(batch, lambda _: placed), pool).events())
    assert [event["a"].id for event in events] == [first + row + 1 + shift for row in (1, 2, 3)]
    assert [event["b"].id for event in events] == [first + row + 1 + shift for row in (4, 0, 2)]


def test_the_payload_stays_where_it_lies() -> None:
    pool, whole = Pool(), plain_block(10)
    found = travelled(describe_block("detector", moved(pool.put(whole), 7)), pool)
    assert np.shares_memory(found.columns[0], pool.slots[0])
    assert not np.shares_memory(found.ids, pool.slots[0])


@pytest.mark.parametrize("shift", [-(2**62) - 1, 2**62 + 1])
def test_a_shift_that_no_merge_makes_is_refused(shift: int) -> None:
    pool = Pool()
    good = describe_block("detector", pool.put(plain_block(3)))
    with pytest.raises(RemoteProtocolError, match="not a descriptor"):
        decode(encode(msgspec.structs.replace(good, shift=shift)))
