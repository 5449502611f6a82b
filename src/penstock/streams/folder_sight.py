"""Being told what happens to the files of a folder and of all folders in it."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import StrEnum
from typing import NamedTuple, Protocol

__all__ = ["FolderSight", "How", "Seen", "files_below"]


class How(StrEnum):
    """What was seen of a file."""

    CLOSED = "closed"
    """Somebody who may have written it has closed it."""
    RENAMED = "renamed"
    """It was given this name, by renaming it or as a further name."""
    CHANGED = "changed"
    """It has appeared, or was written."""
    FOUND = "found"
    """It is there; since when, nobody knows."""


class Seen(NamedTuple):
    """Something that was seen of a file."""

    path: str
    how: How


class FolderSight(Protocol):
    """Sees what happens in folders, from when it is made."""

    def wait(self, timeout_s: float | None) -> list[Seen]:
        """Wait until something happens, or somebody asks to stop; at most so long.

        Raises
        ------
        StreamError
            If a watched folder is gone, or cannot be watched.
        """

    def close(self) -> None:
        """See nothing any more."""


def files_below(folder: str, passes_over: Callable[[str], bool], enters: Callable[[str], None]) -> Iterator[str]:
    """Yield the files in a folder and in those in it; links to folders are not followed.

    Parameters
    ----------
    passes_over
        Which folders to leave out.
    enters
        Called with each folder, before it is read.
    """
    folders = [folder]
    while folders:
        folder = folders.pop()
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):  # gone meanwhile, or not for us
            enters(folder)
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if not passes_over(entry.path):
                            folders.append(entry.path)
                    elif entry.is_file():
                        yield entry.path
