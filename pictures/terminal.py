"""A command on a terminal of its own, and what stands on that terminal. It does not draw it."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyte

__all__ = ["Terminal", "lines"]

QUIET_S = 0.05
"""After so long without output a frame is taken to be whole."""


class Terminal:
    """A command that runs on a terminal.

    Parameters
    ----------
    words
        The command.
    folder
        Where it runs.
    columns, rows
        Size of the terminal.
    """

    def __init__(self, words: Sequence[str], folder: Path, *, columns: int = 100, rows: int = 24) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._ours, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        # The size is the terminal's own, and colours are those that people see, whatever the caller's terminal can.
        environ = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self._process = subprocess.Popen(
            words, stdin=its, stdout=its, stderr=its, cwd=folder, env=environ, start_new_session=True
        )
        os.close(its)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def shows(self, is_wanted: Callable[[list[str]], bool]) -> bool:
        """Follow it until a whole frame is as wanted; ``False`` if it ends before."""
        while self._follow():
            if not select.select([self._ours], [], [], QUIET_S)[0] and is_wanted(lines(self.screen)):
                return True
        return False

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Follow it to its end and return its exit code."""
        while self._follow():
            pass
        return self._process.wait()

    def _follow(self) -> bool:
        try:
            said = os.read(self._ours, 65536)
        except OSError:  # so Linux says that nobody holds the other end
            return False
        self._stream.feed(said)
        return bool(said)


def lines(screen: pyte.Screen) -> list[str]:
    """Return what stands on a screen, without spaces at the ends of lines.

    >>> screen = pyte.Screen(20, 2)
    >>> pyte.Stream(screen).feed("one")
    >>> lines(screen)
    ['one', '']
    """
    return [line.rstrip() for line in screen.display]
