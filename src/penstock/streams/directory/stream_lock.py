"""The lock by which a stream has one writer: it goes with the process that holds it, however that ends.

A lock of an open file description, not ``flock``: one can ask whether somebody holds it without taking it, so that
nobody who only looks stands in a writer's way; and it holds between two writers of one process.
"""

import fcntl
import os
import socket
import struct
from pathlib import Path
from typing import Final, Literal

import msgspec

from penstock.errors import ConflictError, StateError
from penstock.streams.directory.file_names import LOCK

__all__ = ["FollowMark", "StreamLock", "is_locked"]

_FLOCK: Final = struct.Struct("hhqqi4x")
"""``struct flock`` of 64-bit Linux: type, whence, start, length, process."""
_PLACES: Final = {"write": 0, "retain": 1, "follow": 2}

Purpose = Literal["write", "retain", "follow"]
"""To write the stream; to remove its oldest segments, which goes on beside a writer; to read what is just written."""


class Owner(msgspec.Struct, frozen=True):
    """Who holds a lock, as it has written it into the file."""

    pid: int
    host: str

    def __str__(self) -> str:
        return f"process {self.pid} of {self.host}"


class StreamLock:
    """Held from when it is made until it is closed, or this process ends.

    Parameters
    ----------
    waits
        Whether to wait until nobody else holds it, instead of raising.

    Raises
    ------
    ConflictError
        If somebody holds it; the text says who.
    """

    def __init__(self, folder: Path, purpose: Purpose = "write", *, waits: bool = False) -> None:
        self._fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            self._take(folder, purpose, fcntl.F_OFD_SETLKW if waits else fcntl.F_OFD_SETLK)
        except BaseException:
            os.close(self._fd)
            raise

    def _take(self, folder: Path, purpose: Purpose, command: int) -> None:
        try:
            fcntl.fcntl(self._fd, command, _flock(fcntl.F_WRLCK, purpose))
        except (BlockingIOError, PermissionError) as error:
            raise ConflictError(f"{folder}: {_owner(self._fd)} holds it to {purpose}") from error
        except OSError as error:
            raise StateError(f"{folder}: this file system has no locks ({error.strerror}); choose another") from error
        if purpose == "write":
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, msgspec.json.encode(Owner(os.getpid(), socket.gethostname())), 0)

    def is_followed(self) -> bool:
        """Whether somebody has left a `FollowMark`."""
        found = fcntl.fcntl(self._fd, fcntl.F_OFD_GETLK, _flock(fcntl.F_WRLCK, "follow"))
        return bool(_FLOCK.unpack(found)[0] != fcntl.F_UNLCK)

    def is_in(self, folder: Path) -> bool:
        """Whether it is the lock of a folder; not if that was removed meanwhile, and perhaps made again."""
        try:
            return os.path.samestat(os.fstat(self._fd), (folder / LOCK).stat())
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Let go; once more: nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class FollowMark:
    """Says that somebody reads what is just written, as long as it lasts; any number may say so.

    Who writes keeps that in the page cache then. Where it cannot be said, nothing is: it only makes reading faster.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._fd = -1

    def leave(self) -> None:
        """Say so; once more, nothing, unless the stream was deleted and is there again."""
        if self._fd >= 0:
            if os.fstat(self._fd).st_nlink:
                return
            self.close()
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _flock(fcntl.F_RDLCK, "follow"))
        except OSError:
            self.close()

    def close(self) -> None:
        """Say so no longer."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def is_locked(folder: Path) -> bool:
    """Whether somebody writes a stream; looking does not disturb who does."""
    try:
        fd = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        found = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _flock(fcntl.F_RDLCK, "write"))
        return bool(_FLOCK.unpack(found)[0] != fcntl.F_UNLCK)
    finally:
        os.close(fd)


def _flock(kind: int, purpose: Purpose) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, _PLACES[purpose], 1, 0)


def _owner(fd: int) -> str:
    try:
        return str(msgspec.json.decode(os.pread(fd, 4096, 0), type=Owner))
    except msgspec.MsgspecError:  # it has the lock, and has not written its name yet
        return "somebody"
