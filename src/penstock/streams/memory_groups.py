"""Groups in memory, shared by the threads of one process."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from penstock.core.group import GroupState
from penstock.core.stream_address import StreamAddress
from penstock.streams.group_bell import Bell
from penstock.streams.kept_group import KeptGroup

__all__ = ["MemoryGroup", "MemoryGroups"]


class MemoryGroups:
    """The groups of all streams of a memory store."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: dict[tuple[StreamAddress, str], GroupState] = {}
        self._bells: dict[tuple[StreamAddress, str], list[MemoryBell]] = {}

    def group(self, address: StreamAddress, name: str) -> "MemoryGroup":
        """Return one group, which is made when something in it is changed."""
        return MemoryGroup(self._groups, self._bells, self._lock, (address, name))

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
                for bell in self._bells.get(key, ()):
                    bell.ring()
        return bool(found)


class MemoryGroup(KeptGroup):
    """One group, as one member reaches it."""

    def __init__(
        self,
        groups: dict[tuple[StreamAddress, str], GroupState],
        bells: "dict[tuple[StreamAddress, str], list[MemoryBell]]",
        lock: threading.Lock,
        key: tuple[StreamAddress, str],
    ) -> None:
        self._groups = groups
        self._bells = bells
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

    def ring(self, *, is_done: bool) -> None:
        """Wake members that wait."""
        for bell in self._bells.get(self._key, ()):
            if bell.until_done or not is_done:
                bell.ring()

    def bell(self) -> Bell:
        """Return what wakes."""
        with self._lock:
            bells = self._bells.setdefault(self._key, [])
            bells.append(MemoryBell(bells, self._lock))
            return bells[-1]

    def close(self) -> None:
        """Let go of it; others may have it still."""


class MemoryBell(Bell):
    """Rings for one member, by whatever thread."""

    def __init__(self, bells: "list[MemoryBell]", lock: threading.Lock) -> None:
        self.until_done = False
        self._bells = bells
        self._lock = lock
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def listen(self, *, until_done: bool) -> bool:
        with suppress(BlockingIOError):
            os.eventfd_read(self._fd)
        self.until_done = until_done
        return True

    def ring(self) -> None:
        """Ring; the lock of the groups is held."""
        os.eventfd_write(self._fd, 1)

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        with self._lock:
            self._bells.remove(self)
            os.close(self._fd)
