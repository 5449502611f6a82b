"""Finds out which files of watched folders are complete: closed or renamed, or unchanged for some time.

It reads no file, and remembers none that is complete; whoever asks takes it from there.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from penstock.streams.directory.file_system import is_network
from penstock.streams.file_reading import shape_of
from penstock.streams.file_settling import Settling, Shape
from penstock.streams.folder_sight import FolderSight, How, Seen
from penstock.streams.kernel_sight import KernelSight
from penstock.streams.library_sight import LibrarySight
from penstock.streams.watch_options import Complete
from penstock.streams.watched_folders import WatchedFolders

__all__ = ["ArrivingFiles", "Told", "is_text", "oldest_first"]


class Told(Protocol):
    """Who is told about files, and asked."""

    def is_known(self, path: str, shape: Shape) -> bool:
        """Whether nothing needs to be waited for, because this file has been seen complete, just like this."""

    def has_vanished(self, path: str) -> None:
        """Learn that one is gone that might have become complete."""

    def fail(self, text: str) -> None:
        """Learn that one cannot be taken, and why."""


class ArrivingFiles:
    """Files that appear in folders.

    Parameters
    ----------
    folders
        Which, and what is meant of them.
    complete, stable_s
        As in `WatchOptions`.
    told
        Who is told.

    Attributes
    ----------
    ready
        Complete files, in the order in which they became so; whoever takes one removes it.
    """

    def __init__(self, folders: WatchedFolders, complete: Complete, stable_s: float, told: Told) -> None:
        self._folders = folders
        self._complete = complete
        self._stable_s = stable_s
        self._told = told
        self._settling = Settling(stable_s)
        self.ready: dict[str, None] = {}
        self.is_seen_by_kernel = complete != "stable" and not any(map(is_network, map(Path, folders.roots)))
        """Whether closing and renaming is seen; if not, files are complete when they have not changed for some time."""

    def __len__(self) -> int:
        """Return how many may become complete."""
        return len(self._settling)

    def sight(self, stop: int) -> FolderSight:
        """Return what sees the folders from now on.

        Parameters
        ----------
        stop
            A descriptor that can be read when somebody asks to stop.
        """
        if self.is_seen_by_kernel:
            return KernelSight(self._folders.roots, self._folders.passes_over, stop)
        longest_s = min(max(self._stable_s / 4, 0.02), 0.5)
        return LibrarySight(self._folders.roots, self._folders.passes_over, stop, longest_s=longest_s)

    def see(self, seen: Iterable[Seen]) -> None:
        """Find out which files are complete, and which may become so."""
        for path, how in seen:
            if path in self.ready or not self._folders.means(path):
                continue
            if not is_text(path):
                self._told.fail(f"{path!r}: its name is no text in UTF-8")
            elif self._is_complete(how):
                self._settling.forget(path)
                self.ready[path] = None
            elif how in (How.FOUND, How.CHANGED):
                self.look(path, is_found=how is How.FOUND)

    def look_at_due(self) -> list[str]:
        """Look at those that may have settled by now; return those that have."""
        due = self._settling.due(time.monotonic())
        for path in due:
            self.look(path)
        return [path for path in due if path in self.ready]

    def next_s(self) -> float | None:
        """Return in how many seconds somebody must look; ``None`` for never."""
        return self._settling.next_s(time.monotonic())

    def look(self, path: str, *, is_found: bool = False) -> None:
        """Look whether a file has settled."""
        shape = shape_of(path)
        if shape is None:
            self._settling.forget(path)
            self._told.has_vanished(path)
        elif is_found and self._told.is_known(path, shape):
            self.ready[path] = None  # nothing to wait for
        elif self._settling.look(path, shape, time.monotonic()):
            self.ready[path] = None

    def _is_complete(self, how: How) -> bool:
        return how is How.RENAMED or (how is How.CLOSED and self._complete == "closed")


def oldest_first(paths: Iterable[str]) -> list[tuple[str, Shape]]:
    """Return files with their shapes, in the order in which they were written."""
    shapes = ((path, shape_of(path)) for path in paths)
    return sorted(
        ((path, shape) for path, shape in shapes if shape is not None), key=lambda one: (one[1].mtime_ns, one[0])
    )


def is_text(path: str) -> bool:
    """Whether a path is in UTF-8; Python keeps bytes that are not as lone surrogates."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
