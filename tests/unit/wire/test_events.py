"""Batches of events as descriptors: they come back over the same slots, and what makes no sense is refused."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Block, Event, EventBatch, Kind, Message, PartColumn
from penstock.errors import RemoteProtocolError
from penstock.wire.descriptors import (
    MAX_MESSAGE,
    BlockDescriptor,
    EventsDescriptor,
    PlacedBlock,
    decode,
    describe_block,
    describe_events,
    encode,
    first_row,
    split_events,
)
from penstock.wire.events import events_bytes
from penstock.wire.integers import Integers, encode_integers
from tests.unit.wire.block_cases import Corrupt, Pool, corruptions, ragged_blocks, same_array, same_block


def plain_block(n: int, stream: str = "detector") -> Block:
    ids = np.arange(1, n + 1).astype(np.uint64)
    pixels = np.arange(n * 2, dtype=np.uint16).reshape(n, 2)
    return Block(stream=stream, ids=ids, keys=ids + np.uint64(6), timestamps=np.zeros(n, np.int64), columns=(pixels,))


@st.composite
def parts(draw: st.DrawFn, n: int) -> PartColumn:
    """One stream's part: absent, one message, some missing, ranges, from consecutive rows or from any."""
    block = draw(st.integers(0, 400).map(plain_block) | ragged_blocks())
    present = draw(st.none() | st.lists(st.booleans(), min_size=n, max_size=n).map(lambda bits: np.array(bits, bool)))
    counts = None
    size = n if present is None else int(present.sum())
    if draw(st.booleans()):
        present, counts = None, np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)), np.intp)
        size = int(counts.sum())
    if not len(block) and size:
        return PartColumn(block=None)
    if draw(st.booleans()) and size <= len(block):
        start = draw(st.integers(0, len(block) - size))
        return PartColumn(block=block, rows=slice(start, start + size), present=present, counts=counts)
    rows = draw(st.lists(st.integers(0, max(len(block) - 1, 0)), min_size=size, max_size=size))
    return PartColumn(block=block, rows=np.array(rows, np.intp), present=present, counts=counts)


@st.composite
def batches(draw: st.DrawFn) -> EventBatch:
    """Any batch of up to ten events."""
    numbers = sorted(draw(st.sets(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 99), max_size=10)))
    if draw(st.booleans()):
        numbers = list(range(len(numbers)))
    names = tuple(draw(st.lists(st.text(max_size=4), min_size=1, max_size=3, unique=True)))
    return EventBatch(
        join=draw(st.text(max_size=4)),
        names=names,
        numbers=np.array(numbers, np.int64),
        parts=tuple(draw(st.just(PartColumn(block=None)) | parts(len(numbers))) for _ in names),
        kind=draw(st.sampled_from(Kind)),
        arrived_ns=draw(st.integers(-(2**63), 2**63 - 1)),
    )


def same_message(a: Message | None, b: Message | None) -> bool:
    if a is None or b is None:
        return a is b
    heads = [(m.id, m.key, m.timestamp_ns, dict(m.metadata), m.kind, len(m.buffers)) for m in (a, b)]
    return heads[0] == heads[1] and all(map(same_array, a.buffers, b.buffers))


def same_event(a: Event, b: Event) -> bool:
    def flat(event: Event) -> list[Any]:
        return [m for part in event.parts for m in (part if isinstance(part, tuple) else (part,))]

    def shape(event: Event) -> list[Any]:
        return [len(part) if isinstance(part, tuple) else part is None for part in event.parts]

    return (
        (a.number, a.kind, a.names, shape(a)) == (b.number, b.kind, b.names, shape(b))
        and all(map(same_message, flat(a), flat(b)))
    )  # fmt: skip


def same_batch(a: EventBatch, b: EventBatch) -> bool:
    heads = [(x.join, x.names, x.kind, x.arrived_ns, x.numbers.tolist(), x.numbers.dtype) for x in (a, b)]
    return heads[0] == heads[1] and all(same_event(*pair) for pair in zip(a.events(), b.events(), strict=True))


def travelled(batch: EventBatch, pool: Pool) -> EventBatch:
    found = decode(encode(describe_events(batch, pool.put))).read(pool.read)
    assert isinstance(found, EventBatch)
    return found


