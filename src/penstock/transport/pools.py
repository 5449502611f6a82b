"""The pools a process can read, found by name and generation, as descriptors name them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from penstock.errors import RemoteProtocolError
from penstock.transport.pool import Pool, PoolHandle

__all__ = ["Pools"]


class Pools:
    """Every generation that was added and not retired; a restarted writer's blocks and its predecessor's coexist."""

    def __init__(self) -> None:
        self._pools: dict[tuple[str, int], Pool] = {}

    def __len__(self) -> int:
        return len(self._pools)

    def __iter__(self) -> Iterator[Pool]:
        return iter(self._pools.values())

    @property
    def nbytes(self) -> int:
        """Bytes mapped here, without those of retired pools of which views are held."""
        return sum(pool.handle.nbytes for pool in self)

    def add(self, pool: Pool) -> None:
        """Take a pool over.

        Raises
        ------
        RemoteProtocolError
            If there is one of this name and generation.
        """
        key = pool.handle.name, pool.handle.generation
        if key in self._pools:
            raise RemoteProtocolError(f"pool {key[0]}, generation {key[1]}, is here already")
        self._pools[key] = pool

    def attach(self, handle: PoolHandle, fd: int) -> Pool:
        """Map a pool read-only and take it over; raises what ``Pool.attach`` and ``add`` do."""
        pool = Pool.attach(handle, fd)
        try:
            self.add(pool)
        except RemoteProtocolError:
            pool.close()
            raise
        return pool

    def find(self, name: str, generation: int) -> Pool:
        """Return a pool.

        Raises
        ------
        RemoteProtocolError
            If there is none of this name and generation here.
        """
        pool = self._pools.get((name, generation))
        if pool is None:
            here = sorted(known for other, known in self._pools if other == name)
            raise RemoteProtocolError(f"no pool {name}, generation {generation}, here; generations known: {here}")
        return pool

    def bytes(self, name: str, generation: int, slot: int, nbytes: int) -> NDArray[np.uint8]:
        """(nbytes,), the beginning of a slot, read-only; raises what ``find`` and ``Pool.bytes`` do."""
        return self.find(name, generation).bytes(slot, nbytes)

    def retire(self, name: str, generation: int) -> None:
        """Let go of one generation, of which no descriptor will come any more; views that are held stay valid.

        Raises
        ------
        RemoteProtocolError
            If it is not here.
        """
        self.find(name, generation).close()
        del self._pools[name, generation]

    def close(self) -> None:
        """Let go of all."""
        for pool in self:
            pool.close()
        self._pools.clear()
