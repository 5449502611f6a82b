"""Custody is reachability: a slot comes back when nothing leads to it any more, and never before."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock.core import Block, Kind, Ledger, Message
from penstock.core.block import concatenate
from penstock.core.lease import Lease
from penstock.core.result_range import ResultRange
from penstock.errors import RemoteProtocolError
from penstock.pipeline.plan import MergePlan
from penstock.services.custody import BUILDER, SHELF_SLOTS, Custody
from penstock.services.flow import Flow
from penstock.services.merge_room import MergeRoom
from penstock.transport.pool import Pool, PoolHandle
from penstock.wire.descriptors import describe_block
from penstock.wire.envelopes import BlockFilled, PoolMade
from penstock.wire.results import pack_results
from penstock.wire.slots import Slot
from tests.unit.services.custody_cases import Instrument, batch_of, plain_block
from tests.unit.wire.block_cases import same_block


class Shelves:
    """The event builder's own pools, as others hear of them."""

    def __init__(self) -> None:
        self.made: list[PoolMade] = []
        self.fds: list[int] = []
        self.custody = Custody(self.add)

    def add(self, made: PoolMade, fd: int) -> None:
        self.made.append(made)
        self.fds.append(fd)


@pytest.fixture
def shelves() -> Iterator[Shelves]:
    found = Shelves()
    yield found
    found.custody.close()


@pytest.fixture
def custody(shelves: Shelves) -> Custody:
    return shelves.custody


@pytest.fixture
def instrument(custody: Custody) -> Iterator[Instrument]:
    found = Instrument(custody)
    yield found
    found.pool.close()


def lease_of(block: Block) -> Any:
    batch = batch_of(block)
    return Lease(id=1, worker="w", lane="", batch=batch, rows=slice(0, 1), size=1, given_ns=0)


HOLDERS: dict[str, Callable[[Any], Any]] = {
    "the block": lambda block: block,
    "a slice of it": lambda block: block.take(slice(1, 3)),
    "a slice of a slice": lambda block: block.take(slice(1, 4)).take(slice(1, 2)),
    "an empty slice": lambda block: block.take(slice(2, 2)),
    "a batch": batch_of,
    "some events of it": lambda block: batch_of(block).take(slice(1, 3)),
    "events by index": lambda block: batch_of(block).take(np.array([0, 3])),
    "an event": lambda block: list(batch_of(block).events())[2],
    "a message": lambda block: next(block.messages()),
    "a lease": lease_of,
    "a part of a lease": lambda block: lease_of(block).part(0, 1),
    "the ids": lambda block: block.ids,
    "a view of a column": lambda block: block.columns[0][1:3],
    "a view of a view": lambda block: block.columns[0].reshape(-1)[::3].view(np.int16).T,
    "a memoryview": lambda block: memoryview(block.columns[0]),
    "metadata": lambda block: block.metadata,
}


def with_metadata() -> Block:
    return plain_block(4, metadata=[{"k": k} for k in range(4)])


@pytest.mark.parametrize("name", HOLDERS)
def test_a_slot_is_lent_as_long_as_anything_leads_to_it(name: str, custody: Custody, instrument: Instrument) -> None:
    held = [HOLDERS[name](instrument.give(with_metadata()))]
    assert custody.take_freed() == []
    assert custody.is_lent("detector", 1)
    assert custody.lent() == {("detector", 1): 1}
    held.clear()
    assert not custody.is_lent("detector", 1)
    assert custody.lent() == {}
    assert custody.take_freed() == [instrument.slot(0)]
    assert custody.take_freed() == []


def test_a_copy_of_some_rows_leads_to_nothing(custody: Custody, instrument: Instrument) -> None:
    copy = instrument.give(plain_block(4)).take(np.array([0, 2]))
    assert custody.take_freed() == [instrument.slot(0)]
    assert copy.ids.tolist() == [1, 3]


