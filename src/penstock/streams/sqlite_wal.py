"""Switch a SQLite database to a write-ahead log, also while others do the same."""

import sqlite3
import time

__all__ = ["use_wal"]

_AGAIN_S = 0.005


def use_wal(connection: sqlite3.Connection, wait_s: float) -> None:
    """Switch, where the file system can; else it stays as it is.

    SQLite does not wait for a lock here, whatever its timeout: it fails at once if another process is switching too.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_S)
        else:
            return
