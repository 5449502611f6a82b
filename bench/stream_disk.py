"""Temporary folders for stores on a real disk, and what that disk can do without any store."""

import mmap
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.streams.directory.file_system import can_write_direct

__all__ = ["GB", "MB", "direct_s", "disk_folder", "followed_s"]

MB = 1 << 20
GB = 1 << 30
SPARE_BYTES = 2 * GB
"""That are left free for others."""


@contextmanager
def disk_folder(nbytes: int) -> Iterator[Path]:
    """Give an empty folder with room for some bytes, and remove it at the end, however that comes.

    It lies where temporary files do (``TMPDIR``).

    Raises
    ------
    OSError
        If there is too little room, or the file system cannot write past the page cache.
    """
    with tempfile.TemporaryDirectory(prefix="penstock-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        free = shutil.disk_usage(folder).free
        if free < nbytes + SPARE_BYTES:
            raise OSError(
                f"{(nbytes + SPARE_BYTES) / GB:.1f} GB must be free in {folder.parent}, and {free / GB:.1f} are;"
                " set TMPDIR to a folder with more"
            )
        if not can_write_direct(folder):
            raise OSError(f"{folder.parent} cannot write with O_DIRECT; set TMPDIR to a folder on a disk that can")
        yield folder


def direct_s(folder: Path, size: int, count: int, *, syncs_each: bool = False) -> float:
    """Return the seconds for writing a file with O_DIRECT by ``count`` calls of ``size`` bytes, and syncing it.

    Parameters
    ----------
    syncs_each
        Whether after each call; else once, at the end.
    """
    data = mmap.mmap(-1, size)
    data.write(os.urandom(size))
    path = folder / "limit"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_DIRECT)
    try:
        begin = time.perf_counter()
        for k in range(count):
            if os.pwrite(fd, data, k * size) != size:
                raise OSError(f"{path} could not be written whole")
            if syncs_each:
                os.fdatasync(fd)
        os.fdatasync(fd)
        return time.perf_counter() - begin
    finally:
        os.close(fd)
        path.unlink()
        data.close()


def followed_s(folder: Path, size: int, count: int, readers: int, *, is_cached: bool) -> float:
    """Return the seconds for writing a file and reading it back at once, all by one thread without any store.

    Parameters
    ----------
    size, count
        Bytes of a piece, and how many of them.
    readers
        How often each piece is mapped, and touched page by page.
    is_cached
        Whether it goes through the page cache, of which the last 256 MB stay; else past it, and comes from the disk.
    """
    data = mmap.mmap(-1, size)
    data.write(os.urandom(size))
    path = folder / "followed"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    writing = os.open(path, flags if is_cached else flags | os.O_DIRECT)
    reading = os.open(path, os.O_RDONLY)
    try:
        begin = time.perf_counter()
        for k in range(count):
            if os.pwrite(writing, data, k * size) != size:
                raise OSError(f"{path} could not be written whole")
            os.posix_fadvise(reading, k * size, size, os.POSIX_FADV_DONTNEED if is_cached else os.POSIX_FADV_WILLNEED)
            for _ in range(readers):
                with mmap.mmap(reading, size, mmap.MAP_SHARED, mmap.PROT_READ, offset=k * size) as piece:
                    touched = piece[:: mmap.PAGESIZE]
                    if touched != data[:: mmap.PAGESIZE]:
                        raise RuntimeError(f"{path} is not what was written")
            os.posix_fadvise(reading, 0, max(1, k * size - (256 << 20)), os.POSIX_FADV_DONTNEED)
        os.fdatasync(writing)
        return time.perf_counter() - begin
    finally:
        os.close(writing)
        os.close(reading)
        path.unlink()
        data.close()
