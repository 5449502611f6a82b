"""The memory in which a stage keeps its last events: a ring of records, and a table of where each lies.

Whoever reads disturbs nobody: a record that is overwritten meanwhile is noticed and left out. What was kept outlives
the process that kept it, also one that was killed. Several processes may write; a lock of the kernel's lets one at a
time.

The order in which one process stores words must be the order in which others see them, as it is on x86-64.
"""

import fcntl
import mmap
import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from penstock.errors import PenstockError, RemoteProtocolError
from penstock.views.shared_layout import MemoryFile
from penstock.wire.kept_events import PackedEvent, aligned

__all__ = ["MOST_EVENTS", "EventMemory", "Found", "Holds", "make_event_file"]

MOST_EVENTS: Final = 10_000

_MAGIC: Final = int.from_bytes(b"pensevts", "little")
_FORMAT: Final = 1
_N, _MOST, _COUNT, _TOO_LARGE = 2, 3, 4, 5
"""Words of the head, behind magic and format."""
_FIRST: Final = 16
"""The word at which the table begins."""
_STRIDE: Final = 8
"""Words of a row: its sequence number, 0 while it is not valid; place, length, number of the event."""


class Holds(msgspec.Struct, frozen=True, kw_only=True):
    """What there is in the memory of one stage."""

    kept: int = 0
    """Events kept since the run began, those included that others have displaced."""
    n: int = 0
    """How many are kept at most."""
    most_bytes: int = 0
    nbytes: int = 0
    """Of those that are there."""
    too_large: int = 0
    """Events that did not fit at all."""
    numbers: tuple[int, ...] = ()
    """Of those that are there, the oldest first."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Records that were asked for, the oldest first."""

    records: list[bytes]
    left_off: int = 0
    """How many more there are, which would have been too much for one answer: the older ones."""


class _Row(NamedTuple):
    sequence: int
    slot: int
    at: int
    nbytes: int
    number: int


