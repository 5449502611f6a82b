"""The memory a tree of views is published in: one head, and buffers of which one is current.

The head's words say which buffer is current and what each holds. A buffer's sequence number is odd while it is written,
so a reader that overlaps notices; a writer that dies leaves the current buffer as it was. What lies in a buffer is not
known here.

The order in which one process stores words must be the order in which others see them, as it is on x86-64.
"""

import fcntl
import mmap
import os
from array import array
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError, RemoteProtocolError
from penstock.transport.free_memory import free_bytes

__all__ = ["BUFFERS", "Head", "MemoryFile", "Record", "aligned", "make_files"]

BUFFERS: Final = 3
"""Two take turns; the third is used, and takes memory, only while a reader holds one of these."""

_ALIGNMENT: Final = 64
_MAGIC: Final = int.from_bytes(b"penstree", "little")
_FORMAT: Final = 1
_CURRENT: Final = 8
"""The word that says which buffer is current: publications × 4 + buffer; 0 before the first."""
_FIRST: Final = 16
_STRIDE: Final = 16
"""Words a buffer: its sequence number and record, and in a cache line of its own, because readers write it, its pin."""
_PIN: Final = 8


class Record(NamedTuple):
    """What a buffer holds; the tail is table, plain values and state, one after the other."""

    position: int
    version: int
    tail: int
    """Where it begins, in bytes."""
    table: int
    """Bytes, as are the next two."""
    plain: int
    state: int

    @property
    def end(self) -> int:
        """Bytes of the buffer in use."""
        return self.tail + self.table + self.plain + self.state


