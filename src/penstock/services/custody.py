"""What the event builder answers for: every slot that something here still speaks of, and what lies in it.

Custody is reachability. As long as any block, batch, lease or result in this process leads to a slot, the slot is lent;
when the last of them is gone, it goes back to whoever writes it. Nothing is counted by hand.
"""

import weakref
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from penstock.core import Block, EventBatch, PartColumn
from penstock.services.flow import Flow
from penstock.services.line import SlotName
from penstock.transport.pool import Pool, PoolHandle
from penstock.transport.pools import Pools
from penstock.transport.slots import Loan, Slots
from penstock.wire.envelopes import BlockFilled, PoolMade
from penstock.wire.layout import BlockLayout, pack_block, read_block
from penstock.wire.results import ResultsDescriptor
from penstock.wire.slots import PlacedBlock, Slot, shifted

__all__ = ["BUILDER", "Custody", "HeldPiece"]

BUILDER = "builder"
"""The name of the event builder's own pools, for blocks that a join puts together."""
SHELF_SLOTS = 8
LEAST_FREE = 2
"""Slots of a pool: one that is being filled, and one for what comes next."""
LEAST_SHELF_BYTES = 64 << 10


class _Record(msgspec.Struct, eq=False, gc=False):
    """A block that lies in a slot."""

    slot: Slot
    layout: BlockLayout
    whole: PlacedBlock
    """Where all of it lies."""
    reference: Any
    """The weak reference that tells when nobody speaks of it any more."""
    address: int | None = None
    """Of its first timestamp, once somebody had to know."""


class HeldPiece:
    """Results as they came from one worker; when this object is gone, so is the need for their slot.

    Parameters
    ----------
    number
        By which consumers know it.
    results
        What they read.
    on_gone
        Called with the number, the slot and those who know the piece.
    """

    __slots__ = ("__weakref__", "_on_gone", "known_to", "nbytes", "number", "results", "size")

    def __init__(
        self,
        number: int,
        results: ResultsDescriptor,
        on_gone: Callable[[int, Slot | None, set[Any]], None],
    ) -> None:
        self.number = number
        self.results = results
        self.size = results.numbers.size
        self.nbytes = len(results.body) + results.slot_bytes + 128
        self.known_to: set[Any] = set()
        """The peers it was sent to."""
        self._on_gone = on_gone

    def __del__(self) -> None:
        self._on_gone(self.number, self.results.slot, self.known_to)


class _Shelf(msgspec.Struct, eq=False):
    pool: Pool
    slots: Slots
    loans: dict[int, Loan]


