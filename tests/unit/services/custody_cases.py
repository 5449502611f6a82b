"""What the tests of custody share: an instrument whose pool the test itself writes, and blocks and batches of it."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.core import Block, EventBatch, Kind, PartColumn
from penstock.services.custody import Custody
from penstock.services.line import SlotName
from penstock.transport.pool import Pool
from penstock.wire.envelopes import BlockFilled, PoolMade
from penstock.wire.layout import pack_block


def plain_block(n: int, first_id: int = 1, stream: str = "detector", **more: Any) -> Block:
    """A block of small images, each of which says its id."""
    ids = np.arange(first_id, first_id + n).astype(np.uint64)
    images = np.repeat(ids.astype(np.uint16), 4).reshape(n, 4)
    given: dict[str, Any] = {"keys": ids, "timestamps": ids.astype(np.int64), "columns": (images,), **more}
    return Block(stream=stream, ids=ids, **given)


class Instrument:
    """A pool of one source, which the test writes, and whose blocks a custodian answers for."""

    def __init__(self, custody: Custody, name: str = "detector", slots: int = 4, slot_bytes: int = 1 << 14) -> None:
        self.custody = custody
        self.name = name
        self.pool = Pool.create(name, slots, slot_bytes)
        self.made = PoolMade(name, 1, slots, self.pool.handle.slot_bytes)
        self.next_slot = 0
        custody.attach(self.made, os.dup(self.pool.fd))

    def filled(self, block: Block, slot: int | None = None) -> BlockFilled:
        """Write a block into a slot, the next one by default."""
        if slot is None:
            slot, self.next_slot = self.next_slot, (self.next_slot + 1) % self.made.slots
        packed = pack_block(block)
        packed.write(self.pool.writable(slot))
        return BlockFilled(1, slot, packed.layout, 0)

    def give(self, block: Block, slot: int | None = None) -> Block:
        """Write a block, and return it as the custodian has it."""
        return self.custody.admit(self.name, self.filled(block, slot), block.stream)

    def slot(self, index: int) -> SlotName:
        """Return the name of a slot."""
        return self.name, 1, index


def batch_of(*blocks: Block | None, numbers: Sequence[int] | None = None, kind: Kind = Kind.DATA) -> EventBatch:
    """Events to each of which every block contributes its next message."""
    n = next((len(block) for block in blocks if block is not None), 1)
    return EventBatch(
        join="scan",
        names=tuple("abcdef"[: len(blocks)]),
        numbers=np.arange(n) if numbers is None else np.array(numbers, np.int64),
        parts=tuple(
            PartColumn(block=None) if block is None else PartColumn(block=block, rows=slice(0, len(block)))
            for block in blocks
        ),
        kind=kind,
    )
