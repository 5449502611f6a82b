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

__all__ = ["GB", "MB", "direct_s", "disk_folder"]

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
