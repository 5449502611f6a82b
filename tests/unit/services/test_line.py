"""One process's end of the way to the event builder."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.result_range import ResultRange
from penstock.errors import RemoteProtocolError
from penstock.services.line import TOGETHER_BYTES, BuilderGoneError, Line
from penstock.wire.descriptors import describe_events
from penstock.wire.envelopes import (
    Begin,
    Drop,
    Failed,
    Free,
    Picked,
    Piece,
    PoolGone,
    Stop,
    open_envelopes,
)
from penstock.wire.integers import encode_integers
from penstock.wire.results import ResultsDescriptor, pack_results
from penstock.wire.slots import PlacedBlock, Slot
from tests.unit.services.custody_cases import batch_of, plain_block
from tests.unit.services.line_cases import Builder
from tests.unit.wire.block_cases import same_block


@pytest.fixture
def builder() -> Iterator[Builder]:
    found = Builder()
    yield found
    found.close()


def test_who_waits_is_let_go_also_by_what_is_seen_to_here(builder: Builder) -> None:
    # A reducer that is told to drop pieces, and nothing else, still has to publish before it waits again.
    builder.say(Drop((1,)))
    assert builder.line.next() is None
    builder.say(Begin(), Stop())
    assert (builder.line.next(), builder.line.next()) == (Begin(), Stop())


def test_who_waits_for_a_while_is_let_go_when_it_is_over(builder: Builder) -> None:
    assert [builder.line.is_quiet] == [True]
    assert builder.line.next(0.001) is None
    builder.say(Begin())
    assert [builder.line.is_quiet] == [False]
    assert builder.line.next(30.0) == Begin()
    assert builder.line.next(0) is None


def test_a_block_in_a_pool_that_was_told_is_read_where_it_lies(builder: Builder) -> None:
    builder.tell_pool()
    block: Any = builder.line.read(builder.put())
    assert same_block(block, plain_block(4))
    builder.pool.writable(0)[:] = 0
    assert block.ids.tolist() == [0] * 4


def test_events_are_read_as_blocks_are(builder: Builder) -> None:
    builder.tell_pool()
    described, block = builder.put(1), plain_block(4)
    placed = PlacedBlock(described.slot, described.layout)
    flow = describe_events(batch_of(block, None, numbers=[3, 5, 6, 9]), lambda _: placed)
    batch: Any = builder.line.read(flow)
    assert [(event.number, event["a"].id, event["b"]) for event in batch.events()] == [
        (3, 1, None), (5, 2, None), (6, 3, None), (9, 4, None),
    ]  # fmt: skip
    assert builder.line.slots_of(flow) == {("detector", 1, 1)}


def test_what_lies_in_no_pool_that_is_here_is_refused(builder: Builder) -> None:
    described = builder.put()
    with pytest.raises(RemoteProtocolError, match="no pool detector"):
        builder.line.read(described)
    builder.tell_pool()
    block: Any = builder.line.read(described)
    builder.say(PoolGone("detector", 1))
    builder.line.look()
    with pytest.raises(RemoteProtocolError, match="no pool detector"):
        builder.line.read(described)
    assert block.ids.tolist() == [1, 2, 3, 4]  # what is held stays


def piece(number: int, n: int, slot: Slot | None = None) -> Piece:
    """A piece of ten numbers each of which says its row, or texts that do."""
    values = [f"{number}.{row}" for row in range(n)]
    (packed,) = pack_results(ResultRange(stage="fit", numbers=np.arange(n), values=values), 0)
    found = packed.descriptor()
    if slot is not None:
        found = ResultsDescriptor("fit", found.numbers, found.form, body=found.body, slot=slot, slot_bytes=8)
    return Piece(number, found)


def picking(rows: Sequence[int], pieces: Sequence[int], which: Sequence[int] | None = None, **more: Any) -> Picked:
    given: dict[str, Any] = {"numbers": np.arange(len(rows)) * 3, "revision": 4, **more}
    return Picked(
        "fit",
        "high",
        encode_integers(given["numbers"]),
        given["revision"],
        tuple(pieces),
        encode_integers(np.array(rows, np.int64)),
        None if which is None else encode_integers(np.array(which, np.int64)),
        given.get("copies"),
    )


def values_of(builder: Builder, picked: Picked) -> list[Any]:
    found: Any = builder.line.read(picked)
    return list(found.values)


@pytest.mark.parametrize("rows", [[2, 3, 4, 5], [5], [1, 3, 5], [7, 0, 3], [4, 4], [6, 5, 4]])
def test_rows_of_one_piece_are_picked(rows: list[int], builder: Builder) -> None:
    builder.say(piece(7, 10))
    builder.line.look()
    assert values_of(builder, picking(rows, [7])) == [f"7.{row}" for row in rows]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), min_size=1, max_size=12))
def test_rows_of_several_pieces_are_picked_in_any_order(places: list[tuple[int, int]]) -> None:
    builder = Builder()
    builder.say(piece(3, 6), piece(9, 6), piece(4, 6))
    builder.line.look()
    picked = picking([row for _, row in places], [9, 3, 4], [k for k, _ in places])
    assert values_of(builder, picked) == [f"{[9, 3, 4][k]}.{row}" for k, row in places]
    builder.close()


def test_what_is_picked_says_all_that_results_say(builder: Builder) -> None:
    builder.say(piece(7, 10))
    builder.line.look()
    found: Any = builder.line.read(picking([0, 1, 2], [7], copies=encode_integers(np.array([0, 2, 1]))))
    assert (found.stage, found.lane, found.revision) == ("fit", "high", 4)
    assert (found.numbers.tolist(), found.copies.tolist(), found.copies.dtype) == ([0, 3, 6], [0, 2, 1], np.int32)


def test_an_array_of_results_stays_one_where_rows_follow_each_other(builder: Builder) -> None:
    (packed,) = pack_results(ResultRange(stage="fit", numbers=np.arange(9), values=np.arange(9.0)), 0)
    builder.say(Piece(1, packed.descriptor()))
    builder.line.look()
    found: Any = builder.line.read(picking([3, 4, 5], [1]))
    assert found.values.tolist() == [3.0, 4.0, 5.0]
    assert values_of(builder, picking([5, 0], [1])) == [5.0, 0.0]


def test_a_piece_that_was_dropped_or_never_came_is_refused(builder: Builder) -> None:
    builder.say(piece(7, 10), piece(8, 10), Drop((7, 12)))
    builder.line.look()
    for number in (7, 9):
        with pytest.raises(RemoteProtocolError, match=f"piece {number} was never sent here, or was dropped"):
            builder.line.read(picking([0], [number]))
    assert values_of(builder, picking([0], [8])) == ["8.0"]


def test_the_slots_of_what_is_picked_are_those_of_its_pieces(builder: Builder) -> None:
    builder.say(piece(1, 2), piece(2, 2, Slot("w results", 3, 5)), piece(3, 2, Slot("w results", 3, 6)))
    builder.line.look()
    assert builder.line.slots_of(picking([0, 1], [1, 2], [0, 1])) == {("w results", 3, 5)}


def test_own_slots_come_back_beside_everything_else(builder: Builder) -> None:
    builder.say(Begin(), Free(1, (2, 3)), Stop())
    builder.say(Free(2, (0,)))
    builder.line.look()
    assert builder.line.freed == [Free(1, (2, 3)), Free(2, (0,))]
    assert (builder.line.next(), builder.line.next(), builder.line.next(0)) == (Begin(), Stop(), None)


def test_who_waits_for_slots_keeps_what_else_comes(builder: Builder) -> None:
    builder.say(Begin())
    builder.say(Stop())
    builder.say(Free(1, (2,)))
    builder.line.wait_for_freed()
    assert builder.line.freed == [Free(1, (2,))]
    assert (builder.line.next(), builder.line.next()) == (Begin(), Stop())


@pytest.mark.parametrize("way", [Line.next, Line.wait_for_freed, Line.look, lambda line: line.send(Begin())])
def test_the_end_of_the_event_builder_is_said_after_what_it_said_last(
    way: Callable[[Line], Any], builder: Builder
) -> None:
    builder.say(Begin())
    builder.link.close()
    assert builder.line.next() == Begin()
    with pytest.raises(BuilderGoneError, match="the event builder has gone"):
        way(builder.line)


def test_a_few_envelopes_are_one_message_and_many_long_ones_are_several(builder: Builder) -> None:
    builder.line.send(Begin(), Stop())
    received = builder.link.receive()
    assert received is not None
    assert open_envelopes(received.data) == [Begin(), Stop()]
    long = [Failed("x" * (TOGETHER_BYTES // 3), number, 0) for number in range(4)]
    sender = threading.Thread(target=builder.line.send, args=long)
    sender.start()
    found: list[Any] = []
    while len(found) < 4:
        received = builder.link.receive()
        assert received is not None
        found += open_envelopes(received.data)
    sender.join()
    assert found == long


def test_a_view_that_is_held_is_found_also_when_only_the_collector_could(builder: Builder) -> None:
    builder.tell_pool()
    name = ("detector", 1, 0)
    block: list[Any] = [builder.line.read(builder.put())]
    assert builder.line.kept([name, ("detector", 1, 1)]) == [name]
    assert builder.line.kept_for_sure([name]) == [name]
    cycle: list[Any] = [block[0].columns[0][1:]]
    cycle.append(cycle)
    block.clear()
    del cycle
    assert builder.line.kept([name]) == [name]
    assert builder.line.kept_for_sure([name]) == []
    assert builder.line.kept([name]) == []


def test_a_view_of_a_slot_shows_what_else_is_one(builder: Builder) -> None:
    builder.tell_pool()
    block: Any = builder.line.read(builder.put())
    view = builder.line.view(("detector", 1, 0))
    assert len(view) == 0
    assert view.base is block.columns[0].base
    assert builder.line.view(("detector", 1, 1)).base is not view.base
