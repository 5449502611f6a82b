"""The state file of opened files, on the disk: read when it is opened, then only ever added to, by one run at a time.

What a call has written outlives a kill of this process at any moment; a loss of power may take the last seconds.
"""

import fcntl
import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from penstock.core.file_book import FileBook, FileRecord, RunRecord
from penstock.errors import SourceError
from penstock.formats.file_log import encode_records, read_log

__all__ = ["StateFile"]

_LOG: Final = logging.getLogger("penstock.elements")


class StateFile:
    """A `FileBook` that is kept in a file. Any thread may call it.

    Parameters
    ----------
    path
        Made if it is not there, with its folder; ``None``: it is kept in memory only.

    Raises
    ------
    SourceError
        If it cannot be written, or another run works with it.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.lock = threading.Lock()
        """Held while the book changes."""
        self.book = FileBook()
        self._file = -1
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._read(path)
        except OSError as error:
            self.close()
            if isinstance(error, BlockingIOError):
                text = f"{path}: another run works with this state file; give each its own"
                raise SourceError(text) from error
            raise SourceError(f"{path}: the state file cannot be written: {error.strerror or error}") from error

    def _read(self, path: Path) -> None:
        log = read_log(path.read_bytes())
        # Whoever wrote before was cut off; what comes must not run together with it.
        os.ftruncate(self._file, log.whole)
        if log.damaged:
            _LOG.warning("%s: %d lines are no records; their files may be given again", path, log.damaged)
        self.book = FileBook(log.records)

    def note(self, records: Sequence[FileRecord | RunRecord]) -> None:
        """Write records down, then take note of them.

        Raises
        ------
        SourceError
            If they cannot be written; then none is taken note of.
        """
        with self.lock:
            if self._file >= 0:
                self._write(encode_records(records))
            for record in records:
                self.book.apply(record)

    def _write(self, lines: bytes) -> None:
        size = os.fstat(self._file).st_size
        left = memoryview(lines)
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError as error:
            os.ftruncate(self._file, size)
            raise SourceError(f"{self.path}: the state file was not written: {error.strerror or error}") from error

    def close(self) -> None:
        """Let others work with it; what is noted then is kept in memory only."""
        with self.lock:
            file, self._file = self._file, -1
            if file >= 0:
                os.close(file)