def make_files(name: str) -> tuple[int, ...]:
    """Make the memory for one tree and return its descriptors, which the caller owns.

    They have no name in the file system, are not inherited by programs started, and can only grow: reading what was
    once there never kills the reader.

    Parameters
    ----------
    name
        Of the reducer; ``/proc/<pid>/maps`` shows it.

    Raises
    ------
    PenstockError
        If the kernel refuses.
    """
    label = f"penstock-{name.replace(chr(0), '?').encode('ascii', 'replace').decode()[:180]}"
    made: list[int] = []
    try:
        for _ in range(1 + BUFFERS):
            made.append(os.memfd_create(label, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
            os.posix_fallocate(made[-1], 0, mmap.PAGESIZE)
            fcntl.fcntl(made[-1], fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
        os.pwrite(made[0], array("q", [_MAGIC, _FORMAT]).tobytes(), 0)
    except OSError as error:
        for fd in made:
            os.close(fd)
        raise PenstockError(f"views of {name}: no memory can be made: {error.strerror}") from error
    return tuple(made)


def aligned(nbytes: int) -> int:
    """Return the next place where an array may begin."""
    return -(-nbytes // _ALIGNMENT) * _ALIGNMENT


class Head:
    """The words of the head, for the writer and for readers alike.

    Raises
    ------
    RemoteProtocolError
        If the descriptor is of other memory.
    """

    def __init__(self, fd: int) -> None:
        self._memory = _mapped(fd, _checked_size(fd), is_writable=True)
        self._words: memoryview = memoryview(self._memory).cast("q")
        if self._words[0] != _MAGIC or self._words[1] != _FORMAT:
            raise RemoteProtocolError("this memory holds no tree of views, or one of another version of penstock")

    def current(self) -> int | None:
        """Return the buffer published last; ``None`` before the first.

        Raises
        ------
        RemoteProtocolError
            If the word makes no sense.
        """
        word = self._words[_CURRENT]
        if not word:
            return None
        if word < 4 or word % 4 >= BUFFERS:
            raise RemoteProtocolError(f"the head of a tree of views is damaged: {word} names no buffer")
        return int(word % 4)

    def begin(self, buffer: int) -> None:
        """Note that a buffer is being written."""
        self._words[_FIRST + _STRIDE * buffer] |= 1

    def finish(self, buffer: int, record: "array[int]") -> None:
        """Note that a buffer is whole, and make it the current one.

        Parameters
        ----------
        buffer
            The one that was begun.
        record
            The fields of a ``Record``, as words.
        """
        at = _FIRST + _STRIDE * buffer
        self._words[at + 1 : at + 1 + len(record)] = record
        self._words[at] += 1
        self._words[_CURRENT] = (self._words[_CURRENT] // 4 + 1) * 4 + buffer

    def sequence(self, buffer: int) -> int:
        """Return a number that is odd while the buffer is written and another afterwards."""
        return int(self._words[_FIRST + _STRIDE * buffer])

    def record(self, buffer: int) -> Record:
        """Return what is said of a buffer, unchecked."""
        at = _FIRST + _STRIDE * buffer + 1
        return Record(*self._words[at : at + len(Record._fields)])

    def version(self, buffer: int) -> int:
        """Return the version of a buffer's tree, as cheaply as can be."""
        return int(self._words[_FIRST + _STRIDE * buffer + 2])

    def pin(self, buffer: int, until_ns: int) -> None:
        """Ask the writer to leave a buffer alone for a while; it may not."""
        self._words[_FIRST + _STRIDE * buffer + _PIN] = until_ns

    def pinned_until_ns(self, buffer: int) -> int:
        """Return how long the readers want a buffer left alone."""
        return int(self._words[_FIRST + _STRIDE * buffer + _PIN])


class MemoryFile:
    """One buffer, mapped; the mapping follows as the file grows.

    Raises
    ------
    RemoteProtocolError
        If the descriptor is of memory that could shrink, whose reader it might kill.
    """

    def __init__(self, fd: int, *, is_writable: bool) -> None:
        self._fd = fd
        self._is_writable = is_writable
        self._memory = _mapped(fd, _checked_size(fd), is_writable=is_writable)

    def __len__(self) -> int:
        return len(self._memory)

    def grow(self, nbytes: int) -> None:
        """Make the file larger; for the writer.

        Raises
        ------
        PenstockError
            If there is no room; nothing is changed then.
        """
        size = os.fstat(self._fd).st_size
        nbytes = -(-nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
        missing = nbytes - size
        # Taken now: where there is no memory left, the first touch of a page would kill this process.
        if missing > 0:
            if missing > (free := free_bytes()):
                raise PenstockError(f"views: {missing:,} bytes more asked for, {free:,} free; publish smaller views")
            try:
                os.posix_fallocate(self._fd, size, missing)
            except OSError as error:
                raise PenstockError(f"views: {missing:,} bytes more are refused: {error.strerror}") from error
        self._memory = _mapped(self._fd, max(nbytes, size), is_writable=self._is_writable)

    def cover(self, nbytes: int) -> None:
        """Follow the file's growth; for readers.

        Raises
        ------
        RemoteProtocolError
            If it is not that large.
        """
        if nbytes > len(self._memory):
            size = os.fstat(self._fd).st_size
            if nbytes > size:
                raise RemoteProtocolError(f"a buffer of views of {size} bytes is said to hold {nbytes}")
            self._memory = _mapped(self._fd, size, is_writable=self._is_writable)

    def array(self, at: int, shape: Sequence[int], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return what lies there as an array, without a copy; it stays valid when the file grows."""
        return np.ndarray(shape, dtype, self._memory, at)

    def words(self) -> memoryview:
        """Return all of it as whole numbers of 64 bits, without a copy; those of now, should the file grow."""
        return memoryview(self._memory).cast("q")

    def read(self, at: int, nbytes: int) -> bytes:
        """Return a copy of what lies there."""
        return self._memory[at : at + nbytes]

    def write(self, at: int, data: bytes) -> None:
        """Put bytes there."""
        self._memory[at : at + len(data)] = data


def _mapped(fd: int, size: int, *, is_writable: bool) -> mmap.mmap:
    try:
        return mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ | (mmap.PROT_WRITE if is_writable else 0))
    except OSError as error:
        raise PenstockError(f"{size} bytes of views cannot be mapped: {error.strerror}") from error


def _checked_size(fd: int) -> int:
    try:
        seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
    except OSError as error:
        raise RemoteProtocolError(f"descriptor {fd} is no memory of views: {error.strerror}") from error
    size = os.fstat(fd).st_size
    if not seals & fcntl.F_SEAL_SHRINK or size < mmap.PAGESIZE:
        raise RemoteProtocolError(f"descriptor {fd} is no memory of views: it could shrink, or has {size} bytes")
    return size
