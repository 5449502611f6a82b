"""Which file got which id: written before a file is sent, so that none is sent twice or gets another one.

One SQLite file for each target, used by one process at a time. What it has forgotten, because power was lost or
somebody deleted it, is found again in the streams: each message says of which file it is.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from penstock.core.stream_address import StreamAddress, encoded_name
from penstock.errors import ConflictError, IntegrityError, StoreFullError, StreamError
from penstock.streams.directory import DirectoryStore
from penstock.streams.directory.file_system import is_network
from penstock.streams.file_settling import Shape
from penstock.streams.store import Store

__all__ = ["FileEntry", "FileJournal", "FileState", "journal_path"]

_WHOLE_SOURCE = ".source"  # as no encoded name begins
_Ask = Callable[..., sqlite3.Cursor]
_TABLES = """
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, stream TEXT NOT NULL, id INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    state INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unsent ON files (stream, id) WHERE state = 1;
CREATE TABLE IF NOT EXISTS streams (stream TEXT PRIMARY KEY, last_id INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS folders (path TEXT PRIMARY KEY) WITHOUT ROWID;
"""


def journal_path(store: Store, to: StreamAddress, part: int = 0) -> Path | None:
    """Return where the journal of a target lies beside the streams of a store; ``None`` for a store without a folder.

    Those who send the parts of the same datasets have one each. Its folder is made if it is not there.
    """
    if not isinstance(store, DirectoryStore):
        return None
    folder = store.path.joinpath("watched", *to.folders[:2])
    folder.mkdir(parents=True, exist_ok=True)
    ending = f"%part{part}.sqlite" if part else ".sqlite"  # no encoded name has a % before a p
    return folder / f"{encoded_name(to.stream) or _WHOLE_SOURCE}{ending}"


class FileState(IntEnum):
    """How far it is with a file; the numbers stand in journals that exist."""

    LEFT = 0
    """It was there before the folder was watched, and is not to be sent."""
    GIVEN = 1
    """It has an id; whether it was sent is not known."""
    SENT = 2
    """Its message is in the stream."""
    REMOVED = 3
    """And the file was removed after that."""


class FileEntry(NamedTuple):
    """What is known of a file."""

    stream: str
    """The name; empty for a file that was left."""
    id: int
    shape: Shape
    state: FileState


class FileJournal:
    """What became of files, by their whole paths; a context manager.

    Parameters
    ----------
    path
        Of the journal, whose folder must be there; ``None`` for one in memory.

    Raises
    ------
    ConflictError
        If another process uses it.
    """

    def __init__(self, path: Path | None) -> None:
        self._where = "the journal in memory" if path is None else str(path)
        self._connection = sqlite3.connect(
            ":memory:" if path is None else path, timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            with self._told():
                # Exclusive: then a journal ahead of the file needs no shared memory, and a second process is noticed.
                self._connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchone()
                if path is not None and not is_network(path.parent):
                    self._connection.execute("PRAGMA journal_mode=WAL").fetchone()
                self._connection.execute("PRAGMA synchronous=NORMAL")
                self._connection.execute("BEGIN EXCLUSIVE")
                for statement in _TABLES.split(";"):
                    self._connection.execute(statement)
                self._connection.execute("COMMIT")
        except BaseException:
            self._connection.close()
            raise

    def entry(self, path: str) -> FileEntry | None:
        """Return what is known of a file."""
        with self._told() as ask:
            row = ask("SELECT stream, id, size, mtime_ns, state FROM files WHERE path = ?", (path,)).fetchone()
        return None if row is None else FileEntry(row[0], row[1], Shape(row[2], row[3]), FileState(row[4]))

    def give(self, files: Sequence[tuple[str, str, Shape]]) -> list[int]:
        """Give ids to files, each a path, the name of a stream and a shape; return them."""
        with self._changed() as ask:
            last = {stream: self._last_id(stream) for _, stream, _ in files}
            ids = []
            for path, stream, shape in files:
                last[stream] += 1
                ids.append(last[stream])
                ask(
                    "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)",
                    (path, stream, last[stream], *shape, FileState.GIVEN),
                )
            for stream, last_id in last.items():
                ask("INSERT OR REPLACE INTO streams VALUES (?, ?)", (stream, last_id))
        return ids

    def mark(self, paths: Iterable[str], state: FileState) -> None:
        """Say how far it is with files that are known."""
        with self._changed() as ask:
            for path in paths:
                ask("UPDATE files SET state = ? WHERE path = ?", (state, path))

    def forget(self, path: str) -> None:
        """Know nothing of a file any more; its id is not given again."""
        with self._changed() as ask:
            ask("DELETE FROM files WHERE path = ?", (path,))

    def unsent(self) -> list[str]:
        """Return the files of which it is not known whether they were sent, in the order of their ids."""
        with self._told() as ask:
            rows = ask("SELECT path FROM files WHERE state = 1 ORDER BY stream, id").fetchall()
        return [path for (path,) in rows]

    def last_id(self, stream: str) -> int:
        """Return the largest id that was given to a message of a stream; 0 for none."""
        with self._told():
            return self._last_id(stream)

    def recover(self, stream: str, files: Iterable[tuple[str, int, Shape]], last_id: int) -> None:
        """Write down what is in a stream: each a path, an id and a shape; and its largest id."""
        with self._changed() as ask:
            for path, number, shape in files:
                ask(
                    "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)",
                    (path, stream, number, *shape, FileState.SENT),
                )
            ask("INSERT OR REPLACE INTO streams VALUES (?, ?)", (stream, max(last_id, self._last_id(stream))))

    def knows_folder(self, folder: str) -> bool:
        """Whether a folder was watched before."""
        with self._told() as ask:
            return ask("SELECT 1 FROM folders WHERE path = ?", (folder,)).fetchone() is not None

    def add_folder(self, folder: str, left: Iterable[tuple[str, Shape]]) -> None:
        """Say that a folder is watched from now on, and which of its files are not to be sent; of both or of none."""
        with self._changed() as ask:
            ask("INSERT OR IGNORE INTO folders VALUES (?)", (folder,))
            for path, shape in left:
                ask("INSERT OR IGNORE INTO files VALUES (?, '', 0, ?, ?, ?)", (path, *shape, FileState.LEFT))

    def close(self) -> None:
        """Let go; once more: nothing."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _last_id(self, stream: str) -> int:
        row = self._connection.execute("SELECT last_id FROM streams WHERE stream = ?", (stream,)).fetchone()
        return 0 if row is None else int(row[0])

    @contextmanager
    def _told(self) -> Iterator[_Ask]:
        """Say what SQLite says by our errors."""
        try:
            yield self._connection.execute
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise ConflictError(f"{self._where}: another process watches for the same target") from error
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise StoreFullError(f"{self._where}: {error}") from error
            raise StreamError(f"{self._where}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise IntegrityError(f"{self._where}: {error}; without it, it is made again from the stream") from error

    @contextmanager
    def _changed(self) -> Iterator[_Ask]:
        """Write all of it, or nothing."""
        with self._told() as ask:
            ask("BEGIN IMMEDIATE")
            try:
                yield ask
                ask("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    ask("ROLLBACK")
                raise
