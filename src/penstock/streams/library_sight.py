"""Sees that files change, by the library ``watchfiles``: also where only looking again and again shows it."""

import select
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from penstock.errors import StreamError
from penstock.extra import extra
from penstock.streams.directory.file_system import is_network
from penstock.streams.folder_sight import How, Seen, files_below

with extra("cli"):
    from watchfiles import Change, watch

__all__ = ["LibrarySight"]

GATHER_MS: Final = 200
QUIET_MS: Final = 20
"""Changes are told when there was none for so long, or they have been gathered for longer."""
LOOK_MS: Final = 300
"""How often to look where the kernel does not tell."""
ANEW: Final = 100
"""After so many waits without anything, look through all folders: the library does not say what it has missed."""


class LibrarySight:
    """A `FolderSight` by ``watchfiles``, which looks through the folders where they lie on a network file system.

    Trap: where it looks, a change within the same second as the one before may not be told; who waits for a file to
    settle looks at it anyway.

    Parameters
    ----------
    folders
        Which, with all folders in them.
    passes_over
        Which folders in them to leave out.
    stop
        A descriptor that can be read when somebody asks to stop.
    longest_s
        No wait is longer.
    looks
        Whether to look through the folders instead of asking the kernel; by default where it must be.
    """

    def __init__(
        self,
        folders: Sequence[str],
        passes_over: Callable[[str], bool],
        stop: int,
        *,
        longest_s: float,
        looks: bool | None = None,
    ) -> None:
        self._roots = folders
        self._passes_over = passes_over
        self._changes = watch(
            *folders,
            watch_filter=None,
            debounce=GATHER_MS,
            step=QUIET_MS,
            stop_event=_Stop(stop),
            rust_timeout=max(int(longest_s * 1000), QUIET_MS),
            yield_on_timeout=True,
            force_polling=any(is_network(Path(folder)) for folder in folders) if looks is None else looks,
            poll_delay_ms=LOOK_MS,
            ignore_permission_denied=True,
        )
        self._quiet = 0
        self._first = self._next()  # only now the library watches

    def wait(self, timeout_s: float | None) -> list[Seen]:  # noqa: ARG002  # the library takes it once and for all
        """Wait until something happens; see `FolderSight.wait`."""
        if self._first:
            first, self._first = self._first, []
            return first
        return self._next()

    def close(self) -> None:
        """See nothing any more."""
        self._changes.close()

    def _next(self) -> list[Seen]:
        changes = next(self._changes, None)
        for root in self._roots:
            if not Path(root).is_dir():
                raise StreamError(f"{root}: the watched folder is gone")
        seen: list[Seen] = []
        for change, path in changes or ():
            if change is Change.deleted:
                continue
            what = Path(path)
            if what.is_dir():  # whose first files may be older than the library's watch on it
                seen += self._found(path)
            elif what.is_file() or not what.exists():
                seen.append(Seen(path, How.CHANGED))
        self._quiet = 0 if changes else self._quiet + 1
        if self._quiet >= ANEW:
            self._quiet = 0
            for root in self._roots:
                seen += self._found(root)
        return seen

    def _found(self, folder: str) -> list[Seen]:
        if folder not in self._roots and self._passes_over(folder):
            return []
        return [Seen(path, How.FOUND) for path in files_below(folder, self._passes_over, lambda _: None)]


class _Stop:
    """What the library asks whether to stop."""

    def __init__(self, descriptor: int) -> None:
        self._poller = select.poll()
        self._poller.register(descriptor, select.POLLIN)

    def is_set(self) -> bool:
        return bool(self._poller.poll(0))
