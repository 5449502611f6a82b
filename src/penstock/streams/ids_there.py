"""Which ids of a stream there are, for a group that asks at every claim: only what is new is looked at."""

from penstock.core.id_set import IdSet
from penstock.streams.store import StreamReader

__all__ = ["IdsThere"]

AT_ONCE = 1 << 20


class IdsThere:
    """Returns the ids that can be read now, whenever it is called.

    Parameters
    ----------
    reader
        Of the stream; closed by ``close``.
    """

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self._ids = IdSet()
        self._arrived = self._removed = 0

    def __call__(self) -> IdSet:
        """Return them; the set is this object's, and grows with the next call."""
        arrived, removed = self._reader.arrived
        if (arrived, removed) == (self._arrived, self._removed):
            return self._ids
        if removed == self._removed:
            self._take(self._ids.last + 1)  # new ones mostly lie behind all others
        if removed != self._removed or self._ids.count < arrived - removed:
            self._ids = IdSet()
            self._take(1)
        self._arrived, self._removed = arrived, removed
        return self._ids

    def close(self) -> None:
        """Let go of the stream."""
        self._reader.close()

    def _take(self, first_id: int) -> None:
        while len(ids := self._reader.ids(first_id, AT_ONCE)):
            self._ids.add_all(ids)
            first_id = int(ids[-1]) + 1
