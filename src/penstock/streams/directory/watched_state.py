"""The state of a stream as its readers have it: read again only when the file is another one."""

import os
from pathlib import Path

from penstock.errors import IntegrityError
from penstock.streams.directory.file_names import STATE
from penstock.streams.directory.state_file import StateFile, decode_state

__all__ = ["NO_STATE", "WatchedState"]

NO_STATE = StateFile()
"""Of a stream that is not there, or has lost it."""
_DAMAGED = StateFile(is_written=True)
"""Nobody knows whether it has ended; what it holds can be read nevertheless."""


class WatchedState:
    """The newest state; a damaged one counts as that of a stream whose writer was killed, and ``verify`` names it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / STATE
        self._name = os.fspath(self._path)
        self._state = NO_STATE
        self._fd = -1
        self._inode = 0

    def now(self) -> StateFile:
        """Return the state as of now."""
        try:
            found = os.stat(self._name)  # noqa: PTH116  # a third of the time: a group asks for each message
        except FileNotFoundError:
            self.close()
            return NO_STATE
        # The file that was read is held open, so that no later one gets its number.
        if self._fd < 0 or self._inode != found.st_ino:
            self._read()
        return self._state

    def _read(self) -> None:
        self.close()
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        self._inode = os.fstat(self._fd).st_ino
        try:
            self._state = decode_state(os.pread(self._fd, 1 << 20, 0), self._path)
        except IntegrityError:
            self._state = _DAMAGED

    def close(self) -> None:
        """Let go."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
        self._state = NO_STATE