@given(st.lists(st.sampled_from(sorted(HOLDERS)), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_it_comes_back_with_the_last_of_many(names: list[str], random: Any) -> None:
    custody = Shelves().custody
    instrument = Instrument(custody)
    block = [instrument.give(with_metadata())]
    held = [HOLDERS[name](block[0]) for name in names]
    block.clear()
    random.shuffle(held)
    while held:
        assert custody.take_freed() == []
        held.pop()
    assert custody.take_freed() == [instrument.slot(0)]
    custody.close()
    instrument.pool.close()


def test_every_slot_comes_back_by_its_own_name(custody: Custody, instrument: Instrument) -> None:
    blocks = [instrument.give(plain_block(2, 1 + 2 * k)) for k in range(4)]
    del blocks[2]
    assert custody.take_freed() == [instrument.slot(2)]
    again = instrument.give(plain_block(3, 100), slot=2)
    assert custody.lent() == {("detector", 1): 4}
    del blocks[0]
    assert custody.take_freed() == [instrument.slot(0)]
    assert again.ids.tolist() == [100, 101, 102]
    assert custody.place(again).slot == Slot("detector", 1, 2)


def test_a_block_is_what_was_written(custody: Custody, instrument: Instrument) -> None:
    assert same_block(instrument.give(with_metadata()), with_metadata())


@pytest.mark.parametrize("change", [{"generation": 2}, {"slot": 4}, {"slot": -1}])
def test_a_block_in_no_slot_is_refused(change: dict[str, int], custody: Custody, instrument: Instrument) -> None:
    filled = instrument.filled(plain_block(2))
    given = {"generation": filled.generation, "slot": filled.slot, **change}
    with pytest.raises(RemoteProtocolError):
        custody.admit("detector", BlockFilled(**given, layout=filled.layout, read_ns=0), "detector")
    assert custody.lent() == {}


def read_again(custody: Custody, instrument: Instrument, block: Block) -> Block:
    """Return what another process finds where a block is said to lie."""

    def read(slot: Slot, nbytes: int) -> Any:
        assert slot.pool == "detector"
        return instrument.pool.bytes(slot.index, nbytes)

    return describe_block(block.stream, custody.place(block), slice(0, len(block))).read(read)


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6), st.integers(0, 6))
def test_a_slice_lies_where_its_rows_are(start: int, stop: int, inner: int, end: int) -> None:
    custody = Shelves().custody
    instrument = Instrument(custody)
    whole = instrument.give(plain_block(6))
    cut = whole.take(slice(min(start, stop), stop)).take(slice(min(inner, end), end))
    if len(cut):
        placed = custody.place(cut)
        assert placed.slot == Slot("detector", 1, 0)
        assert placed.first == int(cut.ids[0]) - 1
        assert placed.shift == 0
        assert same_block(read_again(custody, instrument, cut), cut)
    del whole, cut
    custody.close()
    instrument.pool.close()


@pytest.mark.parametrize(
    "copied",
    [
        pytest.param(lambda block: block.take(np.array([0, 1, 2])), id="rows by index"),
        pytest.param(lambda block: block.take(slice(0, 4, 2)), id="every second row"),
        pytest.param(lambda block: concatenate([block, block]), id="put together"),
        pytest.param(lambda block: replace(block, timestamps=block.timestamps.copy()), id="other times"),
        pytest.param(lambda block: replace(block, ids=block.ids[::-1].copy()), id="ids in another order"),
        pytest.param(lambda block: plain_block(4), id="of this process"),
    ],
)
def test_what_lies_in_no_slot_is_not_placed(
    copied: Callable[[Block], Block], custody: Custody, instrument: Instrument
) -> None:
    copy = copied(instrument.give(plain_block(4)))
    with pytest.raises(LookupError, match="a block of detector lies in no slot"):
        custody.place(copy)


def firsts(block: Block) -> list[int]:
    """Return the first pixel of each image."""
    return [int(message.array[0]) for message in block.messages()]


class Collected:
    """A room that keeps what it is given."""

    name = "collected"

    def __init__(self) -> None:
        self.flows: list[Flow] = []

    def take(self, flow: Flow, producer: str, now: int) -> None:
        self.flows.append(flow)

    def close(self, producer: str, now: int) -> None:
        pass


def merged(*streams: str) -> tuple[MergeRoom, list[Flow]]:
    room, collected = MergeRoom(MergePlan(name="both", streams=streams), Ledger()), Collected()
    room.outlet.rooms.append(collected)
    return room, collected.flows


