"""What is said of beamtimes, sources and streams: one table of SQLite, opened when somebody asks.

Write-ahead logging needs memory that all its processes share, which a network file system does not give; there, and
wherever SQLite says that it cannot have it, it keeps a rollback journal.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from penstock.core.stream_address import StreamAddress
from penstock.errors import IntegrityError, StoreFullError, StreamError
from penstock.streams.directory.file_system import is_network
from penstock.streams.sqlite_wal import use_wal

__all__ = ["Catalogue"]

_WAIT_S: Final = 10.0
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS metadata (
    beamtime TEXT NOT NULL, source TEXT NOT NULL, stream TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (beamtime, source, stream)
) WITHOUT ROWID
"""
_ONE: Final = "beamtime = ? AND source = ? AND stream = ?"


class Catalogue:
    """The catalogue of a store; may be used from several threads and processes."""

    def __init__(self, path: Path, is_remote: Callable[[Path], bool] = is_network) -> None:
        self.path = path
        self._is_remote = is_remote
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def metadata(self, address: StreamAddress) -> Mapping[str, Any] | None:
        """Return what was said; ``None`` if nothing was."""
        if self._connection is None and not self.path.exists():
            return None
        with self._open() as connection:
            return _find(connection, address)

    def change(
        self, address: StreamAddress, change: Callable[[Mapping[str, Any] | None], Mapping[str, Any] | None]
    ) -> bool:
        """Put what ``change`` returns in the place of what there was, which it is given; return whether there was any.

        Nobody else changes it meanwhile. For ``None`` nothing is left.
        """
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                old = _find(connection, address)
                new = change(old)
                if new is not None:
                    values = (*_key(address), json.dumps(new, ensure_ascii=False, allow_nan=False))
                    connection.execute("INSERT OR REPLACE INTO metadata VALUES (?, ?, ?, ?)", values)
                elif old is not None:
                    connection.execute(f"DELETE FROM metadata WHERE {_ONE}", _key(address))
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return old is not None

    def remove(self, address: StreamAddress) -> bool:
        """Remove what was said; return whether there was any."""
        return self.path.exists() and self.change(address, lambda _: None)

    def ending(self, ending: str) -> list[StreamAddress]:
        """Return of which streams something was said whose names end so."""
        if self._connection is None and not self.path.exists():
            return []
        with self._open() as connection:
            found = connection.execute(
                "SELECT beamtime, source, stream FROM metadata WHERE substr(stream, -length(?)) = ?", (ending, ending)
            )
            return [StreamAddress(*names) for names in found]

    @property
    def journal(self) -> str:
        """How SQLite keeps it: ``wal`` or ``delete``."""
        with self._open() as connection:
            return str(connection.execute("PRAGMA journal_mode").fetchone()[0])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._connected()
                yield self._connection
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                    raise StoreFullError(f"{self.path}: {error}; nothing was written") from error
                raise StreamError(f"{self.path}: {error}") from error
            except sqlite3.DatabaseError as error:
                raise IntegrityError(f"{self.path}: {error}") from error

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
        try:
            if not self._is_remote(self.path.parent):
                use_wal(connection, _WAIT_S)
            connection.execute(_TABLE)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Let go."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _key(address: StreamAddress) -> tuple[str, str, str]:
    return address.beamtime, address.source, address.stream


def _find(connection: sqlite3.Connection, address: StreamAddress) -> Mapping[str, Any] | None:
    row = connection.execute(f"SELECT value FROM metadata WHERE {_ONE}", _key(address)).fetchone()
    return None if row is None else json.loads(row[0])
