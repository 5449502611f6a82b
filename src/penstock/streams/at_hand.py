"""Messages that a server sent with a claim, until the reader of the same stream asks for them."""

import threading
from collections.abc import Sequence

from penstock.core.id_ranges import Range
from penstock.streams.store import StoredBlock

__all__ = ["AtHand"]


class AtHand:
    """What came of one stream with the claims of this client's members; used from any thread.

    It holds what the latest claim of each member brought, and gives each range away once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: dict[Range, list[StoredBlock]] = {}
        self._readers = 0

    @property
    def is_wanted(self) -> bool:
        """Whether somebody reads the stream, and may ask for it."""
        return self._readers > 0

    def begin(self) -> None:
        """Begin to read the stream."""
        with self._lock:
            self._readers += 1

    def end(self) -> None:
        """Read it no more."""
        with self._lock:
            self._readers -= 1

    def put(self, ranges: Sequence[Range], blocks: Sequence[StoredBlock]) -> None:
        """Keep the blocks that begin in some ranges, ids ascending in each."""
        with self._lock:
            for block_range in ranges:
                first, last = block_range
                self._blocks[block_range] = [one for one in blocks if first <= int(one.block.ids[0]) <= last]

    def take(self, first_id: int, last_id: int) -> list[StoredBlock]:
        """Give away the blocks of a range that was put exactly so; none if it was not."""
        if not self._blocks:
            return []
        with self._lock:
            return self._blocks.pop((first_id, last_id), [])

    def drop(self, ranges: Sequence[Range]) -> None:
        """Forget what of some ranges nobody has asked for."""
        with self._lock:
            for one in ranges:
                self._blocks.pop(one, None)
