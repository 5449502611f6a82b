"""What time it is, for user code and built-in elements: the machine's, unless whoever runs them says otherwise.

Elements never ask the operating system themselves, so that a test can let an hour pass in milliseconds.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from penstock.core.timestamp import NS_PER_S

__all__ = ["Clock", "SystemClock", "monotonic_ns", "monotonic_s", "sleep", "use", "utc_ns"]


class Clock(Protocol):
    """Says what time it is, and waits."""

    def utc_ns(self) -> int:
        """Return nanoseconds since 1970 UTC; may jump when the machine's clock is set."""

    def monotonic_ns(self) -> int:
        """Return nanoseconds since some moment; never goes back."""

    def sleep(self, s: float) -> None:
        """Return when so many seconds have passed."""


class SystemClock:
    """The machine's clocks."""

    @staticmethod
    def utc_ns() -> int:
        """Return nanoseconds since 1970 UTC."""
        return time.time_ns()

    @staticmethod
    def monotonic_ns() -> int:
        """Return nanoseconds since the machine started."""
        return time.monotonic_ns()

    @staticmethod
    def sleep(s: float) -> None:
        """Wait in this thread."""
        time.sleep(s)


_clock: ContextVar[Clock] = ContextVar("clock", default=SystemClock())  # noqa: B039 - it has no state


def utc_ns() -> int:
    """Return nanoseconds since 1970 UTC."""
    return _clock.get().utc_ns()


def monotonic_ns() -> int:
    """Return nanoseconds since some moment; for differences that must be exact."""
    return _clock.get().monotonic_ns()


def monotonic_s() -> float:
    """Return seconds since some moment; for differences."""
    return _clock.get().monotonic_ns() / NS_PER_S


def sleep(s: float) -> None:
    """Wait, in a step or source that is no coroutine; coroutines use ``asyncio.sleep``."""
    if s > 0:
        _clock.get().sleep(s)


@contextmanager
def use(clock: Clock) -> Iterator[None]:
    """Let another clock hold in this thread or task, and in tasks that are started from it.

    >>> from penstock.testing import ManualClock
    >>> clock = ManualClock(5)
    >>> with use(clock):
    ...     sleep(1); utc_ns()
    1000000005
    """
    token = _clock.set(clock)
    try:
        yield
    finally:
        _clock.reset(token)
