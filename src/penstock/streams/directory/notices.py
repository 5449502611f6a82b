"""What the kernel tells this process of files that change: one inotify instance for all who wait.

A user has 128 instances, so there cannot be one for each reader. One thread reads it and tells whom it concerns; it
rests while nobody waits, so that a reader that is busy is not held up by what its writer does meanwhile.
"""

import os
import select
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

from inotify_simple import Event, INotify, flags

__all__ = ["EVERYTHING", "Listener", "Notices"]

EVERYTHING: Final = -1
"""In the place of a watch, if the kernel had more notices than it keeps."""

_GONE: Final = flags.IGNORED | flags.DELETE_SELF | flags.MOVE_SELF | flags.Q_OVERFLOW
_shared: list["Notices"] = []
"""The one of this process, while somebody listens."""
_change = threading.Lock()


class Listener(Protocol):
    """Who is told. Both are called while a lock is held, so they must not wait."""

    def hear(self, watch: int, is_gone: bool) -> None:
        """Take note of a change of what is watched, or that it is gone; ``EVERYTHING`` if notices were lost."""
        ...

    def calm(self) -> None:
        """Forget that there was a change."""
        ...


class Notices:
    """The instance of this process; `join` it, and `leave` it once for each time.

    Raises
    ------
    OSError
        If this user has no instance left.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._count = 0
        self._inotify: Any = INotify(nonblocking=True)  # it has no types
        try:
            self._told = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        except OSError:
            self._inotify.close()
            raise
        self._lock = threading.Lock()
        self._listeners: dict[int, set[Listener]] = {}
        self._waiting: set[Listener] = set()
        self._is_resting = True
        self._has_ended = False
        self._thread = threading.Thread(target=self._run, name="stream-notices", daemon=True)

    @classmethod
    def join(cls) -> "Notices":
        """Return the instance of this process, made if there is none."""
        with _change:
            if _shared and _shared[0]._pid != os.getpid():
                _shared.clear()  # of the process that this one was forked from, which reads it
            if not _shared:
                made = cls()
                made._thread.start()
                _shared.append(made)
            _shared[0]._count += 1
            return _shared[0]

    def leave(self) -> None:
        """Let go; the last one ends the thread."""
        with _change:
            self._count -= 1
            if self._count:
                return
            if self in _shared:
                _shared.remove(self)
        self._has_ended = True
        self._wake()
        if self._pid == os.getpid():
            self._thread.join()
        self._inotify.close()
        os.close(self._told)

    def add(self, listener: Listener, path: Path, mask: int) -> int:
        """Watch a file or folder for a listener, and return the number of the watch, which others may have too.

        Raises
        ------
        OSError
            If it is not there, or there are more watches than a user may have.
        """
        with self._lock:
            watch = int(self._inotify.add_watch(path, mask))
            self._listeners.setdefault(watch, set()).add(listener)
            return watch

    def remove(self, listener: Listener, watch: int) -> None:
        """Watch something for a listener no longer."""
        with self._lock:
            left = self._listeners.get(watch)
            if left is None:  # gone, and its watch with it
                return
            left.discard(listener)
            if not left:
                del self._listeners[watch]
                with suppress(OSError):
                    self._inotify.rm_watch(watch)

    def wait_for(self, listener: Listener) -> None:
        """Tell everybody what has happened up to now, calm this listener, and tell it what happens next.

        Once it was told something it has to ask again; what happens meanwhile it is told at the latest then.
        """
        with self._lock:
            self._tell()
            listener.calm()  # with the lock: what it was told since would be forgotten, and nothing told any more
            self._waiting.add(listener)
            if self._is_resting:
                self._wake()

    def forget(self, listener: Listener) -> None:
        """Tell a listener nothing more."""
        with self._lock:
            self._waiting.discard(listener)

    def _tell(self) -> None:
        for event in self._inotify.read(timeout=0):
            self._tell_one(event)

    def _tell_one(self, event: Event) -> None:
        if event.mask & flags.Q_OVERFLOW:  # its watch is -1
            concerned = set[Listener]().union(*self._listeners.values())
        elif event.mask & flags.IGNORED:
            concerned = self._listeners.pop(event.wd, set())
        else:
            concerned = self._listeners.get(event.wd, set())
        for listener in concerned:
            listener.hear(event.wd, bool(event.mask & _GONE))
        self._waiting -= concerned

    def _wake(self) -> None:
        os.eventfd_write(self._told, 1)

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._told, select.POLLIN)
        while not self._has_ended:
            poll.poll()
            with suppress(BlockingIOError):
                os.eventfd_read(self._told)
            with self._lock:
                self._tell()
                self._is_resting = not self._waiting
                if self._is_resting:
                    with suppress(KeyError):
                        poll.unregister(self._inotify)
                else:
                    poll.register(self._inotify, select.POLLIN)
