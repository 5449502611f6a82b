"""The event log of a run on its way out: into a file, into a durable stream, or both."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from penstock.core.block import Block
from penstock.core.event_log import EventLog
from penstock.core.log_records import ParametersSet
from penstock.core.log_repeats import Said
from penstock.core.message import Message
from penstock.core.parameters import Change
from penstock.core.stream_address import StreamAddress
from penstock.errors import PenstockError, SinkError
from penstock.formats.event_log import LogHeader, encode_header, encode_record
from penstock.streams.store import Store, StreamWriter

__all__ = ["LONGEST_S", "LogFile", "LogOutlet", "LogStream", "RunLog", "claim"]

MOST_BYTES = 64 << 10
LONGEST_S = 0.05
"""What of the log is in no stream yet: so much, or of so long, is lost with the process that writes it."""


class LogOutlet(Protocol):
    """Where the bytes of a log go."""

    @property
    def trouble(self) -> str:
        """Why nothing more is written, if that is so."""

    @property
    def is_waiting(self) -> bool:
        """Whether bytes have been taken that ``flush`` lets go of in time."""

    def write(self, data: bytes) -> None:
        """Take the next bytes."""

    def flush(self) -> None:
        """Let go of what has waited for long enough."""

    def close(self, *, is_over: bool = True) -> None:
        """Write the rest; nothing follows, unless the run is not over and somebody goes on with it."""


class RunLog:
    """Write records as they come.

    Parameters
    ----------
    outlets
        Where to; each gets the same bytes.
    said
        What is there already, of a run that is resumed; then there is a header too.
    """

    def __init__(self, header: LogHeader, outlets: Sequence[LogOutlet], said: Said | None = None) -> None:
        self.log = EventLog(said)
        self._outlets = tuple(outlets)
        if said is None:
            self._write(encode_header(header))

    @property
    def troubles(self) -> list[str]:
        """Why something of it is not written any more."""
        return [outlet.trouble for outlet in self._outlets if outlet.trouble]

    @property
    def is_waiting(self) -> bool:
        """Whether ``flush`` must be called within `LONGEST_S`."""
        return any(outlet.is_waiting for outlet in self._outlets)

    def set(self, change: Change, stages: dict[str, int] | None = None) -> None:
        """Note a revision of the parameters, and from where on each stage has it."""
        record = ParametersSet(
            revision=change.revision, first=change.from_event, values=dict(change.values), stages=stages or {}
        )
        self.log.append(record)

    def flush(self) -> None:
        """Write what has been noted."""
        records = self.log.take()
        if records:
            self._write(b"".join(map(encode_record, records)))
        for outlet in self._outlets:
            outlet.flush()

    def close(self, *, is_over: bool = True) -> None:
        """Write the rest and close everything.

        Parameters
        ----------
        is_over
            Whether the run is; one that was cut off may be resumed, which wants a log that has no end.
        """
        try:
            self.flush()
        finally:
            for outlet in self._outlets:
                outlet.close(is_over=is_over)

    def _write(self, data: bytes) -> None:
        for outlet in self._outlets:
            outlet.write(data)


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
    """A file of its own for a log; what cannot be written fails the run.

    Parameters
    ----------
    path
        Must not exist.
    fd
        What ``claim`` returned, where another process has made the file; closed with it.

    Raises
    ------
    SinkError
        If it cannot be made, or written.
    """

    trouble = ""
    is_waiting = False

    def __init__(self, path: Path, fd: int | None = None) -> None:
        self._path = path
        self._file: BinaryIO = os.fdopen(claim(path) if fd is None else fd, "wb")

    def write(self, data: bytes) -> None:
        """Write at once."""
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise SinkError(f"event log {self._path}: {error.strerror}") from error

    def flush(self) -> None:
        """Do nothing: it is written."""

    def close(self, *, is_over: bool = True) -> None:
        """Close the file."""
        self._file.close()


class LogStream:
    """A durable stream for a log: its messages, one after the other, are the bytes of the file.

    What cannot be written ends it, with ``trouble``, and not the run.

    Parameters
    ----------
    store
        Stays the caller's.
    """

    def __init__(self, store: Store, address: StreamAddress) -> None:
        self.trouble = ""
        self._writer: StreamWriter = store.write(address)
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._since_s = 0.0

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to write."""
        return bool(self._waiting)

    def write(self, data: bytes) -> None:
        """Take bytes, and write them with others."""
        if self.trouble:
            return
        if not self._waiting:
            self._since_s = time.monotonic()
        self._waiting.append(data)
        self._waiting_bytes += len(data)

    def flush(self) -> None:
        """Write if it is much, or has waited for long."""
        is_due = self._waiting and time.monotonic() - self._since_s >= LONGEST_S
        if is_due or self._waiting_bytes >= MOST_BYTES:
            self._append()

    def close(self, *, is_over: bool = True) -> None:
        """Write the rest, and say that this was all, if the run is over."""
        try:
            self._append()
            if is_over and not self.trouble:
                self._writer.finish()
        except (PenstockError, OSError) as error:
            self.trouble = f"the event log is not recorded to its end: {error}"
        with suppress(PenstockError, OSError):
            self._writer.close()

    def _append(self) -> None:
        data, self._waiting, self._waiting_bytes = b"".join(self._waiting), [], 0
        if not data or self.trouble:
            return
        message = Message(timestamp_ns=time.time_ns(), array=np.frombuffer(data, np.uint8))
        try:
            self._writer.append(Block.of("log", [message], self._writer.last_id + 1))
        except (PenstockError, OSError) as error:
            self.trouble = f"the event log is recorded no further: {error}"
            with suppress(PenstockError, OSError):
                self._writer.abort(self.trouble)
