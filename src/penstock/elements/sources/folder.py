"""Files that appear in watched folders, each opened into many items."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from penstock.elements.file_items import BadFiles, FileItems, FileOptions
from penstock.elements.losses import Losses
from penstock.elements.wants_settled import WantsSettled
from penstock.errors import SourceError, StreamError
from penstock.monitor.report import FilesReport
from penstock.streams.arriving_files import ArrivingFiles, oldest_first
from penstock.streams.file_choice import IGNORED, FileChoice
from penstock.streams.file_settling import Shape
from penstock.streams.folder_sight import FolderSight, How, Seen
from penstock.streams.watch_options import Complete
from penstock.streams.watched_folders import WatchedFolders

__all__ = ["Folder"]


class Folder(WantsSettled):
    """Give the items of each file that appears in a folder, or in a folder in it, once the file is complete.

    What is there at the start comes first, the oldest at the beginning. The source never ends by itself. State file,
    failures, and what is given again in another run are as of the source ``files``.

    ::

        sources:
          shots: {use: folder, path: incoming, patterns: ["*.dat"], open: "mycode:read_file", state: "shots.jsonl"}

    Parameters
    ----------
    path
        The folder, or a list of folders beside each other; relative ones from the pipeline's folder.
    open
        ``module:function`` that gets the ``Path`` of a file and returns a list or a generator of its items, or
        ``(items, number of items)``. By default the lines of a text in UTF-8.
    patterns
        Which files are meant, such as ``*.dat``, or ``run*/*.dat`` of the path below the folder; by default all.
    ignore
        Which files and folders are not.
    complete
        When a file is complete: ``closed`` by who has written it, or ``renamed`` to its name; only when ``renamed``; or
        ``stable``. What was there before, and what the kernel does not see, as on a network, is so when it is stable.
    stable_s
        How long a stable file must not have changed, in s.
    existing
        Whether files are given, too, that are there at the start; if not, only those of them that the state file knows.
    state
        The state file, JSON lines, outside of the folder; it may contain ``{name}`` of the pipeline.
    checksum
        Such as ``sha256``: kept for each file. The file is read once more for it.
    bad_files
        What follows when a file cannot be opened or breaks off: ``skip`` goes on with the next, ``fail`` ends the run.
    attempts
        How often a file that fails is tried at most, once in each run.
    name_as
        A key under which each item that is a mapping says of which file it is. By default none.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """

    in_chunks: ClassVar[bool] = True
    folder: str = "."
    """Where relative paths start; given by whoever runs it."""

    def __init__(
        self,
        path: str | list[str],
        open: str | Callable[[Path], Any] = "",  # noqa: A002 - the word of the pipeline file
        patterns: str | list[str] | None = None,
        ignore: list[str] | None = None,
        complete: Complete = "closed",
        stable_s: float = 2.0,
        *,
        existing: bool = True,
        state: str = "",
        checksum: str = "",
        bad_files: BadFiles = "skip",
        attempts: int = 3,
        name_as: str = "",
    ) -> None:
        self._paths = [path] if isinstance(path, str) else list(path)
        if not self._paths or not all(self._paths):
            raise ValueError("path is empty; name a folder")
        if complete not in ("closed", "renamed", "stable"):
            raise ValueError(f'complete is "{complete}"; write closed, renamed, or stable')
        if stable_s < 0:
            raise ValueError(f"stable_s is {stable_s}; write a time in seconds")
        meant = [patterns] if isinstance(patterns, str) else patterns or ()
        self._choice = FileChoice(meant, IGNORED if ignore is None else ignore)
        self._complete: Complete = complete
        self._stable_s = stable_s
        self._existing = existing
        options = FileOptions(
            open=open, state=state, checksum=checksum, bad_files=bad_files, attempts=attempts, name_as=name_as
        )
        options.check()
        self._items = FileItems(options, "folder")
        self._lock = threading.Lock()
        self._stop = -1
        self._is_stopped = False

    def __iter__(self) -> Iterator[list[Any]]:
        """Watch and read.

        Raises
        ------
        SourceError
            If a folder cannot be watched, or the state file not be used, or a file fails and ``bad_files`` is
            ``fail``.
        """
        self._items.open(self.folder, self.run)
        with self._lock:
            self._stop = os.eventfd(int(self._is_stopped), os.EFD_CLOEXEC)
        try:
            yield from self._watched()
        except StreamError as error:
            raise SourceError(str(error)) from error
        finally:
            with self._lock:
                stop, self._stop = self._stop, -1
            os.close(stop)

    def _watched(self) -> Iterator[list[Any]]:
        roots = [Path(self.folder, Path(path).expanduser()) for path in self._paths]
        folders = WatchedFolders(roots, self._choice)
        arriving = ArrivingFiles(folders, self._complete, self._stable_s, self)
        sight = arriving.sight(self._stop)
        try:
            self._begin(arriving, folders, sight)
            while not self._is_stopped:
                if arriving.ready:
                    path = next(iter(arriving.ready))
                    del arriving.ready[path]
                    yield from self._items.of(path)
                    self._see(arriving, sight.wait(0))
                else:
                    self._see(arriving, sight.wait(arriving.next_s()))
                self._items.expect(arriving.look_at_due())
        finally:
            sight.close()

    def _begin(self, arriving: ArrivingFiles, folders: WatchedFolders, sight: FolderSight) -> None:
        arriving.ready |= dict.fromkeys(self._items.unfinished())
        found = [path for root in folders.roots for path in folders.files(root)]
        seen = sight.wait(0)
        new = {path for path, _ in seen}
        there = [Seen(path, How.FOUND) for path, _ in oldest_first(found) if self._existing or path in new]
        self._see(arriving, [*there, *seen])

    def _see(self, arriving: ArrivingFiles, seen: list[Seen]) -> None:
        if seen:
            arriving.see(seen)
            self._items.expect(path for path, _ in seen if path in arriving.ready)

    # What `ArrivingFiles` asks and tells

    def is_known(self, path: str, shape: Shape) -> bool:
        """Whether a file was complete, just like this, when it was seen before."""
        return self._items.knows(path, shape)

    def has_vanished(self, path: str) -> None:
        """Forget one that was gone before it was complete."""

    def fail(self, text: str) -> None:
        """Count one that cannot be read."""
        self.losses.add(text)

    @property
    def losses(self) -> Losses:
        """Files that failed, for whoever keeps the books."""
        return self._items.losses

    def stop(self) -> None:
        """Wait for no more files; see the base."""
        with self._lock:
            self._is_stopped = True
            if self._stop >= 0:
                os.eventfd_write(self._stop, 1)

    def settled(self, count: int) -> None:
        """Note what has ended; see the base."""
        self._items.settled(count)

    def leave(self) -> None:
        """Let go of the state file."""
        self._items.leave()

    def files(self) -> FilesReport:
        """Return how far it is."""
        return self._items.report()
