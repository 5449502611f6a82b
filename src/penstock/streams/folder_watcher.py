"""Makes messages of files that appear in folders: sees them, waits until each is complete, and has it sent."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from select import POLLIN, poll
from types import TracebackType
from typing import Self

from penstock.core.stream_address import StreamAddress
from penstock.streams.arriving_files import ArrivingFiles, is_text, oldest_first
from penstock.streams.file_choice import FileChoice
from penstock.streams.file_journal import FileJournal, FileState
from penstock.streams.file_sender import MOST_FILES, FileSender
from penstock.streams.file_settling import Shape
from penstock.streams.folder_sight import FolderSight, How, Seen
from penstock.streams.store import Store
from penstock.streams.watch_options import WatchCounts, WatchOptions
from penstock.streams.watched_folders import WatchedFolders, check_beside

__all__ = ["FolderWatcher"]


class FolderWatcher:
    """Sends the files of folders to a stream, or to a stream of a source for each folder; a context manager.

    Its messages have the metadata ``name``, ``folder``, ``size`` (bytes) and ``mtime_ns`` (UTC), and the last as their
    timestamp. The file's bytes are the only buffer.

    Guarantee: a file that is complete and stays where it is, is in the stream once, whoever is killed when. The folder
    in which the journal lies must survive for that, or the stream.

    Parameters
    ----------
    store
        Where to; it stays open.
    folders
        Which, with all folders in them.
    to
        A stream; or a source: then a file's stream is called as its folder, below the watched one, and that of files
        directly in the watched folder as that.
    journal
        A file, which is made if it is not there; ``None``: nothing is remembered beyond this object but what is in
        the stream.
    tell
        Called with one line about each file that was not sent, and with what else somebody should know.

    Raises
    ------
    ConflictError
        If another process watches with the same journal.
    StreamError
        If a folder cannot be watched, or one lies in another, or files are to be removed that nothing would keep.
    """

    def __init__(
        self,
        store: Store,
        folders: Sequence[Path],
        to: StreamAddress,
        *,
        options: WatchOptions = WatchOptions(),  # noqa: B008  # it is frozen
        journal: Path | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.to = to
        self._options = options
        self._folders = WatchedFolders(folders, FileChoice(options.patterns, options.ignore), to)
        check_beside(self._folders.roots, store, journal)
        self._arriving = ArrivingFiles(self._folders, options.complete, options.stable_s, self)
        self.is_seen_by_kernel = self._arriving.is_seen_by_kernel
        """Whether closing and renaming is seen; if not, files are complete when they have not changed for some time."""
        with ExitStack() as opened:
            self._journal = opened.enter_context(FileJournal(journal))
            self._sender = FileSender(
                store, to, self._folders, self._journal, options, look_again=self._arriving.look, tell=tell
            )
            opened.callback(self._sender.close)
            self._opened = opened.pop_all()

    @property
    def counts(self) -> WatchCounts:
        """What became of files so far."""
        return self._sender.counts

    def run(self, stop: int, *, files: int = 0, ready: Callable[[], None] = lambda: None) -> None:
        """Send files until somebody asks to stop; what was read is stored before it returns.

        Parameters
        ----------
        stop
            A descriptor that can be read when somebody asks to stop.
        files
            Stop after so many files that were sent; 0 for never.
        ready
            Called when everything is watched: what appears from then on is not missed.

        Raises
        ------
        StoreFullError
            If there is no room for more. Files that were not stored are sent when this is run again.
        StreamError
            If a watched folder is gone, or the stream has ended.
        """
        self._sender.recover()
        sight = self._arriving.sight(stop)
        try:
            self._begin(sight)
            ready()
            while not _is_asked(stop) and not (files and self.counts.sent >= files):
                if self._arriving.ready:
                    self._sender.send(self._arriving.ready, files - self.counts.sent if files else MOST_FILES)
                    self._arriving.see(sight.wait(0))
                else:
                    self._arriving.see(sight.wait(self._arriving.next_s()))
                self._arriving.look_at_due()
        finally:
            sight.close()

    def finish(self) -> None:
        """Say that this was all of the stream, or of the streams that this object has sent to."""
        self._sender.finish()

    def close(self) -> None:
        """Let go of the stream and the journal."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, sight: FolderSight) -> None:
        """Look at what is there; what was in a folder that was never watched, is left where it is if so asked."""
        for path in self._journal.unsent():
            self._arriving.ready[path] = None
        found = {root: oldest_first(self._folders.files(root)) for root in self._folders.roots}
        seen = sight.wait(0)
        new = {path for path, _ in seen}
        for root, files in found.items():
            if not self._journal.knows_folder(root):
                old = [(path, shape) for path, shape in files if path not in new and is_text(path)]
                left = [] if self._options.existing else old
                self._journal.add_folder(root, left)
                self.counts.left += len(left)
            self._arriving.see(Seen(path, How.FOUND) for path, _ in files)
        self._arriving.see(seen)

    # What `ArrivingFiles` asks and tells

    def is_known(self, path: str, shape: Shape) -> bool:
        """Whether nothing needs to be waited for, because a file is as it was when it was sent, or left."""
        entry = self._journal.entry(path)
        return entry is not None and entry.state is not FileState.GIVEN and entry.shape == shape

    def has_vanished(self, path: str) -> None:
        """Have it counted that one is gone that was to be sent."""
        self._sender.has_vanished(path)

    def fail(self, text: str) -> None:
        """Have it counted that one cannot be sent."""
        self._sender.fail(text)


def _is_asked(stop: int) -> bool:
    poller = poll()
    poller.register(stop, POLLIN)
    return bool(poller.poll(0))
