"""Time that passes only while nobody works: an hour of a pipeline of chains in milliseconds, the same each time.

It is for what waits by the clock: sources that keep a pace, windows, throttles. It waits for nothing outside of the
process: a socket may be read from and written to, but nobody sleeps until something comes.
"""

import asyncio
import heapq
import selectors
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import Context
from itertools import count
from math import ceil
from typing import Any, TypeVar, TypeVarTuple

from penstock.core.timestamp import NS_PER_S
from penstock.elements import clock

__all__ = ["VirtualTime"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _Turn:
    """One thread of a run; it works when it is its turn."""

    __slots__ = ("gate", "is_waiting", "waits")

    def __init__(self) -> None:
        self.gate = threading.Semaphore(0)
        self.is_waiting = False
        self.waits = 0
        """How often it has waited, so that what was due for an earlier time is known as such."""


class VirtualTime:
    """The clock of one run of the engine ``chains``, and the order in which its threads work.

    One thread works at a time; when it waits, or sleeps by `penstock.elements.clock`, it is the next one's turn, in the
    order in which they were woken. When all wait, time jumps to whatever is due first. So a run does the same each
    time, however many threads it has. The event loop of what is asynchronous is one of them.

    Trap: code that waits otherwise, by ``time.sleep``, a lock or a socket, holds everybody up meanwhile.

    Parameters
    ----------
    for_s
        When nothing more is read, as if somebody had stopped the run; a source that sleeps in a thread then wakes and
        gives one item more. ``None``: the run ends when its sources do.
    begin_ns
        What time it is at the beginning, in ns UTC.

    Examples
    --------
    >>> from penstock.pipeline import Pipeline, Source, Steps
    >>> def seconds():
    ...     while True:
    ...         clock.sleep(1)
    ...         yield clock.monotonic_s()
    >>> pipeline = Pipeline(sources={"s": Source(seconds)}, stages={"count": Steps("count", source="s")})
    >>> report = pipeline.run("chains", clock=VirtualTime(for_s=3600))
    >>> report.edge("s", "count").arrived, report.reasons
    (3601, ['the time of the run is over'])
    """

    is_virtual = True

    def __init__(self, *, for_s: float | None = None, begin_ns: int = 0) -> None:
        self.for_s = for_s
        self._begin_ns = begin_ns
        self._now_ns = 0
        self._until_ns = None if for_s is None else round(for_s * NS_PER_S)
        self._lock = threading.RLock()
        self._mine = threading.local()
        self._ready: deque[_Turn] = deque()
        self._due: list[tuple[int, int, int, _Turn]] = []
        """(ns, in which order it was said, which of its waits, whose)"""
        self._order = count()
        self._running: _Turn | None = None
        self._open = 0
        self._has_begun = self._is_passing_on = False
        self._stop_reading: Callable[[], None] = lambda: None
        self._tell: Callable[[], None] = lambda: None
        self.is_over = False
        """Whether the time that the run was to have has passed."""

    # A clock

    def utc_ns(self) -> int:
        """Return nanoseconds since 1970 UTC."""
        return self._begin_ns + self._now_ns

    def monotonic_ns(self) -> int:
        """Return how many nanoseconds have passed."""
        return self._now_ns

    def sleep(self, s: float) -> None:
        """Return when so many seconds have passed.

        Raises
        ------
        RuntimeError
            In a thread that is none of the run's: nobody would know that it sleeps.
        """
        turn = self._turn()
        if turn is None:
            raise RuntimeError("only code that the pipeline calls in its own threads can sleep in virtual time")
        with self._lock:
            self._wait(turn, s)
        turn.gate.acquire()

    # What strands live on

    @property
    def is_stuck(self) -> bool:
        """Whether everybody waits for somebody else, and nothing is due."""
        with self._lock:
            return self._has_begun and self._open > 0 and self._running is None and not self._ready

    def event(self) -> threading.Event:
        """Make something that a thread is woken by."""
        return _Event(self)

    def loop(self) -> asyncio.AbstractEventLoop:
        """Make an event loop that has this time."""
        return _Loop(self)

    def thread(self, name: str, call: Callable[[], Any]) -> threading.Thread:
        """Start a thread, which works when it is its turn."""
        turn = _Turn()

        def live() -> None:
            turn.gate.acquire()
            self._mine.turn = turn
            try:
                with clock.use(self):
                    call()
            finally:
                with self._lock:
                    self._open -= 1
                    self._pass_on()

        thread = threading.Thread(target=live, name=name, daemon=True)
        with self._lock:
            self._open += 1
            self._ready.append(turn)
            thread.start()
            self._go_on()
        return thread

    def begin(self, stop_reading: Callable[[], None], tell: Callable[[], None]) -> None:
        """Let the first thread work.

        Raises
        ------
        RuntimeError
            If another run has had this time.
        """
        if self._has_begun:
            raise RuntimeError("a VirtualTime is for one run; make another one")
        with self._lock:
            self._stop_reading, self._tell = stop_reading, tell
            self._has_begun = True
            self._go_on()

    # Turns; all with the lock held

    def _turn(self) -> _Turn | None:
        found: _Turn | None = getattr(self._mine, "turn", None)
        return found

    def _wait(self, turn: _Turn, longest_s: float | None) -> None:
        """Let a thread wait; its gate opens when it has been woken and it is its turn."""
        turn.is_waiting = True
        turn.waits += 1
        if longest_s is not None:
            due = self._now_ns + max(0, ceil(longest_s * NS_PER_S))
            heapq.heappush(self._due, (due, next(self._order), turn.waits, turn))
        self._pass_on()

    def _wake(self, turn: _Turn) -> None:
        if turn.is_waiting:
            turn.is_waiting = False
            self._ready.append(turn)

    def _give_way(self, turn: _Turn) -> bool:
        """Let others work first who could, if there are any; the gate opens when it is this one's turn again."""
        if not self._ready:
            return False
        self._ready.append(turn)
        self._pass_on()
        return True

    def _go_on(self) -> None:
        """Let somebody work, if nobody does."""
        if self._running is None and not self._is_passing_on:
            self._pass_on()

    def _pass_on(self) -> None:
        """Let the next one work; if all wait, it is the time for what is due first."""
        self._running = None
        if not self._has_begun:
            return
        self._is_passing_on = True
        try:
            while not self._ready and self._jump():
                pass
        finally:
            self._is_passing_on = False
        if self._ready:
            self._running = self._ready.popleft()
            self._running.gate.release()
        elif self._open:
            self._tell()

    def _jump(self) -> bool:
        """Let time pass until somebody is woken; return whether there is anything to wait for."""
        while self._due and self._is_past(self._due[0]):
            heapq.heappop(self._due)
        until = self._until_ns
        if until is not None and not self.is_over and self._open and (not self._due or self._due[0][0] > until):
            self._now_ns, self.is_over = until, True
            self._stop_reading()
            self._tell()
            return True
        if not self._due:
            return False
        now, _, _, turn = heapq.heappop(self._due)
        self._now_ns = max(self._now_ns, now)
        self._wake(turn)
        return True

    @staticmethod
    def _is_past(due: tuple[int, int, int, _Turn]) -> bool:
        _, _, waits, turn = due
        return not turn.is_waiting or turn.waits != waits


class _Event(threading.Event):
    """An event by which threads in virtual time are woken; others may set it and wait for it too."""

    def __init__(self, time: VirtualTime) -> None:
        super().__init__()
        self._time = time
        self._waiters: list[_Turn] = []

    def set(self) -> None:
        """Wake who waits."""
        with self._time._lock:
            super().set()
            for turn in self._waiters:
                self._time._wake(turn)
            self._waiters.clear()
            self._time._go_on()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, or so many seconds."""
        time = self._time
        turn = time._turn()
        if turn is None:
            return super().wait(timeout)
        with time._lock:
            if self.is_set():
                return True
            self._waiters.append(turn)
            time._wait(turn, timeout)
        turn.gate.acquire()
        with time._lock:
            if turn in self._waiters:
                self._waiters.remove(turn)
        return self.is_set()


class _Selector(selectors.DefaultSelector):
    """Lets others work while its loop has nothing to do."""

    def __init__(self, time: VirtualTime) -> None:
        super().__init__()
        self._time = time
        self.event = time.event()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.event.clear()
        found: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if found:
            return found
        if timeout is None or timeout > 0:
            self.event.wait(timeout)
        else:
            self._give_way()
        return super().select(0)

    def _give_way(self) -> None:
        turn = self._time._turn()
        if turn is None:
            return
        with self._time._lock:
            has_given_way = self._time._give_way(turn)
        if has_given_way:
            turn.gate.acquire()


class _Loop(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self, time: VirtualTime) -> None:
        self._virtual = time
        selector = _Selector(time)
        self._event = selector.event
        super().__init__(selector)

    def time(self) -> float:
        """Return how many seconds have passed."""
        return self._virtual.monotonic_ns() / NS_PER_S

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Have something called; see the base."""
        handle = super().call_soon_threadsafe(callback, *args, context=context)
        self._event.set()
        return handle

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> "asyncio.Future[T]":
        """Run a function in a thread that has its turns; other executors do not know of this time."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        future: Future[T] = Future()

        def live() -> None:
            try:
                future.set_result(func(*args))
            except BaseException as error:  # noqa: BLE001 - whoever awaits it raises it
                future.set_exception(error)

        self._virtual.thread("penstock executor", live)
        return asyncio.wrap_future(future, loop=self)
