"""A segment as its readers have it: mapped into memory as far as blocks are committed, and checked block by block."""

import mmap
import os
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.errors import IntegrityError
from penstock.streams.segment import BlockHeader, unpack
from penstock.streams.store import StoredBlock

__all__ = ["Check", "SegmentView"]

LARGE_BYTES: Final = 1 << 20
Check = Literal["first", "always"]
"""When a reader looks whether a block is what was written: when it reads it for the first time, or whenever it does."""


class SegmentView:
    """A mapped segment. It goes on to exist as long as somebody holds an array of it, also when its file is removed.

    Raises
    ------
    FileNotFoundError
        If retention has removed it.
    """

    def __init__(self, path: Path, stream: str, check: Check = "first") -> None:
        self._path = path
        self._stream = stream
        self._check = check
        self._checked: set[int] = set()
        self._map: NDArray[np.uint8] = np.empty(0, np.uint8)
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._name = os.fspath(path)
        found = os.fstat(self._fd)
        self._file = found.st_ino, found.st_dev

    @property
    def is_there(self) -> bool:
        """Whether the file is still found by its name: neither retention nor anybody else has removed it."""
        if self._fd < 0:  # its number may be another's by now
            return False
        try:
            found = os.stat(self._name)  # noqa: PTH116  # a third of the time: this is asked for every message
        except OSError:
            return False
        return (found.st_ino, found.st_dev) == self._file

    def read(self, header: BlockHeader) -> StoredBlock:
        """Return a block.

        Raises
        ------
        IntegrityError
            If its bytes are not what was written; the text names file and place.
        """
        if header.end > len(self._map):
            self._map = self._mapped()
        is_new = header.at not in self._checked
        if is_new and header.body >= LARGE_BYTES:
            # It may not be in the page cache, and page by page it would come from the disk at a third of the speed.
            os.posix_fadvise(self._fd, header.at, header.end - header.at, os.POSIX_FADV_WILLNEED)
        check = is_new or self._check == "always"
        try:
            found = unpack(self._map, header, self._stream, check=check)
        except IntegrityError as error:
            raise IntegrityError(f"{self._path}: {error}") from error
        self._checked.add(header.at)
        return found

    def bytes(self) -> NDArray[np.uint8]:
        """Return the file as far as it goes now."""
        return self._mapped()

    def sync(self) -> None:
        """Wait until it survives a loss of power."""
        os.fdatasync(self._fd)

    def _mapped(self) -> NDArray[np.uint8]:
        # As far as the file goes, not the block: the next will mostly be there. What is not committed is not read.
        length = os.fstat(self._fd).st_size
        if not length:
            return np.empty(0, np.uint8)
        return np.frombuffer(mmap.mmap(self._fd, length, mmap.MAP_SHARED, mmap.PROT_READ), np.uint8)

    def close(self) -> None:
        """Let go; arrays that somebody holds stay valid."""
        os.close(self._fd)
        self._fd = -1
        self._map = np.empty(0, np.uint8)
