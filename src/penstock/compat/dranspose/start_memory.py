"""Where the start of a scan is kept for workers that come later: memory of the program that runs the scans.

Workers open it by the number of that process. So it has no name in any folder, and goes with the program, also when
that is killed.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.compat.dranspose.dumps import read_dump
from penstock.compat.dranspose.served.event import InternalWorkerMessage

__all__ = ["StartMemory", "keep_start", "kept_start"]


class StartMemory:
    """One piece of memory for each pool of workers."""

    def __init__(self) -> None:
        self._fds: dict[str, int] = {}

    def path(self, pool: str) -> str:
        """Return where workers of this machine find that of a pool, without what a scan before had there."""
        if pool not in self._fds:
            self._fds[pool] = os.memfd_create(f"penstock-start-{pool}", os.MFD_CLOEXEC)
        os.ftruncate(self._fds[pool], 0)
        return f"/proc/{os.getpid()}/fd/{self._fds[pool]}"

    def close(self) -> None:
        """Let go of all."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()


def keep_start(path: Path, encoded: bytes) -> None:
    """Keep the start; all workers have the same one."""
    with _locked(path) as fd:
        os.ftruncate(fd, 0)
        os.pwrite(fd, encoded, 0)


def kept_start(path: Path) -> list[InternalWorkerMessage]:
    """Return the start, if there is one yet."""
    with _locked(path):
        return list(read_dump(path))


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)  # of this description, which ends with it; one who dies holds nobody up
        yield fd
    finally:
        os.close(fd)
