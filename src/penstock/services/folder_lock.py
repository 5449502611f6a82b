"""One program at a time for a folder; one that comes later waits until everybody of the first has ended."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.errors import ProcessError

__all__ = ["held"]


@contextmanager
def held(folder: Path, say: Callable[[str], None]) -> Iterator[int]:
    """Hold a folder, waiting for whoever holds it.

    Yields
    ------
    int
        What holds it: whoever inherits this descriptor holds it, too, until the last of them has ended.

    Raises
    ------
    ProcessError
        If nothing can be written there.
    """
    path = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ProcessError(f"{path} cannot be written: {error.strerror}") from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{folder} is in use by another penstock up, or by pipelines it has left behind; waiting for their end")
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd
    finally:
        os.close(fd)
