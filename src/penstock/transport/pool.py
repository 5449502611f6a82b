"""A pool: memory of equal slots, written by one process, read without a copy by all that were given its descriptor.

It has no name in the file system, so nothing is left behind whoever dies. It does not know which slots are lent.
"""

import errno
import fcntl
import mmap
import os
import sys
from types import TracebackType
from typing import Annotated, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import PenstockError, RemoteProtocolError
from penstock.transport.free_memory import free_bytes

__all__ = ["Pool", "PoolHandle"]

_PAGE = mmap.PAGESIZE
_SIZE_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
_FUTURE_WRITE = 0x10
"""``F_SEAL_FUTURE_WRITE`` of linux/fcntl.h, since Linux 5.1; Python has it from 3.13 on."""
_UNSEEN = 2
"""References to a slot's owner when nobody holds a view: the pool's list and the call that counts."""

Count = Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]


class PoolHandle(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """What a reader must know of a pool beside its descriptor."""

    name: str
    generation: Count
    """Which incarnation of the writer's: its successor's pool has the next number, and other memory."""
    slots: Count
    slot_bytes: Count
    """A multiple of the page size."""

    @property
    def nbytes(self) -> int:
        """Bytes of the whole pool."""
        return self.slots * self.slot_bytes


class Pool:
    """Made by ``create`` in the process that writes, by ``attach`` in all others.

    Arrays handed out stay valid as long as they are held, also after ``close`` and after the writer's death. The memory
    is given back when the last descriptor and the last array in any process are gone; nobody has to be alive for that.

    A process made by ``fork`` inherits the writer's mapping: writers do not fork.
    """

    def __init__(self, handle: PoolHandle, fd: int, mapping: mmap.mmap) -> None:
        self.handle = handle
        self._fd = fd
        # One array a slot, each made of the mapping itself: NumPy makes it the base of every view taken from it,
        # whatever is done to the view, and so its reference count tells whether one is held.
        size = handle.slot_bytes
        self._owners = [np.frombuffer(mapping, np.uint8, size, slot * size) for slot in range(handle.slots)]
        self.is_writer = bool(self._owners[0].flags.writeable)

    @classmethod
    def create(cls, name: str, slots: int, slot_bytes: int, *, generation: int = 1) -> Self:
        """Make a pool and take all of its memory now, so that no room is an error here and not later.

        Parameters
        ----------
        name
            Of the pool; ``/proc/<pid>/maps`` shows it.
        slots
            At least 1.
        slot_bytes
            At least 1; rounded up to whole pages.
        generation
            From 1: which incarnation of the writer's this is.

        Raises
        ------
        PenstockError
            If there is no room; the text says how many bytes were asked for and are free.
        ValueError
            If a number is below 1.
        """
        if slots < 1 or slot_bytes < 1 or generation < 1:
            raise ValueError(f"{slots} slots of {slot_bytes} bytes, generation {generation}: each must be at least 1")
        handle = PoolHandle(name, generation, slots, -(-slot_bytes // _PAGE) * _PAGE)
        free = free_bytes()
        if handle.nbytes > free:
            raise PenstockError(_no_room(handle, free))
        fd = os.memfd_create(_label(handle), os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            mapping = _allocate(fd, handle)
        except OSError as error:
            os.close(fd)
            if error.errno == errno.EFBIG:
                text = f"pool {name}: {handle.nbytes:,} bytes are more than one file may have here (`ulimit -f`), and "
                raise PenstockError(f"{text}shared memory counts as one; raise the limit") from error
            raise PenstockError(f"{_no_room(handle, free_bytes())} ({error.strerror})") from error
        except BaseException:
            os.close(fd)
            raise
        return cls(handle, fd, mapping)

    @classmethod
    def attach(cls, handle: PoolHandle, fd: int) -> Self:
        """Map another process's pool, to read only.

        Parameters
        ----------
        handle
            As the writer's.
        fd
            The pool's from now on, which closes it, also if this fails.

        Raises
        ------
        RemoteProtocolError
            If the descriptor is not of a pool of this size whose size is sealed: reading it might kill this process.
        PenstockError
            If it cannot be mapped.
        """
        try:
            _check(handle, fd)
            mapping = mmap.mmap(fd, handle.nbytes, mmap.MAP_SHARED | mmap.MAP_POPULATE, mmap.PROT_READ)
        except OSError as error:
            os.close(fd)
            raise PenstockError(f"pool {handle.name}: {handle.nbytes} bytes cannot be mapped: {error}") from error
        except BaseException:
            os.close(fd)
            raise
        return cls(handle, fd, mapping)

    @property
    def fd(self) -> int:
        """The descriptor to pass on; the pool's own.

        Raises
        ------
        ValueError
            If the pool is closed.
        """
        if self._fd < 0:
            raise ValueError(f"pool {self.handle.name} is closed")
        return self._fd

    def writable(self, slot: int) -> NDArray[np.uint8]:
        """(slot_bytes,), the whole slot, to be filled.

        Trap: readers see what is written at once. Write only into slots that nobody was lent.

        Raises
        ------
        ValueError
            If this process is not the writer, or there is no such slot.
        """
        if not self.is_writer:
            raise ValueError(f"pool {self.handle.name} belongs to another process; here it can only be read")
        if not 0 <= slot < len(self._owners):
            raise ValueError(f"pool {self.handle.name} has no slot {slot}, but {len(self._owners)} from 0")
        return self._owners[slot][:]

    def bytes(self, slot: int, nbytes: int) -> NDArray[np.uint8]:
        """(nbytes,), the beginning of a slot, read-only, without a copy.

        Raises
        ------
        RemoteProtocolError
            If there is no such slot, or it is smaller.
        """
        if not 0 <= slot < len(self._owners):
            raise RemoteProtocolError(f"slot {slot} of pool {self.handle.name}, which has {len(self._owners)} open")
        if not 0 <= nbytes <= self.handle.slot_bytes:
            raise RemoteProtocolError(
                f"{nbytes} bytes of a slot of pool {self.handle.name}, which has {self.handle.slot_bytes}"
            )
        view = self._owners[slot][:nbytes]
        if self.is_writer:
            view.flags.writeable = False
        return view

    def loan(self, slot: int, nbytes: int) -> NDArray[np.uint8]:
        """(nbytes,), as ``bytes``, with a base of its own: a weak reference to it tells when nobody holds a view.

        Raises
        ------
        RemoteProtocolError
            As ``bytes``.
        """
        # Of a memoryview, because NumPy would make the owner the base of views of a view.
        return np.frombuffer(self.bytes(slot, nbytes).data, np.uint8)

    def is_kept(self, slot: int) -> bool:
        """Whether anything in this process still holds memory of a slot: an array, a view of one, a memoryview of that.

        Not seen: addresses taken by foreign code that holds no reference. A view in a reference cycle counts until the
        garbage collector finds it.
        """
        return sys.getrefcount(self._owners[slot]) > _UNSEEN

    def kept(self) -> list[int]:
        """Return the slots of which something is held."""
        return [slot for slot in range(len(self._owners)) if self.is_kept(slot)]

    def close(self) -> None:
        """Let go of the memory; arrays that are held stay valid and keep it. May be called again."""
        self._owners = []
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _label(handle: PoolHandle) -> str:
    name = handle.name.replace("\0", "?").encode("ascii", "replace").decode()[:180]  # the kernel takes 249 bytes
    return f"penstock-{name}-{handle.generation}"


def _allocate(fd: int, handle: PoolHandle) -> mmap.mmap:
    """Take the memory, touch it, and seal it against everybody who comes later."""
    os.ftruncate(fd, handle.nbytes)
    os.posix_fallocate(fd, 0, handle.nbytes)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SIZE_SEALS)
    # Touched now: the first touch of a page costs six times what a copy into it does.
    mapping = mmap.mmap(fd, handle.nbytes, mmap.MAP_SHARED | mmap.MAP_POPULATE, mmap.PROT_READ | mmap.PROT_WRITE)
    try:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _FUTURE_WRITE | fcntl.F_SEAL_SEAL)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a kernel before 5.1: readers still map read-only, of their own accord
            mapping.close()
            raise
    return mapping


def _check(handle: PoolHandle, fd: int) -> None:
    size = os.fstat(fd).st_size
    if size != handle.nbytes or handle.slot_bytes % _PAGE:
        raise RemoteProtocolError(
            f"pool {handle.name} of {handle.slots} slots of {handle.slot_bytes} bytes has {size} bytes"
        )
    try:
        seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
    except OSError as error:
        raise RemoteProtocolError(f"pool {handle.name} is no sealed memory: {error.strerror}") from error
    if seals & _SIZE_SEALS != _SIZE_SEALS:
        raise RemoteProtocolError(f"pool {handle.name} could still change its size, and reading it kill this process")


def _no_room(handle: PoolHandle, free: int) -> str:
    return (
        f"pool {handle.name}: no room for {handle.slots} slots of {handle.slot_bytes:,} bytes: {handle.nbytes:,} bytes "
        f"asked for, {free:,} free; use fewer or smaller slots, or give the machine or its container more memory"
    )
