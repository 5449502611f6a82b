"""Somebody presses Ctrl-C: once to end in good order, twice to end at once."""

import os
import signal
import sys
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

__all__ = ["HEARING_S", "Interrupt"]

HEARING_S: Final = 0.5
"""How long the main thread may wait for user code before it looks up. A signal that comes in the instant in which a
wait for a lock begins does not end it, nor does one that the system gives to another thread; Python hears of it when
the wait is over."""


class Interrupt:
    """While this is entered, SIGINT and SIGTERM ask for an end; a second one raises ``KeyboardInterrupt``.

    Only the main thread of a process can be asked.

    Parameters
    ----------
    answer
        Written to standard error the first time, so that whoever asks knows that they were heard.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, answer: str = "") -> None:
        self._answer = answer.encode()
        self.is_asked = False
        self._before: dict[signal.Signals, Any] = {}
        self._reader, self._writer = -1, -1
        self._hook = sys.unraisablehook
        self._is_deaf = False

    @property
    def pollable(self) -> int:
        """A file descriptor that becomes readable when somebody asks."""
        return self._reader

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before = {number: signal.signal(number, self._ask) for number in self.SIGNALS}
        self._hook, sys.unraisablehook = sys.unraisablehook, self._hide
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.unraisablehook = self._hook
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._reader)
        os.close(self._writer)

    def hear_no_more(self) -> None:
        """Let nothing cut off what follows, until this is left; a wish that has come already may be raised here."""
        self._is_deaf = True

    def _hide(self, raised: Any) -> None:  # what Python gives this hook
        """Print nothing of a ``KeyboardInterrupt`` that came while Python cleaned up, and was swallowed there."""
        if raised.exc_type is not KeyboardInterrupt:
            self._hook(raised)

    def _ask(self, *_: object) -> None:
        if self._is_deaf:
            return
        if self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True
        os.write(self._writer, b"!")
        with suppress(OSError):  # nobody reads it
            os.write(2, self._answer)  # a handler must not use a stream that it may have interrupted