def test_what_a_merge_numbered_anew_lies_where_it_did(custody: Custody, instrument: Instrument) -> None:
    room, flows = merged("a", "b")
    for stream in ("a", "b", "a"):
        first = 1 + 3 * len([flow for flow in flows[::2] if stream == "a"])
        room.take(instrument.give(plain_block(3, first, stream=stream)), stream, 0)
    placed = [custody.place(flow) for flow in flows if isinstance(flow, Block)]
    assert [(each.slot.index, each.first, each.shift) for each in placed] == [(0, 0, 0), (1, 0, 3), (2, 0, 3)]
    (_, second, _) = flows
    assert isinstance(second, Block)
    cut = second.take(slice(1, 3))
    assert (custody.place(cut).first, custody.place(cut).shift) == (1, 3)
    again = read_again(custody, instrument, cut)
    assert (again.stream, again.ids.tolist()) == ("both", [5, 6])
    assert firsts(again) == [2, 3]


def test_a_merge_that_leaves_messages_out_numbers_below_the_instrument(
    custody: Custody, instrument: Instrument
) -> None:
    # The second start of an instrument, and its end while others go on, are left out: its later ids are above ours.
    room, flows = merged("a", "b")
    for number, kind in enumerate((Kind.START, Kind.START, Kind.END, Kind.START), 1):
        room.take(instrument.give(replace(plain_block(1, number, stream="a"), kind=kind)), "a", 0)
    room.take(instrument.give(plain_block(3, 5, stream="a")), "a", 0)
    data = flows[-1]
    assert isinstance(data, Block)
    assert data.ids.tolist() == [2, 3, 4]
    assert custody.place(data).shift == -3
    again = read_again(custody, instrument, data)
    assert (again.ids.tolist(), firsts(again)) == ([2, 3, 4], [5, 6, 7])


def test_settled_events_are_left_as_they_are(custody: Custody, instrument: Instrument) -> None:
    batch = batch_of(instrument.give(plain_block(3)), None, instrument.give(plain_block(3, 7)).take(slice(0, 3)))
    assert custody.settle(batch) is batch


def test_what_a_join_put_together_is_written_once(shelves: Shelves, instrument: Instrument) -> None:
    custody = shelves.custody
    together = concatenate([instrument.give(plain_block(2)), instrument.give(plain_block(2, 3))])
    other = instrument.give(plain_block(4, 9))
    settled = custody.settle(batch_of(together, other))
    assert [made.name for made in shelves.made] == [BUILDER]
    assert settled.parts[1].block is other
    found = settled.parts[0].block
    assert found is not None
    assert same_block(found, together)
    assert custody.place(found).slot == Slot(BUILDER, 1, 0)
    assert custody.settle(settled) is settled
    del settled, found, other
    assert sorted(custody.take_freed()) == [instrument.slot(0), instrument.slot(1), instrument.slot(2)]
    assert custody.lent() == {}


def header(n: int = 1) -> Block:
    return Block.of("detector", [Message(id=k + 1, kind=Kind.START, metadata={"shape": [2, 2]}) for k in range(n)])


def test_a_start_lies_where_everybody_can_read_it(shelves: Shelves, instrument: Instrument) -> None:
    custody = shelves.custody
    block = instrument.give(header())
    shelved = custody.shelved(block)
    assert isinstance(shelved, Block)
    assert same_block(shelved, block)
    assert custody.place(shelved).slot.pool == BUILDER
    assert custody.shelved(shelved) is shelved
    del block
    assert custody.take_freed() == [instrument.slot(0)]


def test_a_start_event_has_only_its_own_rows_shelved(custody: Custody, instrument: Instrument) -> None:
    whole = instrument.give(header(3))
    batch = batch_of(whole.take(slice(1, 2)), None, kind=Kind.START)
    shelved = custody.shelved(batch)
    assert not isinstance(shelved, Block | ResultRange)
    block = shelved.parts[0].block
    assert block is not None
    assert (block.ids.tolist(), shelved.parts[0].rows) == ([2], slice(0, 1))
    assert next(shelved.events())["a"].id == 2
    assert custody.place(block).slot.pool == BUILDER
    again = custody.shelved(shelved)
    assert not isinstance(again, Block | ResultRange)
    assert again.parts[0].block is block


def test_results_are_never_shelved(custody: Custody) -> None:
    results = ResultRange(stage="fit", numbers=np.arange(2), values=[1, 2])
    assert custody.shelved(results) is results


