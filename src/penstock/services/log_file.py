"""The event log of a run on disk: what every event was made of, how it ended, and what user code saw of chance."""

import os
from pathlib import Path
from typing import BinaryIO

from penstock.core.event_log import EventLog
from penstock.core.log_records import ParametersSet
from penstock.core.parameters import Change
from penstock.errors import SinkError
from penstock.formats.event_log import LogHeader, encode_header, encode_record

__all__ = ["LogFile", "claim"]


def claim(path: Path) -> int:
    """Make a new file and return its descriptor.

    Raises
    ------
    SinkError
        If it is there already, or cannot be made.
    """
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError as error:
        raise SinkError(f"event log {path}: is there already; name another file") from error
    except OSError as error:
        text = f"event log {path}: {error.strerror}; name a file in a folder you may write"
        raise SinkError(text) from error


class LogFile:
    """Write records to a new file as they come.

    Parameters
    ----------
    path
        Must not exist.
    fd
        What ``claim`` returned, where another process has made the file; closed with it.

    Raises
    ------
    SinkError
        If it cannot be made.
    """

    def __init__(self, path: Path, header: LogHeader, fd: int | None = None) -> None:
        self.log = EventLog()
        self._path = path
        self._file: BinaryIO = os.fdopen(claim(path) if fd is None else fd, "wb")
        self._write(encode_header(header))

    def set(self, change: Change) -> None:
        """Note a revision of the parameters."""
        record = ParametersSet(revision=change.revision, first=change.from_event, values=dict(change.values))
        self.log.append(record)

    def flush(self) -> None:
        """Write what has been noted."""
        records = self.log.take()
        if records:
            self._write(b"".join(map(encode_record, records)))

    def close(self) -> None:
        """Write the rest and close the file."""
        try:
            self.flush()
        finally:
            self._file.close()

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise SinkError(f"event log {self._path}: {error.strerror}") from error
