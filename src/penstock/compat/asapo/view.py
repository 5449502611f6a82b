"""A stream of messages or of datasets as ASAPO's broker sees it: which ids there are, how it stands, what an id holds.

Kept from request to request, as opening a reader costs more than a read. It is used by one thread at a time.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Final

from penstock.core.id_set import IdSet
from penstock.core.stream_address import StreamAddress
from penstock.errors import PenstockError
from penstock.streams.dataset import check_stream_name, part_address, table_address
from penstock.streams.dataset_reading import combined
from penstock.streams.declared_end import declared_last_id
from penstock.streams.ids_there import IdsThere
from penstock.streams.reading import ENDED
from penstock.streams.store import Store, StoredBlock, StreamInfo, StreamReader

__all__ = ["StreamView", "address_of"]

MOST_COMING: Final = 1024


@lru_cache(4096)
def address_of(beamtime: str, source: str, stream: str) -> StreamAddress:
    """Return an address, which is checked only where it is new: that takes as long as to read a small message."""
    return StreamAddress(beamtime, source, stream)


class StreamView:
    """One stream of a store, which may not exist yet.

    Raises
    ------
    StreamError
        If the name is one that a stream cannot have.
    """

    def __init__(self, store: Store, address: StreamAddress) -> None:
        check_stream_name(address)
        self.address = address
        self._store = store
        self._base = store.read(address)
        self._table = store.read(table_address(address))
        self._base_ids = IdsThere(self._base)
        self._parts: list[StreamReader] = []
        self._part_ids: list[IdsThere] = []
        self._all: IdSet | None = None
        self._all_arrived: tuple[tuple[int, int], ...] = ()
        self._is_single = False
        self._declared = 0, 0
        """When the stream was created whose declared last id this is; 0: it is not known."""
        self.waiting: dict[Callable[[], None], None] = {}
        """To be called when something has changed; the owner's."""
        self._arriving: dict[str, tuple[int, deque[int]]] = {}
        """For each group, how far the stream was read in the order of arrival, and ids of it that come next."""

    @property
    def parts(self) -> int:
        """Of how many parts its datasets are; 0 for a stream of messages, or one that is not there."""
        if self._parts or self._is_single:
            return len(self._parts)
        if self._base.arrived[0]:
            self._is_single = True
        else:
            said = (self._store.metadata(table_address(self.address)) or {}).get("parts", 0)
            for part in range(1, int(said) + 1):
                self._parts.append(self._store.read(part_address(self.address, part)))
                self._part_ids.append(IdsThere(self._parts[-1]))
        return len(self._parts)

    @property
    def readers(self) -> list[StreamReader]:
        """Those that tell when something changes."""
        if self.parts:
            return list(self._parts)
        return [self._base] if self._is_single else [self._base, self._table]

    @property
    def info(self) -> StreamInfo:
        """How it stands; it counts messages, or datasets whether complete or not."""
        if not self.parts:
            return self._base.info
        return combined(self.address, {part + 1: reader for part, reader in enumerate(self._parts)})

    @property
    def ended(self) -> StreamInfo | None:
        """How it stands, if it has ended; ``None`` if more may come."""
        if not self.parts:
            info = self._base.info
            return info if info.state in ENDED else None
        return self.info if all(reader.info.state in ENDED for reader in self._parts) else None

    def last_id(self, ended: StreamInfo) -> int:
        """Return the last id of a stream that has ended as ``ended`` says: a larger one than came, if it was declared.

        What has ended stays so; it is looked for once.
        """
        if self._declared[0] != ended.created_ns:
            self._declared = ended.created_ns, declared_last_id(self._store, self.address)
        return max(ended.last_id, self._declared[1])

    @property
    def first_id(self) -> int:
        """The smallest id, if what was before it was removed; 1 if nothing was."""
        firsts = [reader.info.first_id for reader in self._parts or [self._base] if reader.arrived[1]]
        return max(max(firsts, default=1), 1)

    @property
    def arrived(self) -> tuple[tuple[int, int], ...]:
        """What changes whenever a message comes or goes."""
        return tuple(reader.arrived for reader in self._parts) if self.parts else (self._base.arrived,)

    def present(self) -> IdSet:
        """Return the ids that are there; of datasets those of which a part is."""
        if not self.parts:
            return self._base_ids()
        arrived = self.arrived
        if self._all is None or arrived != self._all_arrived:
            self._all = IdSet()
            for there in self._part_ids:
                for first, last in there().ranges():
                    self._all.add_range(first, last)
            self._all_arrived = arrived
        return self._all

    def size_of(self, dataset_id: int) -> int:
        """Return how many parts of a dataset are there."""
        return sum(dataset_id in there() for there in self._part_ids)

    def newest(self, least: int) -> int:
        """Return the largest id of which enough parts are there; 0 for none."""
        there = self.present()
        if not self.parts:
            return there.last or 0
        for first, last in reversed(list(there.ranges())):
            for number in range(last, first - 1, -1):
                if self.size_of(number) >= least:
                    return number
        return 0

    def count(self, least: int) -> int:
        """Return how many datasets have enough parts."""
        if least <= 1:
            return self.present().count
        return sum(
            self.size_of(number) >= least
            for first, last in self.present().ranges()
            for number in range(first, last + 1)
        )

    def stored(self, number: int) -> list[tuple[int, StoredBlock]]:
        """Return what an id holds: the message, as part 0, or the parts of a dataset that are there."""
        readers = list(enumerate(self._parts, 1)) if self.parts else [(0, self._base)]
        found = ((part, next(reader.get(number), None)) for part, reader in readers)
        return [(part, stored) for part, stored in found if stored is not None]

    def next_arrived(self, group: str, taken: IdSet) -> int:
        """Return the id that arrived first of those that are not taken; 0 for none.

        Of datasets the smallest: their parts have no order of arrival among them.
        """
        if self.parts:
            left = self.present().difference(taken)
            return left.first if left.count else 0
        position, coming = self._arriving.get(group, (0, deque()))
        while True:
            while coming:
                if coming[0] not in taken:  # it stays until it was given
                    return coming[0]
                coming.popleft()
            if position >= self._base.arrived[0]:
                return 0
            for stored in self._base.blocks(position):
                ids = stored.block.ids
                coming += ids[~taken.contains(ids)].tolist()
                position = stored.position + len(ids)
                if len(coming) >= MOST_COMING:
                    break
            else:
                position = max(position, self._base.arrived[0]) if not coming else position
            self._arriving[group] = position, coming

    def begin_anew(self, group: str) -> None:
        """Forget what a group would be given next in the order of arrival."""
        self._arriving.pop(group, None)

    def quieten(self) -> None:
        """Let the readers' descriptors be quiet until something changes again."""
        for reader in self.readers:
            with suppress(PenstockError):
                reader.wait(sum(reader.arrived), 0)

    def close(self) -> None:
        """Let go."""
        for reader in (self._base, self._table, *self._parts):
            reader.close()
