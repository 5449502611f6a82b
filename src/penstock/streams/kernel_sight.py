"""Sees files being closed and renamed, by the kernel of this machine; what other machines do, it does not see.

The library ``watchfiles`` tells of changes, but not that a writer has closed a file, nor that a name came by renaming;
therefore this is by inotify itself.
"""

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from select import POLLIN, poll
from typing import Any, Final

from inotify_simple import INotify, flags

from penstock.errors import StreamError
from penstock.streams.folder_sight import How, Seen, files_below

__all__ = ["KernelSight"]

_MASK: Final = (
    flags.CLOSE_WRITE
    | flags.MOVED_TO
    | flags.MOVED_FROM
    | flags.CREATE
    | flags.DELETE_SELF
    | flags.MOVE_SELF
    | flags.ONLYDIR
    | flags.EXCL_UNLINK
)


class KernelSight:
    """A `FolderSight` by inotify.

    Parameters
    ----------
    folders
        Which, with all folders in them.
    passes_over
        Which folders in them to leave out.
    stop
        A descriptor that can be read when somebody asks to stop.
    """

    def __init__(self, folders: Sequence[str], passes_over: Callable[[str], bool], stop: int) -> None:
        self._roots = folders
        self._passes_over = passes_over
        self._inotify = INotify(nonblocking=True)
        self._folders: dict[int, str] = {}
        self._poller = poll()
        self._poller.register(self._inotify.fileno(), POLLIN)
        self._poller.register(stop, POLLIN)
        try:
            for folder in folders:
                for _ in files_below(folder, passes_over, self._watch):
                    pass  # what is there already, whoever watches looks for
        except BaseException:
            self.close()
            raise

    def wait(self, timeout_s: float | None) -> list[Seen]:
        """Wait until something happens; see `FolderSight.wait`."""
        # Rounded up: a wait that ends too early would be a busy one.
        self._poller.poll(None if timeout_s is None else int(timeout_s * 1000) + 1)
        seen: list[Seen] = []
        for event in self._inotify.read(timeout=0):
            if event.mask & flags.Q_OVERFLOW:
                for root in self._roots:
                    seen += self._found(root)
            elif event.wd in self._folders:
                seen += self._seen(event)
        return seen

    def close(self) -> None:
        """See nothing any more."""
        self._inotify.close()

    def _seen(self, event: Any) -> list[Seen]:  # Any: inotify_simple has no types
        folder, mask = self._folders[event.wd], event.mask
        if mask & flags.IGNORED:
            del self._folders[event.wd]
        if mask & (flags.IGNORED | flags.DELETE_SELF | flags.MOVE_SELF):
            if folder in self._roots:
                raise StreamError(f"{folder}: the watched folder is gone")
            return []
        path = f"{folder}/{event.name}"
        if mask & flags.ISDIR:
            if mask & flags.MOVED_FROM:
                self._forget(path)
            elif mask & (flags.CREATE | flags.MOVED_TO) and not self._passes_over(path):
                return self._found(path)
            return []
        if mask & flags.MOVED_TO or (mask & flags.CREATE and _has_more_names(path)):
            return [Seen(path, How.RENAMED)]
        return [Seen(path, How.CLOSED)] if mask & flags.CLOSE_WRITE else []

    def _found(self, folder: str) -> list[Seen]:
        """Watch a folder and those in it, and return the files that were in there before."""
        return [Seen(path, How.FOUND) for path in files_below(folder, self._passes_over, self._watch)]

    def _watch(self, folder: str) -> None:
        try:
            self._folders[self._inotify.add_watch(folder, _MASK)] = folder
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise OSError(error.errno, error.strerror, folder) from error  # as the kind that it is
            raise StreamError(
                f"{folder}: the system gives no more watches; raise fs.inotify.max_user_watches, or watch fewer folders"
            ) from error

    def _forget(self, folder: str) -> None:
        """Watch a folder no longer that was moved away, nor those in it."""
        for number, watched in list(self._folders.items()):
            if watched == folder or watched.startswith(f"{folder}/"):
                del self._folders[number]
                with suppress(OSError):  # removed meanwhile
                    self._inotify.rm_watch(number)


def _has_more_names(path: str) -> bool:
    """Tell whether a file that has just appeared is a further name of one that was there."""
    try:
        return os.lstat(path).st_nlink > 1
    except OSError:
        return False
