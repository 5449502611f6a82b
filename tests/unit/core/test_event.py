"""Events: batches of columns give the same events as making each by hand, whole, cut or masked."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.core.event import Event, EventBatch, Part, PartColumn, event_type
from penstock.core.message import Kind, Message

NAMES = ("xspress3", "contrast", "encoder", "slow")
Ids = tuple[int, ...] | int | None
"""An event's part as ids: a range, one message, or absent."""


def block_of(ids: Sequence[int], stream: str) -> Block:
    return Block.of(stream, [Message(id=k, key=k, array=np.array([k])) for k in ids])


def ids_of(part: Part) -> Ids:
    if isinstance(part, tuple):
        return tuple(message.id for message in part)
    return None if part is None else part.id


def seen(batch: EventBatch) -> list[tuple[int, list[Ids]]]:
    return [(event.number, [ids_of(part) for part in event.parts]) for event in batch.events()]


def single(present: Sequence[bool], stream: str, first: int, all_rows: bool) -> tuple[PartColumn, list[Ids]]:
    """A column of single messages, with every second row of its block unused unless ``all_rows``."""
    count = sum(present)
    step = 1 if all_rows else 2
    block = block_of(range(first, first + max(1, step * count)), stream)
    rows = slice(0, count) if all_rows else np.arange(0, step * count, step)
    ids = iter(range(first, first + step * count, step))
    mask = None if all(present) else np.array(present, np.bool_)
    return PartColumn(block=block, rows=rows, present=mask), [next(ids) if there else None for there in present]


def ranges(counts: Sequence[int], stream: str, first: int) -> tuple[PartColumn, list[Ids]]:
    block = block_of(range(first, first + max(1, sum(counts))), stream)
    ids = iter(range(first, first + sum(counts)))
    column = PartColumn(block=block, rows=slice(0, sum(counts)), counts=np.array(counts, np.intp))
    return column, [tuple(next(ids) for _ in range(count)) or None for count in counts]


@st.composite
def batches(draw: st.DrawFn) -> tuple[EventBatch, list[tuple[int, list[Ids]]]]:
    """A batch with all kinds of parts, and what its events must be."""
    numbers = sorted(draw(st.sets(st.integers(0, 50), min_size=1, max_size=8)))
    n = len(numbers)
    flags = st.lists(st.booleans(), min_size=n, max_size=n)
    full, full_ids = single([True] * n, "xspress3", 100, draw(st.booleans()))
    some, some_ids = single(draw(flags), "contrast", 200, draw(st.booleans()))
    many, many_ids = ranges(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)), "encoder", 300)
    batch = EventBatch(
        join="scan", names=NAMES, numbers=np.array(numbers), parts=(full, some, many, PartColumn(block=None))
    )
    nothing: list[Ids] = [None] * n
    columns = zip(full_ids, some_ids, many_ids, nothing, strict=True)
    return batch, [(number, list(row)) for number, row in zip(numbers, columns, strict=True)]


@given(batches())
def test_events_have_the_parts_of_their_columns(case: tuple[EventBatch, list[tuple[int, list[Ids]]]]) -> None:
    batch, wanted = case
    assert len(batch) == len(wanted)
    assert seen(batch) == wanted
    for column, k in zip(batch.parts, range(len(NAMES)), strict=True):
        ids = [row[k] for _, row in wanted]
        assert column.presence(len(batch)).tolist() == [i is not None for i in ids]
        assert column.size == sum(len(i) if isinstance(i, tuple) else i is not None for i in ids)


@given(batches(), st.integers(0, 8), st.integers(0, 8), st.data())
def test_some_events_of_a_batch(
    case: tuple[EventBatch, list[tuple[int, list[Ids]]]], start: int, stop: int, data: st.DataObject
) -> None:
    batch, wanted = case
    part = batch.take(slice(start, stop))
    assert seen(part) == wanted[start:stop]
    rows = sorted(data.draw(st.sets(st.integers(0, len(batch) - 1))))
    assert seen(batch.take(np.array(rows, np.intp))) == [wanted[row] for row in rows]
    if len(part):
        rows = sorted(data.draw(st.sets(st.integers(0, len(part) - 1))))
        assert seen(part.take(np.array(rows, np.intp))) == [wanted[start:stop][row] for row in rows]


@given(batches(), st.data())
def test_masked_events_lack_the_parts_without_a_bit(
    case: tuple[EventBatch, list[tuple[int, list[Ids]]]], data: st.DataObject
) -> None:
    batch, wanted = case
    bits = data.draw(st.lists(st.integers(0, 15), min_size=len(batch), max_size=len(batch)))
    masks: NDArray[np.uint64] = np.array(bits, np.uint64)
    shown: list[tuple[int, list[Ids]]] = []
    for (number, row), mask in zip(wanted, bits, strict=True):
        shown.append((number, [row[k] if mask >> k & 1 else None for k in range(len(NAMES))]))
    assert seen(batch.masked(masks)) == shown
    cut = data.draw(st.integers(0, len(batch)))
    assert seen(batch.masked(masks).take(slice(cut, len(batch)))) == shown[cut:]


def test_parts_are_found_by_name() -> None:
    event = event_type(("a", "b"))(3, (Message(id=1), None), Kind.DATA)
    assert event["a"].id == 1
    assert event["b"] is None
    assert "a" in event
    assert "c" not in event
    assert not event.is_complete
    with pytest.raises(KeyError, match="'c' is not a part of this event; it has a, b"):
        event["c"]


def test_events_of_a_join_have_one_class() -> None:
    assert event_type(("a", "b")) is event_type(("a", "b"))
    assert issubclass(event_type(("a", "b")), Event)
    assert event_type(("a",)) is not event_type(("b",))


def test_start_and_end_are_flags() -> None:
    batch = EventBatch(join="scan", names=("a",), numbers=np.array([0]), parts=(PartColumn(block=None),), kind=Kind.END)
    (event,) = batch.events()
    assert event.kind is Kind.END
    assert event.parts == (None,)