@given(batches())
def test_any_batch_comes_back(batch: EventBatch) -> None:
    found = travelled(batch, Pool())
    assert same_batch(found, batch)
    for ours, theirs in zip(found.parts, batch.parts, strict=True):
        assert [ours.block is None, ours.present is None, ours.counts is None] == [
            theirs.block is None, theirs.present is None, theirs.counts is None,
        ]  # fmt: skip


@given(batches())
def test_its_arrays_lie_in_the_slots(batch: EventBatch) -> None:
    pool = Pool()
    for part in travelled(batch, pool).parts:
        if part.block is not None and len(part.block):
            assert any(np.shares_memory(part.block.ids, slot) for slot in pool.slots)


@given(batches(), st.data())
def test_what_is_made_of_it_is_the_same_too(batch: EventBatch, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(batch)))
    stop = data.draw(st.integers(start, len(batch)))
    found = travelled(batch, Pool())
    assert same_batch(found.take(slice(start, stop)), batch.take(slice(start, stop)))


@given(batches(), corruptions())
def test_damaged_bytes_are_refused_or_are_a_batch_of_the_slots(batch: EventBatch, corrupt: Corrupt) -> None:
    pool = Pool()

    def read(slot: Any, nbytes: int) -> Any:
        if (slot.pool, slot.generation) != ("detector", 3) or slot.index >= len(pool.slots):
            raise RemoteProtocolError("no such slot")
        return pool.read(slot, nbytes)

    data = corrupt(encode(describe_events(batch, pool.put)))
    try:
        found = decode(data).read(read)
        if isinstance(found, EventBatch) and len(found) < 1000:
            list(found.events())
    except RemoteProtocolError:
        return
    assert isinstance(found, EventBatch)
    for part in found.parts:
        if part.block is not None and len(part.block):
            assert any(np.shares_memory(part.block.ids, slot) for slot in pool.slots)


@given(batches(), st.integers(1100, 4000))
def test_pieces_fit_and_make_the_whole(batch: EventBatch, limit: int) -> None:
    try:
        pieces = split_events(batch, limit)
    except ValueError:
        assert any(events_bytes(batch.take(slice(k, k + 1))) > limit for k in range(len(batch)))
        return
    pool = Pool()
    messages = [encode(describe_events(piece, pool.put), limit) for piece in pieces]
    found = [event for message in messages for event in decode(message).read(pool.read).events()]  # type: ignore[union-attr]
    assert len(found) == len(batch)
    assert all(map(same_event, found, batch.events()))


def test_a_batch_that_is_too_large_is_split_into_few_pieces() -> None:
    n = 200_000
    rows = np.random.default_rng(1).permutation(n)
    part = PartColumn(block=plain_block(n), rows=rows)
    batch = EventBatch(join="scan", names=("a", "b"), numbers=np.arange(n) ** 2, parts=(part, part))
    pool = Pool()
    with pytest.raises(ValueError, match="split what it describes"):
        encode(describe_events(batch, pool.put))
    pieces = split_events(batch)
    assert sum(map(len, pieces)) == n
    assert len(pieces) <= 2 * (n * 16) // MAX_MESSAGE
    assert all(len(encode(describe_events(piece, pool.put))) <= MAX_MESSAGE for piece in pieces)


def test_one_event_that_is_too_large_is_named() -> None:
    n = 70_000
    rows = np.random.default_rng(1).permutation(n)
    part = PartColumn(block=plain_block(n), rows=rows, counts=np.array([n]))
    batch = EventBatch(join="scan", names=("a",), numbers=np.array([7]), parts=(part,))
    with pytest.raises(ValueError, match="join scan: event 7 alone needs"):
        split_events(batch)


def test_more_events_than_a_progression_may_stand_for_are_split() -> None:
    batch = EventBatch(join="scan", names=(), numbers=np.arange((1 << 20) + 1), parts=())
    pieces = split_events(batch)
    assert sum(map(len, pieces)) == len(batch)
    assert max(map(len, pieces)) <= 1 << 20


