"""What of a stream stays in the page cache: as much of its end as those who follow it may still want.

What they have read would stay there else until the system has no other memory left, and takes it from everybody.
"""

import os
from collections import deque
from typing import Final

__all__ = ["TAIL_BYTES", "CachedTail"]

TAIL_BYTES: Final = 256 << 20
"""Half a second of what a disk takes; who is further behind reads from the disk."""


class CachedTail:
    """Ranges of files that were written by way of the page cache; the oldest are dropped from it."""

    def __init__(self, most_bytes: int = TAIL_BYTES) -> None:
        self._most_bytes = most_bytes
        self._ranges: deque[tuple[int, int, int]] = deque()
        self._nbytes = 0

    def add(self, fd: int, begin: int, end: int) -> None:
        """Take note of a range that was just written; its file is held open until that is dropped.

        The disk begins with it at once: what is not written out cannot be dropped, and a sync may have to wait for
        what others do to the same file system.
        """
        _dont_need(fd, begin, end)
        self._ranges.append((os.dup(fd), begin, end))
        self._nbytes += end - begin
        while self._nbytes > self._most_bytes:
            self._drop()

    def _drop(self) -> None:
        fd, begin, end = self._ranges.popleft()
        self._nbytes -= end - begin
        # From the file's beginning, as the cache has pieces of up to 2 MB, and one of two ranges would be left.
        _dont_need(fd, 0, end)
        os.close(fd)

    def close(self) -> None:
        """Let go of the files; what is in the page cache stays there."""
        while self._ranges:
            os.close(self._ranges.popleft()[0])
        self._nbytes = 0


def _dont_need(fd: int, begin: int, end: int) -> None:
    """Have the disk write what it has not yet, without waiting for it, and drop the rest from the page cache.

    Linux has one call for both (mm/fadvise.c), and Python none for the first alone.
    """
    os.posix_fadvise(fd, begin, end - begin, os.POSIX_FADV_DONTNEED)
