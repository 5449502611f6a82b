"""The log of a process of rta-dp, as users' classes write into it: ``logger.system(text, extra=who)`` and the like.

Each line is one write to a file that is appended to, so that several processes may share it.
"""

import logging
import os
import time
from pathlib import Path
from typing import Final

__all__ = ["Log"]

_LOG: Final = logging.getLogger("penstock.compat.rtadp")
_SYSTEM: Final = 25
_LEVELS: Final = {
    "DEBUG": logging.DEBUG, "INFO": logging.INFO, "SYSTEM": _SYSTEM, "WARNING": logging.WARNING,
    "ERROR": logging.ERROR, "CRITICAL": logging.CRITICAL,
}  # fmt: skip


class Log:
    """Writes lines with time, level and who says it; a file that cannot be written is told once, and ends nothing.

    Parameters
    ----------
    path
        Of the file; ``None``: lines go to the log of the program only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._fd: int | None = None
        if path is not None:
            try:
                self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            except OSError as error:
                _LOG.warning("%s: no log is written there: %s", path, error.strerror)

    def debug(self, msg: object, extra: str = "") -> None:
        """Write a line."""
        self._write("DEBUG", msg, extra)

    def info(self, msg: object, extra: str = "") -> None:
        """Write a line."""
        self._write("INFO", msg, extra)

    def system(self, msg: object, extra: str = "") -> None:
        """Write a line of rta-dp's own level, between information and warning."""
        self._write("SYSTEM", msg, extra)

    def warning(self, msg: object, extra: str = "") -> None:
        """Write a line."""
        self._write("WARNING", msg, extra)

    def error(self, msg: object, extra: str = "") -> None:
        """Write a line."""
        self._write("ERROR", msg, extra)

    def critical(self, msg: object, extra: str = "") -> None:
        """Write a line."""
        self._write("CRITICAL", msg, extra)

    def close(self) -> None:
        """Write nothing more."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _write(self, level: str, msg: object, extra: str) -> None:
        text = str(msg).replace("\n", "\\n")
        _LOG.log(_LEVELS[level], "%s: %s", extra, text)
        if self._fd is None:
            return
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        try:
            os.write(self._fd, f'{now}Z - {level} - {extra} - "{text}"\n'.encode(errors="replace"))
        except OSError as error:
            self.close()
            _LOG.warning("the log is written no more: %s", error.strerror)
