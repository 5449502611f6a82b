"""An event loop whose time jumps to the next timer when nothing else is to be done: an hour passes in milliseconds.

It is for what waits by timers, such as windows. It does not make sockets or other processes quicker: to them it is a
loop that never waits.
"""

import asyncio
import selectors
from asyncio.futures import Future
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from math import ulp
from typing import Any, TypeVar, TypeVarTuple

from penstock.core.timestamp import NS_PER_S
from penstock.elements import clock

__all__ = ["VirtualLoop", "run_virtually"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_YEAR_S = 366 * 86_400.0


class _NeverWaiting(selectors.DefaultSelector):
    """Tells the loop what is ready, and how long it would have waited otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.working = 0
        """Calls that run in threads, whose end is waited for in earnest."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.working and timeout != 0:
            timeout = None
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0 if timeout is not None else None)
        if not ready and timeout is not None and timeout > 0:
            self.now_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits for a timer; its time begins at 0 and passes only while all tasks wait.

    It is a clock too, see `penstock.elements.clock.use`. What is run in a thread by ``run_in_executor`` is waited for
    while time stands still. A loop in which everybody waits for each other, without a timer, stands still as any does;
    `run_virtually` says so.

    >>> loop = VirtualLoop()
    >>> loop.run_until_complete(asyncio.sleep(3600, "an hour later"))
    'an hour later'
    >>> loop.time()
    3600.0
    >>> loop.close()

    Parameters
    ----------
    begin_ns
        What time it is at its beginning, in ns UTC.
    """

    def __init__(self, begin_ns: int = 0) -> None:
        self._waiting = _NeverWaiting()
        self._begin_ns = begin_ns
        super().__init__(self._waiting)

    @property
    def _clock_resolution(self) -> float:
        """By how much timers may be early: not at all, or who waits until a time would wait for ever."""
        return ulp(self._waiting.now_s)

    @_clock_resolution.setter
    def _clock_resolution(self, _: float) -> None:
        """Let the base class set that of the machine's clock, which is not ours."""

    def time(self) -> float:
        """Return how many seconds have passed."""
        return self._waiting.now_s

    def utc_ns(self) -> int:
        """Return the time, in ns UTC."""
        return self._begin_ns + self.monotonic_ns()

    def monotonic_ns(self) -> int:
        """Return how many nanoseconds have passed."""
        return round(self._waiting.now_s * NS_PER_S)

    def sleep(self, s: float) -> None:
        """Let time pass, for whoever waits without awaiting; it is late for timers in between, as it would be."""
        self._waiting.now_s += max(0.0, s)

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> "Future[T]":
        """Run a function in a thread; see the base."""
        future = super().run_in_executor(executor, func, *args)
        self._waiting.working += 1
        future.add_done_callback(self._is_done)
        return future

    def _is_done(self, _: object) -> None:
        self._waiting.working -= 1


def run_virtually(main: Coroutine[Any, Any, T], *, begin_ns: int = 0, within_s: float = _YEAR_S) -> T:
    """Run a coroutine in a loop whose time is virtual, and return what it returns.

    The loop is the clock of everything in it: `penstock.elements.clock` says the same time.

    >>> async def nap():
    ...     await asyncio.sleep(0.5)
    ...     return clock.utc_ns()
    >>> run_virtually(nap(), begin_ns=1_000)
    500001000

    Parameters
    ----------
    main
        What is run. When it is done, other tasks are cancelled.
    begin_ns
        What time it is at the beginning, in ns UTC.
    within_s
        After how much time it is given up. A deadlock is found at once so: time jumps there.

    Raises
    ------
    TimeoutError
        If it is not done by then.
    """
    loop = VirtualLoop(begin_ns)
    with clock.use(loop), asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(_limited(main, within_s))


async def _limited(main: Coroutine[Any, Any, T], within_s: float) -> T:
    limit = asyncio.timeout(within_s)
    try:
        async with limit:
            return await main
    except TimeoutError:
        if not limit.expired():
            raise
        text = f"not done after {within_s} s of virtual time; what it waits for may never come"
        raise TimeoutError(text) from None