def make_event_file(name: str) -> int:
    """Make the memory of a stage and return its descriptor, which the caller owns.

    Parameters
    ----------
    name
        Of the stage; ``/proc/<pid>/maps`` shows it.

    Raises
    ------
    PenstockError
        If the kernel refuses.
    """
    try:
        fd = os.memfd_create(f"penstock-events-{name}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError as error:
        raise PenstockError(f"events of {name}: no memory can be made: {error.strerror}") from error
    try:
        os.posix_fallocate(fd, 0, mmap.PAGESIZE)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    except OSError as error:
        os.close(fd)
        raise PenstockError(f"events of {name}: no memory can be made: {error.strerror}") from error
    return fd


class EventMemory:
    """Kept events, for who keeps them and for who reads them.

    Parameters
    ----------
    fd
        What ``make_event_file`` returned; it stays the caller's and open.
    is_writable
        Whether this is who keeps them.
    """

    def __init__(self, fd: int, *, is_writable: bool = False) -> None:
        self._fd = fd
        self._file = MemoryFile(fd, is_writable=is_writable)
        self._live: deque[_Row] = deque()
        """Valid rows in the order of the ring, the oldest first; the writer's."""
        self._known = -1
        """How many were kept when that was true."""

    # Who keeps.

    def begin(self, n: int, most_bytes: int) -> None:
        """Get ready to keep, or go on with what a predecessor has kept.

        Parameters
        ----------
        n
            Events at most.
        most_bytes
            Bytes of records at most.

        Raises
        ------
        PenstockError
            If there is no memory for the table.
        """
        with self._locked():
            words = self._words()
            if words[0] == _MAGIC and (words[_N], words[_MOST]) == (n, most_bytes):
                return
            if len(self._file) < (base := _base(n)):
                self._file.grow(base)
                words = self._words()
            words[1:_FIRST] = memoryview(bytes(8 * (_FIRST - 1))).cast("q")
            words[1], words[_N], words[_MOST] = _FORMAT, n, most_bytes
            words[0] = _MAGIC

    def keep(self, events: Sequence[PackedEvent]) -> int:
        """Keep some, in place of the oldest; return how many of them were too large."""
        with self._locked():
            self._follow()
            lost = sum(not self._keep(packed) for packed in events)
            words = self._words()
            self._known = words[_COUNT]
            words[_TOO_LARGE] += lost
        return lost

    def _keep(self, packed: PackedEvent) -> bool:
        words = self._words()
        n, most = words[_N], words[_MOST]
        base = _base(n)
        at = self._live[-1].at + self._live[-1].nbytes if self._live else base
        if packed.nbytes > most:
            return False
        if at + packed.nbytes > base + most or not self._has_room(at + packed.nbytes, base + most):
            while self._live and self._live[0].at >= at:  # of the round before
                self._drop()
            at = base
            if not self._has_room(at + packed.nbytes, base + most):
                return False
        while self._live and (len(self._live) == n or at <= self._live[0].at < at + packed.nbytes):
            self._drop()
        words = self._words()
        sequence = words[_COUNT] + 1
        row = _Row(sequence, (sequence - 1) % n, at, packed.nbytes, packed.number)
        place = _FIRST + _STRIDE * row.slot
        words[place] = 0
        packed.write(self._file.array(at, (packed.nbytes,), np.dtype(np.uint8)))
        words[place + 1], words[place + 2], words[place + 3] = row.at, row.nbytes, row.number
        words[place] = sequence
        words[_COUNT] = sequence
        self._live.append(row)
        return True

    def _has_room(self, end: int, limit: int) -> bool:
        """Whether the file reaches so far; it grows on the first round, as long as there is memory."""
        if end <= len(self._file):
            return True
        try:
            self._file.grow(min(limit, max(end, 2 * len(self._file))))
        except PenstockError:
            return False
        return True

    def _drop(self) -> None:
        self._words()[_FIRST + _STRIDE * self._live.popleft().slot] = 0

    def _follow(self) -> None:
        """Learn what others have kept meanwhile."""
        if self._words()[_COUNT] != self._known:
            self._file.cover(os.fstat(self._fd).st_size)
            self._live = deque(rows := self._rows())
            if rows:  # one that was killed may have had no time to count its last
                words = self._words()
                words[_COUNT] = max(words[_COUNT], rows[-1].sequence)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.lockf(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN)

    # Who reads.

    def holds(self) -> Holds:
        """Say what there is."""
        words = self._words()
        if words[0] != _MAGIC:
            return Holds()
        rows = self._rows()
        return Holds(
            kept=words[_COUNT], n=words[_N], most_bytes=words[_MOST], nbytes=sum(row.nbytes for row in rows),
            too_large=words[_TOO_LARGE], numbers=tuple(row.number for row in rows),
        )  # fmt: skip

    def read(self, last: int | None = None, number: int | None = None, *, most_bytes: int = 1 << 62) -> Found:
        """Return copies of records.

        Parameters
        ----------
        last
            So many of the newest; ``None``: all.
        number
            Only those of this event: several if it was kept several times, as when its worker was killed.
        most_bytes
            Of all together; the newest that fit.

        Raises
        ------
        RemoteProtocolError
            If the memory is damaged.
        """
        if self._words()[0] != _MAGIC:
            return Found(records=[])
        rows = [row for row in self._rows() if number is None or row.number == number]
        wanted = rows[-last:] if last else ([] if last == 0 else rows)
        records: list[bytes] = []
        left = most_bytes
        for k, row in enumerate(reversed(wanted)):
            left -= row.nbytes
            if left < 0:
                return Found(records=records[::-1], left_off=len(wanted) - k)
            self._file.cover(row.at + row.nbytes)
            data = self._file.read(row.at, row.nbytes)
            if self._words()[_FIRST + _STRIDE * row.slot] == row.sequence:  # else another has displaced it meanwhile
                records.append(data)
        return Found(records=records[::-1])

    def _rows(self) -> list[_Row]:
        words = self._words()
        if words[1] != _FORMAT or not 0 < words[_N] <= MOST_EVENTS:
            raise RemoteProtocolError("this memory holds no events, or those of another version of penstock")
        n = words[_N]
        self._file.cover(_base(n))
        words = self._words()
        rows = []
        for slot in range(n):
            at = _FIRST + _STRIDE * slot
            row = _Row(words[at], slot, words[at + 1], words[at + 2], words[at + 3])
            if row.sequence and words[at] == row.sequence:
                rows.append(row)
        return sorted(rows)

    def _words(self) -> Any:  # a memoryview of 64-bit words
        return self._file.words()


def _base(n: int) -> int:
    """Return where the ring begins."""
    return aligned(8 * (_FIRST + _STRIDE * n))
