"""A word that a process shares with those who watch it: what it is at, so that who kills or hangs it is known.

By another they tell it that something urgent is on its way. Written without a system call, and readable after the
writer's death.
"""

import fcntl
import mmap
import os
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from itertools import repeat

__all__ = ["BESIDES", "MOST_NOTED_BYTES", "Progress"]

_EVENT, _LEASE, _BEAT, _URGED, _LAST, _SIZE = 0, 1, 2, 3, 4, 8
NOTHING = -1
BESIDES = -1
"""In a lease's place: user code that belongs to no lease, such as a hook."""
LEFT = -2
BYTES = 4 * mmap.PAGESIZE
"""What nobody writes to takes no memory."""
_HEAD = struct.Struct("<II")
"""Of what was noted: its length and its checksum, by which a reader knows that it is whole."""
_NOTED = 8 * _SIZE
MOST_NOTED_BYTES = BYTES - _NOTED - _HEAD.size
"""That a process can leave for those who watch it."""


class Progress:
    """A few pages of memory without a name.

    Parameters
    ----------
    fd
        What ``make`` returned; this object's from now on.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._memory = memoryview(mmap.mmap(fd, BYTES))
        self._words = self._memory[:_NOTED].cast("q")

    @classmethod
    def make(cls, name: str) -> "Progress":
        """Make a page for a process of this name."""
        fd = os.memfd_create(f"penstock-progress-{name}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, BYTES)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        page = cls(fd)
        page._words[_EVENT] = page._words[_LAST] = NOTHING
        return page

    @property
    def fd(self) -> int:
        """The descriptor to pass on."""
        return self._fd

    @property
    def event(self) -> int | None:
        """Number of the event that is worked on, where it is told; ``None`` for none."""
        found = self._words[_EVENT]
        return None if found == NOTHING else found

    @property
    def last_event(self) -> int | None:
        """Number of the event that is, or was, worked on last; ``None`` for none yet."""
        found = self._words[_LAST] if self._words[_EVENT] == NOTHING else self._words[_EVENT]
        return None if found == NOTHING else found

    @property
    def lease(self) -> int:
        """What is worked on: a lease, or ``BESIDES``; 0 for nothing."""
        return self._words[_LEASE]

    @property
    def state(self) -> tuple[int, int, int]:
        """Whatever changes while work goes on."""
        return self._words[_LEASE], self._words[_EVENT], self._words[_BEAT]

    @property
    def beat_ns(self) -> int:
        """When the process last came round, on the machine's monotonic clock; 0 if it never did."""
        return self._words[_BEAT]

    @property
    def urged(self) -> int:
        """How many urgent leases the process was given by now; it may look between any two events."""
        return self._words[_URGED]

    def urge(self) -> None:
        """Say, to the process, that an urgent lease is on its way."""
        self._words[_URGED] += 1

    def beat(self) -> None:
        """Say that the process is alive."""
        self._words[_BEAT] = time.monotonic_ns()

    def begin(self, lease: int) -> None:
        """Say that work on a lease begins, or on something ``BESIDES``."""
        self._words[_EVENT] = NOTHING
        self._words[_LEASE] = lease

    def at(self, number: int) -> None:
        """Tell the number of what is worked on."""
        self._words[_EVENT] = number

    def did(self, number: int) -> None:
        """Tell the number of what was worked on, be it told at each or not."""
        if number != NOTHING:
            self._words[_LAST] = number

    def end(self) -> None:
        """Say that there is nothing being worked on."""
        self.did(self._words[_EVENT])
        self._words[_EVENT] = NOTHING
        self._words[_LEASE] = 0

    def leave(self) -> None:
        """Say that the process ends in good order, after its last word."""
        self._words[_LEASE] = LEFT

    @property
    def has_left(self) -> bool:
        """Whether it said so."""
        return self._words[_LEASE] == LEFT

    def marks(self, numbers: Sequence[int]) -> Iterator[None]:
        """Tell each number as it is asked for; a loop in C, because it stands before every event."""
        return map(self._words.__setitem__, repeat(_EVENT), numbers)

    def note(self, data: bytes) -> None:
        """Keep this for those who watch; ``MOST_NOTED_BYTES`` at most, and what was noted before is gone.

        Raises
        ------
        ValueError
            If it is more.
        """
        if len(data) > MOST_NOTED_BYTES:
            raise ValueError(f"{len(data)} bytes are to be noted; there is room for {MOST_NOTED_BYTES}")
        start = _NOTED + _HEAD.size
        self._memory[start : start + len(data)] = data
        self._memory[_NOTED:start] = _HEAD.pack(len(data), zlib.crc32(data))

    @property
    def noted(self) -> bytes:
        """What was noted last; empty if nothing was, or it is being written at this moment."""
        start = _NOTED + _HEAD.size
        length, checksum = _HEAD.unpack(self._memory[_NOTED:start])
        data = bytes(self._memory[start : start + min(length, MOST_NOTED_BYTES)])
        return data if zlib.crc32(data) == checksum else b""

    def close(self) -> None:
        """Let go of the descriptor and the memory."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._memory = memoryview(bytes(BYTES))
            self._words = memoryview(bytearray(8 * _SIZE)).cast("q")
