"""The pools that one process writes: one generation after the other, each with larger slots than the one before.

What lies in an older generation stays valid until it has come back; then that memory is given back.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from penstock.errors import StateError
from penstock.transport.pool import Pool
from penstock.transport.slots import Loan, Slots
from penstock.wire.envelopes import Free, PoolGone, PoolMade
from penstock.wire.slots import Slot

__all__ = ["LEAST_SLOT_BYTES", "OwnPools"]

LEAST_SLOT_BYTES = (1 << 20) + (256 << 10)
"""A block closes at 1 MB; ids, keys, timestamps, tables and some metadata of 4096 messages lie beside."""

Announce = Callable[[PoolMade | PoolGone, tuple[int, ...]], None]
"""Tells others of a pool; its descriptor comes beside."""


@dataclass(slots=True)
class _Generation:
    pool: Pool
    slots: Slots
    loans: dict[int, Loan] = field(default_factory=dict)


class OwnPools:
    """Slots to write into.

    Parameters
    ----------
    name
        Of the pools.
    count
        Slots of each.
    generation
        Of the first; those of a predecessor were lower.
    announce
        Called when a pool is made, before any of its slots is lent, and when one is given back.
    small_count
        Slots of a pool whose slots are ``LEAST_SLOT_BYTES`` large, if other than ``count``.
    """

    def __init__(self, name: str, count: int, generation: int, announce: Announce, *, small_count: int = 0) -> None:
        self.name = name
        self._count = count
        self._small_count = small_count or count
        self._next = generation
        self._announce = announce
        self._generations: dict[int, _Generation] = {}
        self._current: _Generation | None = None

    @property
    def slot_bytes(self) -> int:
        """Of the pool that is written now; 0 before there is one."""
        return 0 if self._current is None else self._current.pool.handle.slot_bytes

    @property
    def free(self) -> int:
        """Slots that can be lent now."""
        return self._small_count if self._current is None else self._current.slots.free

    @property
    def lent(self) -> int:
        """Slots that are out, of all generations."""
        return sum(len(generation.loans) for generation in self._generations.values())

    def fit(self, nbytes: int) -> None:
        """Make sure that slots are at least so large, with a new generation if they are not.

        Raises
        ------
        PenstockError
            If there is no room for it.
        """
        if nbytes > self.slot_bytes:
            self.grow(nbytes)

    def grow(self, nbytes: int = 0) -> None:
        """Begin a new generation, of slots no smaller than those of the last; raises what ``fit`` does."""
        wanted = max(nbytes, self.slot_bytes, LEAST_SLOT_BYTES)
        count = self._small_count if wanted == LEAST_SLOT_BYTES else self._count
        pool = Pool.create(self.name, count, wanted, generation=self._next)
        self._next += 1
        before, self._current = self._current, _Generation(pool, Slots(count))
        self._generations[pool.handle.generation] = self._current
        handle = pool.handle
        self._announce(PoolMade(handle.name, handle.generation, handle.slots, handle.slot_bytes), (pool.fd,))
        if before is not None:
            self._retire(before)

    def lend(self) -> Slot | None:
        """Return a free slot of the newest generation, ``None`` if all are out."""
        current = self._current
        if current is None or (loan := current.slots.lend()) is None:
            return None
        current.loans[loan.slot] = loan
        return Slot(self.name, current.pool.handle.generation, loan.slot)

    def memory(self, slot: Slot) -> NDArray[np.uint8]:
        """(bytes,), a slot that was lent, to be filled."""
        return self._generations[slot.generation].pool.writable(slot.index)

    def give_up(self, slot: Slot) -> None:
        """Take a slot back that nobody was told of."""
        self.take_back(Free(slot.generation, (slot.index,)))

    def take_back(self, freed: Free) -> None:
        """Note that slots came back.

        Raises
        ------
        StateError
            If one was not out.
        """
        generation = self._generations.get(freed.generation)
        if generation is None:
            raise StateError(f"{self.name}: slots of generation {freed.generation} came back, which was not out")
        for slot in freed.slots:
            loan = generation.loans.pop(slot, None)
            if loan is None:
                raise StateError(
                    f"{self.name}: slot {slot} of generation {freed.generation} came back, which was not out"
                )
            generation.slots.release(loan)
        if generation is not self._current:
            self._retire(generation)

    def close(self) -> None:
        """Let go of all memory; what others still read stays theirs."""
        for generation in self._generations.values():
            generation.pool.close()
        self._generations.clear()
        self._current = None

    def _retire(self, generation: _Generation) -> None:
        if generation.loans:
            return
        handle = generation.pool.handle
        del self._generations[handle.generation]
        generation.pool.close()
        self._announce(PoolGone(handle.name, handle.generation), ())