class Custody:
    """Everything that lies in slots.

    Parameters
    ----------
    on_pool
        Called when the event builder has made a pool of its own.
    """

    def __init__(self, on_pool: Callable[[PoolMade, int], None]) -> None:
        self.freed: list[SlotName] = []
        """Slots that nobody needs any more, until somebody takes them from here."""
        self.gone: list[tuple[int, set[Any]]] = []
        """Pieces that nobody needs any more, and who knows them."""
        self._on_pool = on_pool
        self._pools = Pools()
        self._records: dict[int, _Record] = {}
        self._alive: dict[SlotName, Any] = {}
        self._shelves: dict[int, _Shelf] = {}
        self._shelf_number = 0
        self._piece_number = 0

    @property
    def pool_bytes(self) -> int:
        """Bytes of all pools that blocks lie in."""
        return self._pools.nbytes

    @property
    def is_short(self) -> bool:
        """Whether whoever fills a pool has few free slots left, so that it would soon wait."""
        lent = self.lent()
        sizes = {(pool.handle.name, pool.handle.generation): pool.handle.slots for pool in self._pools}
        return any(lent[key] >= slots - max(LEAST_FREE, slots // 4) for key, slots in sizes.items())

    def lent(self) -> Counter[tuple[str, int]]:
        """Return how many slots are lent, by pool and generation."""
        return Counter((pool, generation) for pool, generation, _ in self._alive)

    def attach(self, made: PoolMade, fd: int) -> None:
        """Map a source's pool."""
        self._pools.attach(PoolHandle(made.name, made.generation, made.slots, made.slot_bytes), fd)

    def retire(self, name: str, generation: int) -> None:
        """Let go of a pool of which nothing is spoken any more."""
        self._pools.retire(name, generation)

    def admit(self, pool: str, filled: BlockFilled, stream: str) -> Block:
        """Return the block that lies in a slot; the slot is lent until nothing leads to the block any more.

        Raises
        ------
        RemoteProtocolError
            If there is no such slot, or no such block in it.
        """
        layout = filled.layout
        owner = self._pools.find(pool, filled.generation).loan(filled.slot, layout.nbytes)
        return self._admit(Slot(pool, filled.generation, filled.slot), layout, owner, stream)

    def piece(self, results: ResultsDescriptor) -> HeldPiece:
        """Return results of a worker; their slot is lent until nothing leads to them any more."""
        self._piece_number += 1
        piece = HeldPiece(self._piece_number, results, self._piece_gone)
        if results.slot is not None:
            self._alive[_name(results.slot)] = weakref.ref(piece)
        return piece

    def hold(self, name: SlotName) -> Any:  # whatever keeps it lent
        """Return what keeps a slot lent as long as it is held; ``None`` if the slot is free."""
        reference = self._alive.get(name)
        return None if reference is None else reference()

    def is_lent(self, pool: str, generation: int) -> bool:
        """Whether anything leads to a slot of a pool."""
        return any(name[0] == pool and name[1] == generation for name in self._alive)

    def place(self, block: Block) -> PlacedBlock:
        """Say where a block lies.

        Raises
        ------
        LookupError
            If it lies in no slot: ``settle`` it first.
        """
        found = self._placed(block)
        if found is None:
            raise LookupError(f"a block of {block.stream} lies in no slot")
        return found

    def settle(self, batch: EventBatch) -> EventBatch:
        """Return the batch with all its blocks in slots, copying those that are not: a join has put them together."""
        for part in batch.parts:
            if part.block is not None and self._placed(part.block) is None:
                return replace(batch, parts=tuple(map(self._settled, batch.parts)))
        return batch

    def shelve(self, block: Block) -> Block:
        """Return a copy of a block, in a slot of the event builder's own."""
        packed = pack_block(block)
        number, shelf = self._shelf(packed.layout.nbytes)
        loan = shelf.slots.lend()
        assert loan is not None, "a shelf was chosen that has room"
        shelf.loans[loan.slot] = loan
        packed.write(shelf.pool.writable(loan.slot))
        owner = shelf.pool.loan(loan.slot, packed.layout.nbytes)
        copy = self._admit(Slot(BUILDER, number, loan.slot), packed.layout, owner, block.stream)
        return replace(copy, origins=block.origins) if block.origins else copy

    def shelved(self, flow: Flow) -> Flow:
        """Return a start or an end in slots of the event builder's own, which every process knows."""
        if isinstance(flow, Block):
            return flow if self._is_shelved(flow) else self.shelve(flow)
        if not isinstance(flow, EventBatch):
            return flow
        return replace(flow, parts=tuple(map(self._shelved_part, flow.parts)))

    def take_freed(self) -> list[SlotName]:
        """Return the slots of others that have become free; the event builder's own are put back here."""
        freed, self.freed = self.freed, []
        others = []
        for name in freed:
            if name[0] == BUILDER:
                shelf = self._shelves[name[1]]
                shelf.slots.release(shelf.loans.pop(name[2]))
            else:
                others.append(name)
        return others

    def close(self) -> None:
        """Let go of everything."""
        self._pools.close()
        for shelf in self._shelves.values():
            shelf.pool.close()

    def _admit(self, slot: Slot, layout: BlockLayout, owner: NDArray[np.uint8], stream: str) -> Block:
        key, name = id(owner), (slot.pool, slot.generation, slot.index)
        reference = weakref.ref(owner, partial(self._slot_gone, key, name))
        self._records[key] = _Record(slot, layout, PlacedBlock(slot, layout), reference)
        self._alive[name] = reference
        return read_block(layout, owner, stream)

    def _slot_gone(self, key: int, name: SlotName, _: Any) -> None:
        del self._records[key]
        self._alive.pop(name, None)
        self.freed.append(name)

    def _piece_gone(self, number: int, slot: Slot | None, known_to: set[Any]) -> None:
        if known_to:
            self.gone.append((number, known_to))
        if slot is not None:
            self._alive.pop(_name(slot), None)
            self.freed.append(_name(slot))

    def _placed(self, block: Block) -> PlacedBlock | None:
        owner = block.timestamps.base
        record = self._records.get(id(owner)) if owner is not None else None
        n = len(block.ids)
        if record is None or (n > 1 and block.timestamps.strides != (8,)):
            return None
        # Most blocks are all that lies in their slot; to ask NumPy for an address takes 3 µs.
        first = 0 if n == record.layout.rows else self._first(block, record)
        if block.ids.base is owner:
            return record.whole if not first else PlacedBlock(record.slot, record.layout, first)
        return self._renumbered(block, record, first)

    def _first(self, block: Block, record: _Record) -> int:
        """Return at which row of what lies in the slot a block begins."""
        if record.address is None:
            whole = read_block(record.layout, self._memory(record), block.stream)
            record.address = _address(whole.timestamps)
        return (_address(block.timestamps) - record.address) // 8

    def _renumbered(self, block: Block, record: _Record, first: int) -> PlacedBlock | None:
        """Place a block that a merge has given other ids: dense ones, as those in the slot are."""
        whole = read_block(record.layout, self._memory(record), block.stream)
        shift = int(block.ids[0]) - int(whole.ids[first])
        if not np.array_equal(shifted(whole.ids[first : first + len(block)], shift), block.ids):
            return None
        return PlacedBlock(record.slot, record.layout, first, shift)

    def _memory(self, record: _Record) -> NDArray[np.uint8]:
        slot = record.slot
        if slot.pool == BUILDER:
            return self._shelves[slot.generation].pool.bytes(slot.index, record.layout.nbytes)
        return self._pools.bytes(slot.pool, slot.generation, slot.index, record.layout.nbytes)

    def _is_shelved(self, block: Block) -> bool:
        placed = self._placed(block)
        return placed is not None and placed.slot.pool == BUILDER

    def _shelved_part(self, part: PartColumn) -> PartColumn:
        if part.block is None or self._is_shelved(part.block):
            return part
        block = self.shelve(part.block.take(part.rows))
        return replace(part, block=block, rows=slice(0, len(block)))

    def _settled(self, part: PartColumn) -> PartColumn:
        if part.block is None or self._placed(part.block) is not None:
            return part
        return replace(part, block=self.shelve(part.block))

    def _shelf(self, nbytes: int) -> tuple[int, _Shelf]:
        self._put_back()
        for number, shelf in self._shelves.items():
            if shelf.slots.free and nbytes <= shelf.pool.handle.slot_bytes <= max(LEAST_SHELF_BYTES, 4 * nbytes):
                return number, shelf
        self._shelf_number += 1
        wanted = max(nbytes, LEAST_SHELF_BYTES)
        pool = Pool.create(BUILDER, SHELF_SLOTS, wanted, generation=self._shelf_number)
        shelf = _Shelf(pool, Slots(SHELF_SLOTS), {})
        self._shelves[self._shelf_number] = shelf
        handle = pool.handle
        self._on_pool(PoolMade(handle.name, handle.generation, handle.slots, handle.slot_bytes), pool.fd)
        return self._shelf_number, shelf

    def _put_back(self) -> None:
        """Note what is free of the event builder's own now, and leave the rest for ``take_freed``."""
        self.freed = self.take_freed()


def _name(slot: Slot) -> SlotName:
    return slot.pool, slot.generation, slot.index


def _address(column: NDArray[np.int64]) -> int:
    found: int = column.__array_interface__["data"][0]
    return found
