"""The file of one group: pieces, one behind the other, each with a check sum that goes on from the piece before.

Whoever reads or writes it holds its lock, which the kernel takes from a process that is killed. A piece counts when it
is whole, so that a kill while one is written changes nothing. What a group is, this does not know.
"""

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import crc32c

from penstock.errors import IntegrityError, StoreFullError, StreamError

__all__ = ["GroupFile", "first_piece"]

MAGIC: Final = b"PENSTGRP"
_HEAD: Final = struct.Struct("<II")
"""Before each piece: how many bytes it has, and the CRC-32C of them, which begins with that of the piece before."""
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class GroupFile:
    """The file of one group, which need not be there.

    Parameters
    ----------
    path
        Its folder is made when the first piece is written.
    survives_power_loss
        Whether to wait for the disk after each piece.
    """

    def __init__(self, path: Path, *, survives_power_loss: bool = False) -> None:
        self.path = path
        self.end = 0
        """Behind the last piece that was read or written here; 0: all must be read."""
        self.was_cut_off = False
        """Whether power was lost since the first piece was written: the rest is what reached the disk, up to the first
        piece that did not. For who reads ``pieces`` to say, when it knows from the first."""
        self._survives_power_loss = survives_power_loss
        self._fd = -1
        self._crc = 0
        """Of the last piece up to ``end``."""

    def lock(self) -> int:
        """Take the lock of the file, which is made if there is none; return its length, of which 0 is a new one.

        If it is another file than before, because it was written anew or deleted, ``end`` is 0.
        """
        while True:
            if self._fd < 0:
                self._open(os.O_RDWR | os.O_CREAT)
            length = self._locked()
            if length >= 0:
                return length

    def lock_old(self) -> int:
        """As ``lock``, but never make it; return -1, with no lock, if there is none."""
        while True:
            if self._fd < 0:
                try:
                    self._open(os.O_RDWR)
                except FileNotFoundError:
                    return -1
            length = self._locked()
            if length >= 0:
                return length

    def unlock(self) -> None:
        """Let others have it."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def pieces(self, length: int) -> Iterator[memoryview]:
        """Yield the pieces behind ``end``; the file, of which ``lock`` gave the length, must be locked meanwhile.

        What a killed process has left of one is cut off.

        Raises
        ------
        IntegrityError
            If something else is written there.
        """
        view = memoryview(os.pread(self._fd, length - self.end, self.end))
        at = 0
        if not self.end:
            self._crc, self.was_cut_off = 0, False
            at = len(MAGIC)
            if view[:at] != MAGIC[: len(view)] and any(view):  # else its length reached the disk, its content did not
                raise IntegrityError(f"{self.path}: it is no file of a group")
        while at + _HEAD.size <= len(view):
            size, crc = _HEAD.unpack_from(view, at)
            piece = view[at + _HEAD.size : at + _HEAD.size + size]
            if len(piece) < size or not size:
                break
            if crc32c.crc32c(piece, self._crc) != crc:
                if self.was_cut_off:
                    break
                raise IntegrityError(f"{self.path}: from byte {self.end + at} on it is not what was written")
            self._crc = crc
            at += _HEAD.size + size
            yield piece
        if not self.end and at == len(MAGIC):
            at = 0  # no piece is whole
        if self.end + at < length:
            os.ftruncate(self._fd, self.end + at)
        self.end += at

    def append(self, piece: bytes) -> None:
        """Write a piece behind all others; when it returns, who takes the lock next reads it.

        Raises
        ------
        StoreFullError
            If there is no room; then nothing is written.
        """
        head = b"" if self.end else MAGIC
        crc = crc32c.crc32c(piece, self._crc)
        data = b"".join((head, _HEAD.pack(len(piece), crc), piece))
        with _mapped(self.path):
            self._write(self._fd, data, self.end)
            if self._survives_power_loss:
                os.fdatasync(self._fd)
                if head:
                    self._sync_names()
        self.end += len(data)
        self._crc = crc

    def replace(self, piece: bytes) -> None:
        """Put a file with one piece in the place of this one, whose lock goes with it; it survives a loss of power.

        Raises
        ------
        StoreFullError
            If there is no room; then nothing is changed.
        """
        draft = self.path.with_name(f"{self.path.name}.new")
        crc = crc32c.crc32c(piece, 0)
        data = b"".join((MAGIC, _HEAD.pack(len(piece), crc), piece))
        with _mapped(self.path):
            fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)  # before it can be found
                self._write(fd, data, 0)
                os.fdatasync(fd)
                draft.replace(self.path)
            except BaseException:
                os.close(fd)
                draft.unlink(missing_ok=True)
                raise
        self.close()
        self._fd, self.end, self._crc = fd, len(data), crc
        if self._survives_power_loss:
            with _mapped(self.path):
                self._sync_names()

    def remove(self) -> None:
        """Delete the file, whose lock is held; who goes on makes it anew."""
        self.path.with_name(f"{self.path.name}.new").unlink(missing_ok=True)
        self.path.unlink()

    def close(self) -> None:
        """Let go of it, and of its lock; once more: nothing."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self.end = -1, 0

    def _open(self, flags: int) -> None:
        try:
            self._fd = os.open(self.path, flags | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            if not flags & os.O_CREAT:
                raise
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self.end = 0

    def _locked(self) -> int:
        """Take the lock; return the length, or -1 with no lock if this is not the group's file any more."""
        if self._fd < 0:
            return -1
        # Who polls for a lock sleeps too long or burns the processor; here the kernel wakes who is next.
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        found = os.fstat(self._fd)
        if found.st_nlink:
            return found.st_size
        self.close()
        return -1

    @staticmethod
    def _write(fd: int, data: bytes, at: int) -> None:
        try:
            written = os.pwrite(fd, data, at)
            if written < len(data):
                os.pwrite(fd, data[written:], at + written)  # says why
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            with suppress(OSError):
                os.ftruncate(fd, at)
            raise

    def _sync_names(self) -> None:
        """Wait until the name of the file survives a loss of power, and those of the folders made for it."""
        for folder in list(self.path.parents)[:3]:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


def first_piece(path: Path) -> bytes | None:
    """Read the first piece of a file without its lock; ``None`` if it is not there, or not whole."""
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC) + _HEAD.size)
            if len(head) < len(MAGIC) + _HEAD.size or head[: len(MAGIC)] != MAGIC:
                return None
            size, crc = _HEAD.unpack_from(head, len(MAGIC))
            piece = file.read(size)
    except FileNotFoundError:
        return None
    return piece if size and crc32c.crc32c(piece) == crc else None


class _mapped:  # noqa: N801  # a context manager that reads as a function; a generator costs a microsecond more
    """Say what the disk's errors mean."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            if error.errno in _FULL:
                text = f"{self._path} cannot be written: {error.strerror}; nothing that was acknowledged is lost"
                raise StoreFullError(text) from error
            raise StreamError(f"{self._path} cannot be written: {error}") from error
