"""Somebody presses Ctrl-C: once to be heard, twice to end at once; what Python swallows meanwhile is not printed."""

import signal
from typing import Any

import pytest

from penstock.services.interrupt import Interrupt


class Raises:
    """Raises while it is cleaned up."""

    def __init__(self, error: type[BaseException]) -> None:
        self._error = error

    def __del__(self) -> None:
        raise self._error("while cleaning up")


def test_the_first_is_heard_and_the_second_ends_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupt() as interrupt:
        heard = [interrupt.is_asked]
        signal.raise_signal(signal.SIGINT)
        heard.append(interrupt.is_asked)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert heard == [False, True]
    assert signal.getsignal(signal.SIGINT) is before


def test_nothing_cuts_off_what_is_said_at_the_end() -> None:
    with Interrupt() as interrupt:
        interrupt.hear_no_more()
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
    assert not interrupt.is_asked


def test_only_an_interrupt_that_was_swallowed_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", lambda raised: printed.append(raised.exc_type))
    with Interrupt():
        Raises(KeyboardInterrupt)
        Raises(ValueError)
    assert printed == [ValueError]
    Raises(KeyboardInterrupt)
    assert printed == [ValueError, KeyboardInterrupt]