def test_rows_of_a_slice_of_what_lies_in_the_slot() -> None:
    pool, whole = Pool(), plain_block(10)
    placed = pool.put(whole)
    block = placed.slot.block(placed.layout, "detector", pool.read)
    cut = block.take(slice(3, 8))
    assert (first_row(cut, block), first_row(block, block)) == (3, 0)
    assert first_row(block, cut) is None
    assert first_row(whole, block) is None
    again = PlacedBlock(placed.slot, placed.layout, 3)
    batch = EventBatch(
        join="scan", names=("a", "b"), numbers=np.arange(2),
        parts=(PartColumn(block=cut, rows=slice(1, 3)), PartColumn(block=cut, rows=np.array([4, 0]))),
    )  # fmt: skip
    found = decode(encode(describe_events(batch, lambda _: again))).read(pool.read)
    assert isinstance(found, EventBatch)
    assert same_batch(found, batch)


@given(ragged_blocks(), st.data())
def test_rows_of_a_block_come_back(block: Block, data: st.DataObject) -> None:
    pool = Pool()
    placed = pool.put(block)
    assert same_block(_block(describe_block("detector", placed), pool), block)
    start = data.draw(st.integers(0, len(block)))
    rows = slice(start, data.draw(st.integers(start, len(block))))
    assert same_block(_block(describe_block("detector", placed, rows), pool), block.take(rows))
    if len(block):
        some = np.array(data.draw(st.lists(st.integers(0, len(block) - 1), min_size=1, max_size=5)))
        found = _block(describe_block("detector", placed, some), pool)
        assert [m.id for m in found.messages()] == [m.id for m in block.take(some).messages()]


def _block(descriptor: BlockDescriptor, pool: Pool) -> Block:
    found = decode(encode(descriptor)).read(pool.read)
    assert isinstance(found, Block)
    return found


def contradictions() -> dict[str, dict[str, Any]]:
    def indices(*rows: int) -> Integers:
        return Integers(len(rows), 0, 0, 1, memoryview(bytes(rows)))

    return {
        "more rows than events": {"rows": Integers(4, 0, 1)},
        "rows beyond the block": {"rows": Integers(3, 8, 1)},
        "rows before the block": {"rows": Integers(3, -1, 1)},
        "an index beyond the block": {"rows": indices(0, 1, 10)},
        "indices from before the block": {"rows": Integers(3, -1, 0, 1, memoryview(b"\0\1\2"))},
        "endless rows": {"rows": Integers(2**62, 0, 1)},
        "bits of more events": {"present": memoryview(b"\7\0")},
        "fewer bits than rows": {"present": memoryview(b"\3")},
        "counts of fewer events": {"counts": Integers(2, 1, 0)},
        "negative counts": {"counts": Integers(3, -1, 2)},
        "counts of more rows": {"counts": Integers(3, 2, 0)},
        "counts beyond any sum": {"counts": Integers(3, 2**62, 0)},
        "counts and bits": {"counts": Integers(3, 1, 0), "present": memoryview(b"\7")},
    }


@pytest.mark.parametrize("name", contradictions())
def test_a_part_that_contradicts_itself_is_refused(name: str) -> None:
    pool, part = Pool(), PartColumn(block=plain_block(10), rows=slice(0, 3))
    batch = EventBatch(join="scan", names=("a",), numbers=np.arange(3), parts=(part,))
    good = describe_events(batch, pool.put)
    assert good.parts[0] is not None
    spoilt = msgspec.structs.replace(good.parts[0], **contradictions()[name])
    with pytest.raises(RemoteProtocolError):
        decode(encode(msgspec.structs.replace(good, parts=(spoilt,)))).read(pool.read)


def test_numbers_that_do_not_ascend_and_parts_of_nobody_are_refused() -> None:
    empty = EventBatch(join="scan", names=(), numbers=np.arange(3), parts=())
    good = describe_events(empty, Pool().put)
    for change in ({"names": ("a",)}, {"parts": (None,)}):
        with pytest.raises(RemoteProtocolError, match="join scan"):
            decode(encode(msgspec.structs.replace(good, **change))).read(Pool().read)
    for numbers in ([0, 0], [2, 1], [0, 2, 1], [1, 1, 2]):
        wrong = EventsDescriptor("scan", (), _integers(numbers), ())
        with pytest.raises(RemoteProtocolError, match="do not ascend"):
            decode(encode(wrong)).read(Pool().read)


def _integers(numbers: list[int]) -> Any:
    return encode_integers(np.array(numbers))


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x90", b"\x93\x07", b"\x91\x02", b"\xdd\xff\xff\xff\xff", b"\x00"])
def test_what_is_no_descriptor_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="not a descriptor"):
        decode(data)
