"""The register of pools: who writes each, who must know it, and those that outlive their writer."""

import os
from collections.abc import Mapping, Set
from dataclasses import dataclass

from penstock.services.custody import Custody
from penstock.services.peer import Peer
from penstock.wire import envelopes as wire

__all__ = ["PoolRegister"]


@dataclass(frozen=True, slots=True)
class _Dying:
    """A pool whose writer has gone, and in which something still lies that is needed."""

    made: wire.PoolMade
    fd: int
    of: str
    is_source: bool


class PoolRegister:
    """All memory that anything of a run may lie in.

    Parameters
    ----------
    names
        Who takes part, by name; the event builder's own.
    readers
        By stage or sink, the sources and stages in whose pools lies what it is given; one that is not there may be
        given anything.
    """

    def __init__(self, names: Mapping[str, Peer], readers: Mapping[str, Set[str]]) -> None:
        self._names = names
        self._readers = readers
        self.custody = Custody(self._made_shelf)
        self._shelves: list[tuple[wire.PoolMade, int]] = []
        self._dying: dict[tuple[str, int], _Dying] = {}

    @property
    def pools(self) -> list[wire.PoolMade]:
        """All that anything may lie in, also those whose writer has gone."""
        own = [made for made, _ in self._shelves]
        dying = [dying.made for dying in self._dying.values()]
        return [*(made for peer in self._names.values() for made, _ in peer.pools.values()), *dying, *own]

    def introduce(self, peer: Peer) -> None:
        """Tell a process of every pool that it may read."""
        for made, fd in self._shelves:
            peer.tell_pool(made, fd)
        wanted = self._readers.get(peer.of)
        for other in list(self._names.values()):
            if wanted is None or other.of in wanted:
                for made, fd in other.pools.values():
                    peer.tell_pool(made, fd)
        for dying in self._dying.values():
            if wanted is None or dying.of in wanted:
                peer.tell_pool(dying.made, dying.fd)

    def made(self, peer: Peer, made: wire.PoolMade, fd: int) -> None:
        """Learn that a process has made a pool."""
        if peer.role == "source":
            self.custody.attach(made, os.dup(fd))
        peer.pools[made.generation] = made, fd
        for other in self._names.values():
            if other.is_ready and other.role != "source" and peer.of in self._readers.get(other.of, ()):
                other.tell_pool(made, fd)

    def gone(self, peer: Peer, name: str, generation: int) -> None:
        """Learn that nothing will ever lie in a pool again."""
        made = peer.pools.pop(generation, None)
        if made is not None:
            self._retire(name, generation, made[1], is_source=peer.role == "source")

    def bury(self, peer: Peer) -> None:
        """Keep the pools of a process that has gone until nothing in them is needed."""
        for made, fd in peer.pools.values():
            self._dying[made.name, made.generation] = _Dying(made, fd, peer.of, is_source=peer.role == "source")

    def give_back(self) -> None:
        """Return slots that nobody needs to those who write them, and let pieces be forgotten."""
        for pool, generation, slot in self.custody.take_freed():
            writer = self._names.get(pool.removesuffix(" results"))
            if writer is not None and generation in writer.pools:
                writer.free(generation, slot)
        for key, dying in [(k, d) for k, d in self._dying.items() if not self.custody.is_lent(*k)]:
            del self._dying[key]
            self._retire(*key, dying.fd, is_source=dying.is_source)
        gone, self.custody.gone = self.custody.gone, []
        for number, known_to in gone:
            for peer in known_to:
                peer.drop(number)

    def _retire(self, name: str, generation: int, fd: int, *, is_source: bool) -> None:
        os.close(fd)
        if is_source:
            self.custody.retire(name, generation)
        for other in self._names.values():
            if (name, generation) in other.known_pools:
                other.known_pools.discard((name, generation))
                other.say(wire.PoolGone(name, generation))

    def _made_shelf(self, made: wire.PoolMade, fd: int) -> None:
        self._shelves.append((made, fd))
        for peer in self._names.values():
            if peer.is_ready and peer.role != "source":
                peer.tell_pool(made, fd)