def test_shelves_are_used_again(shelves: Shelves) -> None:
    custody = shelves.custody
    for _ in range(5 * SHELF_SLOTS):
        custody.shelve(header())
    assert len(shelves.made) == 1
    held = [custody.shelve(header()) for _ in range(SHELF_SLOTS + 1)]
    assert len(shelves.made) == 2
    assert len({custody.place(block).slot for block in held}) == SHELF_SLOTS + 1
    held.clear()
    held = [custody.shelve(header()) for _ in range(2 * SHELF_SLOTS)]
    assert len(shelves.made) == 2
    assert custody.take_freed() == []


def test_large_blocks_have_shelves_of_their_own_which_small_ones_do_not_use(shelves: Shelves) -> None:
    custody = shelves.custody
    large = plain_block(1, columns=(np.zeros((1, 1 << 20), np.uint8),))
    for _ in range(3):
        custody.shelve(large)
        custody.shelve(header())
    sizes = sorted(made.slot_bytes for made in shelves.made)
    assert len(sizes) == 2
    assert sizes[0] <= 1 << 16 < 1 << 20 < sizes[1]


def test_what_is_put_back_meanwhile_is_not_lost(custody: Custody, instrument: Instrument) -> None:
    instrument.give(plain_block(2))
    custody.shelve(header())  # looks for room, and finds the freed slot of the instrument on its way
    custody.shelve(header())
    assert custody.take_freed() == [instrument.slot(0)]


def test_others_read_what_lies_on_a_shelf(shelves: Shelves) -> None:
    block = shelves.custody.shelve(plain_block(3))
    placed = shelves.custody.place(block)
    (made,), (fd,) = shelves.made, shelves.fds
    handle = PoolHandle(made.name, made.generation, made.slots, made.slot_bytes)
    with Pool.attach(handle, os.dup(fd)) as pool:
        found = placed.slot.block(placed.layout, "detector", lambda slot, nbytes: pool.bytes(slot.index, nbytes))
        assert same_block(found, block)


def results(slot: Slot | None = None, n: int = 2) -> Any:
    (packed,) = pack_results(ResultRange(stage="fit", numbers=np.arange(n), values=["v"] * n), 0)
    found = packed.descriptor()
    return found if slot is None else msgspec.structs.replace(found, slot=slot, slot_bytes=1000)


def test_pieces_are_numbered_and_known_to_be_small_or_large(custody: Custody) -> None:
    small, large = custody.piece(results()), custody.piece(results(Slot("w results", 1, 3)))
    assert (small.number, large.number, small.size) == (1, 2, 2)
    assert large.nbytes == small.nbytes + 1000


def test_a_piece_gives_its_slot_back_and_is_forgotten_by_those_who_know_it(custody: Custody) -> None:
    slot = Slot("w results", 1, 3)
    pieces = [custody.piece(results(slot)), custody.piece(results())]
    peer = object()
    pieces[1].known_to.add(peer)
    assert custody.is_lent("w results", 1)
    assert (custody.take_freed(), custody.gone) == ([], [])
    del pieces[0]
    assert (custody.take_freed(), custody.gone) == ([("w results", 1, 3)], [])
    assert not custody.is_lent("w results", 1)
    pieces.clear()
    assert (custody.take_freed(), custody.gone) == ([], [(2, {peer})])


@pytest.mark.parametrize("what", ["block", "piece"])
def test_whoever_holds_a_slot_keeps_it(what: str, custody: Custody, instrument: Instrument) -> None:
    name = instrument.slot(0) if what == "block" else ("w results", 1, 0)
    given = [instrument.give(plain_block(2)) if what == "block" else custody.piece(results(Slot("w results", 1, 0)))]
    held = [custody.hold(name)]
    given.clear()
    assert custody.take_freed() == []
    assert custody.hold(name) is held[0]
    held.clear()
    assert custody.take_freed() == [name]
    assert custody.hold(name) is None


def test_a_pool_of_which_nothing_is_spoken_can_be_let_go(custody: Custody, instrument: Instrument) -> None:
    before = custody.pool_bytes
    custody.retire("detector", 1)
    assert (before, custody.pool_bytes) == (instrument.pool.handle.nbytes, 0)
    with pytest.raises(RemoteProtocolError, match="no pool detector"):
        instrument.give(plain_block(1))
