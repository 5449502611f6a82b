"""What wakes members of a group that have nothing to do: somebody has given something back, or all is done.

Who changes a group rings while it holds the group, before the change is kept, so that nobody sleeps for ever because
somebody was killed in between. Who is woken asks for messages, and waits for the group to be let go.
"""

import os
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Final

from inotify_simple import INotify, flags

__all__ = ["Bell", "FileBell", "file_bell", "ring_file"]

_FREED: Final = flags.ATTRIB | flags.DELETE_SELF | flags.MOVE_SELF
"""A file's times are set by who gives something back; they change too when another file takes its place."""
_DONE: Final = flags.CLOSE_WRITE
"""A file is opened and closed by who has done the last message. Neither happens when it is only written to."""


class Bell(ABC):
    """Rings for one member; used by one thread at a time."""

    @abstractmethod
    def listen(self, *, until_done: bool) -> bool:
        """Be quiet, and ring from now on; ask for messages once more after it, and before waiting.

        Parameters
        ----------
        until_done
            Whether to ring also when nobody has anything any more.

        Returns
        -------
        bool
            Whether it will; if not, look again after a while.
        """

    @abstractmethod
    def fileno(self) -> int:
        """Return a descriptor that can be read when it has rung, until the next ``listen``."""

    @abstractmethod
    def close(self) -> None:
        """Let go."""


class FileBell(Bell):
    """Rings when ``ring_file`` is called for a file, by whatever process of this machine.

    Raises
    ------
    OSError
        If the user has as many watchers as one may have, 128 mostly.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inotify = INotify(nonblocking=True)
        self._watch = -1

    def listen(self, *, until_done: bool) -> bool:  # noqa: D102
        try:
            watch = self._inotify.add_watch(self._path, _FREED | _DONE if until_done else _FREED)
        except FileNotFoundError:
            return False
        if self._watch not in (-1, watch):  # another file is in its place
            with suppress(OSError):
                self._inotify.rm_watch(self._watch)
        self._watch = watch
        self._inotify.read(timeout=0)
        return True

    def fileno(self) -> int:  # noqa: D102
        fd: int = self._inotify.fileno()
        return fd

    def close(self) -> None:  # noqa: D102
        self._inotify.close()


def file_bell(path: Path) -> Bell | None:
    """Return a bell of a file; ``None`` if there can be no more."""
    try:
        return FileBell(path)
    except OSError:
        return None


def ring_file(path: Path, *, is_done: bool) -> None:
    """Ring for who listens to a file: all, or those who listen until it is done."""
    if is_done:
        os.close(os.open(path, os.O_WRONLY | os.O_CLOEXEC))
    else:
        os.utime(path)
