"""The one place in the terminal where all that is live in a process is shown, line by line.

It goes to standard error, as standard output is for data. It knows rows and no steps.
"""

import atexit
import fcntl
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol

from penstock.extra import extra

__all__ = ["PLAIN_S", "REFRESH_S", "TERMINAL", "Row", "Surface", "TerminalDisplay"]

REFRESH_S: Final = 0.1
"""A terminal is renewed so often, in s."""
PLAIN_S: Final = 10.0
"""What is no terminal gets a line of each row that has changed so often, in s."""


class Row(Protocol):
    """Something that is shown on a line."""

    @property
    def label(self) -> str:
        """What stands before it."""

    def text(self, now_s: float) -> str:
        """Return how it is now, by a clock that only goes forward; called every ``REFRESH_S`` by another thread."""

    def summary(self, now_s: float) -> str:
        """Return what stays when it is over."""


class Surface(Protocol):
    """Where lines are shown."""

    def show(self, lines: Sequence[str]) -> None:
        """Show these in place of those before."""

    def keep(self, line: str) -> None:
        """Write a line that stays."""

    def close(self) -> None:
        """Show nothing any more."""


class TerminalDisplay:
    """Shows rows as long as there are any.

    On a terminal they are renewed in place, with what others print above them. If another process draws on the same
    terminal, or there is none, each row that has changed is a new line every ten seconds.

    Parameters
    ----------
    now_s
        A clock that only goes forward. People look in real time, whatever the clock of a pipeline says.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._lock = threading.RLock()
        self._rows: list[Row] = []
        self._host: Surface | None = None
        self._surface: Surface | None = None
        self._thread: threading.Thread | None = None
        self._is_over = threading.Event()

    def add(self, row: Row) -> None:
        """Show a row from now on.

        Raises
        ------
        MissingExtraError
            If there is a terminal and rich is not installed.
        """
        with self._lock:
            if self._surface is None:
                self._surface = self._host or _own_surface()
                self._is_over = threading.Event()
                self._thread = threading.Thread(
                    target=self._renew, args=(self._is_over,), name="terminal display", daemon=True
                )
                self._thread.start()
                atexit.register(self.close)  # a terminal without a cursor is no place to leave people in
            self._rows.append(row)

    def remove(self, row: Row) -> None:
        """Write how a row ended, and show it no longer; of no effect if it is not shown."""
        with self._lock:
            if row not in self._rows or self._surface is None:
                return
            summary = self._line(row, row.summary(self._now_s()))
            self._rows.remove(row)
            self._show()
            self._surface.keep(summary)
            if self._rows:
                return
            thread = self._taken_down()
        if thread is not None:
            thread.join()

    def close(self) -> None:
        """Show nothing any more, whatever rows there are."""
        with self._lock:
            thread = self._taken_down()
        if thread is not None:
            thread.join()

    @contextmanager
    def shown_by(self, host: Surface) -> Iterator[None]:
        """Let somebody who draws on the terminal anyway show the rows, too."""
        terminal = _claimed_terminal()  # so that other processes of this run do not draw over it
        self._host = host
        try:
            yield
        finally:
            self.close()
            self._host = None
            if terminal is not None:
                os.close(terminal)

    def _taken_down(self) -> threading.Thread | None:
        """End what is shown; return the thread that is still to end."""
        thread, surface = self._thread, self._surface
        self._thread = self._surface = None
        self._rows = []
        self._is_over.set()
        if surface is not None and surface is not self._host:
            surface.close()
        atexit.unregister(self.close)
        return thread

    def _renew(self, is_over: threading.Event) -> None:
        while not is_over.wait(REFRESH_S):
            with self._lock:
                if not is_over.is_set():
                    self._show()

    def _show(self) -> None:
        now_s = self._now_s()
        if self._surface is not None:
            self._surface.show([self._line(row, row.text(now_s)) for row in self._rows])

    def _line(self, row: Row, text: str) -> str:
        width = max(len(each.label) for each in self._rows)
        return f"{row.label:{width}}  {text}"


TERMINAL: Final = TerminalDisplay()
"""That of this process."""


class _Live:
    """A terminal, on which lines are renewed in place."""

    def __init__(self, terminal: int) -> None:
        with extra("cli"):
            from rich.console import Console
            from rich.live import Live

        self._terminal = terminal
        self._live: Any = Live(
            console=Console(stderr=True, highlight=False),
            transient=True,
            auto_refresh=False,
            redirect_stdout=sys.stdout.isatty(),  # what goes into a file or a pipe must stay there
        )
        self._live.start()

    def show(self, lines: Sequence[str]) -> None:
        from rich.text import Text

        self._live.update(Text("\n".join(lines), no_wrap=True, overflow="ellipsis"), refresh=True)

    def keep(self, line: str) -> None:
        self._live.console.print(line, markup=False)

    def close(self) -> None:
        self._live.stop()
        os.close(self._terminal)


class _Plain:
    """A file or a pipe, or a terminal on which others draw."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._next_s = now_s() + PLAIN_S
        self._said: set[str] = set()

    def show(self, lines: Sequence[str]) -> None:
        if self._now_s() < self._next_s:
            return
        self._next_s = self._now_s() + PLAIN_S
        for line in lines:
            if line not in self._said:
                self.keep(line)
        self._said = {*lines}

    def keep(self, line: str) -> None:
        with suppress(OSError, ValueError):  # nobody reads it: no reason to end a run
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    def close(self) -> None:
        """There is nothing to tidy up."""


def _own_surface() -> Surface:
    terminal = _claimed_terminal()
    return _Plain() if terminal is None else _Live(terminal)


def _claimed_terminal() -> int | None:
    """Return the terminal of standard error, locked as long as it is open; ``None`` if there is none to be had."""
    try:
        if sys.stderr is None or not sys.stderr.isatty():
            return None
        # A description of its own: what is inherited from a parent would share the parent's lock.
        terminal = os.open(os.ttyname(sys.stderr.fileno()), os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        fcntl.flock(terminal, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(terminal)
        return None
    return terminal
