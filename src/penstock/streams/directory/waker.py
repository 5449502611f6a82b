"""Being told that files of a stream have changed: by the kernel where it knows, by looking where it does not.

The kernel of this machine sees what its own processes write. On a network file system others write too, so there,
and where the kernel has no more watches to give, a thread looks every 20 ms.
"""

import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from inotify_simple import flags

from penstock.streams.directory.file_system import is_network
from penstock.streams.directory.notices import EVERYTHING, Notices

__all__ = ["Waker", "make_waker"]

LOOK_S: Final = 0.02
_FOLDER: Final = flags.CREATE | flags.MOVED_TO | flags.DELETE | flags.DELETE_SELF | flags.MOVE_SELF
_FILE: Final = flags.MODIFY


class Waker:
    """Watch the folder of a stream, or the nearest one there is above it, and the index that grows."""

    def __init__(self, folder: Path, top: Path) -> None:
        self._folder = folder
        self._top = top
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            self._notices = Notices.join()
        except OSError:
            os.close(self._fd)
            raise
        self._watched: dict[Path, int] = {}
        self._is_above = False
        self._heard: set[int] = set()
        """Watches of which a change was heard, and of those what is gone."""
        self._gone: set[int] = set()
        self._news: tuple[set[int], set[int]] = set(), set()
        """The same, as of when it was quiet."""

    def fileno(self) -> int:
        """Return what can be read when something has changed."""
        return self._fd

    def watch(self, index: Path | None) -> None:
        """Say which file grows; look at the files once more after it returns, and before waiting."""
        place, below = self._nearest()
        while below is not None and below.exists():  # made after it was looked for and before the watch that tells it
            place, below = self._nearest()
        self._is_above = below is not None
        if index is not None:
            self._can_watch(index, _FILE)
        for path in set(self._watched) - {place, index}:
            self._forget(path)

    def _nearest(self) -> tuple[Path, Path | None]:
        """Watch the folder, or the nearest one there is above it; return it and the one below it that is lacking."""
        place, below = self._folder, None
        while not self._can_watch(place, _FOLDER) and place != self._top:
            place, below = place.parent, place
        return place, below

    def _can_watch(self, path: Path, mask: int) -> bool:
        if path in self._watched:
            return True
        try:
            self._watched[path] = self._notices.add(self, path, mask)
        except FileNotFoundError:
            return False
        return True

    def _forget(self, path: Path) -> None:
        self._notices.remove(self, self._watched.pop(path))

    def hear(self, watch: int, is_gone: bool) -> None:
        """Take note of a change; from any thread."""
        self._heard.add(watch)
        if is_gone:
            self._gone.add(watch)
        self.tell()

    def calm(self) -> None:
        """Make ``fileno`` quiet, and keep what was heard."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._fd)
        self._news = self._heard, self._gone
        self._heard, self._gone = set(), set()

    def tell(self) -> None:
        """Make ``fileno`` readable, also from another thread."""
        os.eventfd_write(self._fd, 1)

    def quiet(self) -> bool:
        """Take note of what has happened, so that ``fileno`` is quiet again; return whether to ``watch`` once more."""
        self._notices.wait_for(self)
        heard, gone = self._news
        forgotten = [path for path, watch in self._watched.items() if watch in gone or EVERYTHING in gone]
        for path in forgotten:
            self._forget(path)
        # A folder on the way may have been made, and in it, unseen, what was waited for.
        return bool(forgotten) or (self._is_above and bool(heard))

    def wait(self, timeout_s: float | None) -> None:
        """Wait until something has changed."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.poll(None if timeout_s is None else max(0, int(timeout_s * 1000 + 0.999)))

    def close(self) -> None:
        """Let go."""
        for path in list(self._watched):
            self._forget(path)
        self._notices.forget(self)
        self._notices.leave()
        os.close(self._fd)


class LookingWaker:
    """The same, where the kernel does not see who writes: it wakes every 20 ms, and who was woken has to look."""

    def __init__(self, look_s: float = LOOK_S) -> None:
        self._look_s = look_s
        self._fd = -1
        self._told = threading.Event()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def fileno(self) -> int:
        """Return what can be read every 20 ms; only from now on there is a thread."""
        if self._thread is None:
            self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            self._thread = threading.Thread(target=self._run, name="stream-looker", daemon=True)
            self._thread.start()
        return self._fd

    def _run(self) -> None:
        while not self._end.wait(self._look_s):
            os.eventfd_write(self._fd, 1)

    def watch(self, index: Path | None) -> None:
        """Do nothing: all is looked at."""

    def tell(self) -> None:
        """Wake who waits, also from another thread."""
        self._told.set()
        if self._thread is not None:
            os.eventfd_write(self._fd, 1)

    def quiet(self) -> bool:
        """Make ``fileno`` quiet until the next time."""
        self._told.clear()
        if self._thread is not None:
            with suppress(BlockingIOError):
                os.eventfd_read(self._fd)
        return False

    def wait(self, timeout_s: float | None) -> None:
        """Wait until it is time to look."""
        self._told.wait(self._look_s if timeout_s is None else min(timeout_s, self._look_s))

    def close(self) -> None:
        """Let go."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()
            os.close(self._fd)
            self._thread = None


def make_waker(folder: Path, top: Path, is_remote: Callable[[Path], bool] = is_network) -> "Waker | LookingWaker":
    """Return what tells of changes in the folder of a stream below ``top``, the folder of the streams."""
    if not is_remote(top):
        try:
            return Waker(folder, top)
        except OSError:  # as many watchers as a user may have, 128 mostly
            return LookingWaker()
    return LookingWaker()
