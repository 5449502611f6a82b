"""Groups in memory, shared by the threads of one process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from penstock.core.group import GroupState
from penstock.core.stream_address import StreamAddress
from penstock.streams.kept_group import KeptGroup

__all__ = ["MemoryGroup", "MemoryGroups"]


class MemoryGroups:
    """The groups of all streams of a memory store."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: dict[tuple[StreamAddress, str], GroupState] = {}

    def group(self, address: StreamAddress, name: str) -> "MemoryGroup":
        """Return one group, which is made when something in it is changed."""
        return MemoryGroup(self._groups, self._lock, (address, name))

    def names(self, address: StreamAddress) -> list[str]:
        """List the groups of a stream."""
        with self._lock:
            return sorted(name for its, name in self._groups if its == address)

    def delete(self, address: StreamAddress, name: str | None = None) -> bool:
        """Forget one group, or all of a stream; return whether there was any."""
        with self._lock:
            found = [key for key in self._groups if key[0] == address and name in (None, key[1])]
            for key in found:
                del self._groups[key]
        return bool(found)


class MemoryGroup(KeptGroup):
    """One group, as one member reaches it."""

    def __init__(
        self, groups: dict[tuple[StreamAddress, str], GroupState], lock: threading.Lock, key: tuple[StreamAddress, str]
    ) -> None:
        self._groups = groups
        self._lock = lock
        self._key = key

    @contextmanager
    def change(self) -> Iterator[GroupState]:
        """Hold the group."""
        with self._lock:
            state = self._groups.get(self._key) or GroupState()
            yield state
            state.unclaimed.news = []
            self._groups[self._key] = state

    @contextmanager
    def look(self) -> Iterator[GroupState | None]:
        """Hold the group, and change nothing."""
        with self._lock:
            yield self._groups.get(self._key)

    def close(self) -> None:
        """Let go of it; others may have it still."""
