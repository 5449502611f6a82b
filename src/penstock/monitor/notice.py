"""``penstock.notice``: raise a line for the people who look after a pipeline, from any of its code.

It never waits and never raises for what it says; where too much is said, the rest is counted. Where nothing runs, as in
a test of a function, the line goes to Python's own ``logging``.
"""

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Final

from penstock.core.feedback import Said
from penstock.core.notice import Level, Notice, cut, level_of, plain_values
from penstock.core.notice_limit import NoticeLimit

__all__ = ["Outlet", "close_outlet", "notice", "open_outlet", "outlets_here", "use_outlet", "worker_here"]

MOST_WAITING: Final = 1_000
"""Notices that wait to be taken."""
FLUSH_S: Final = 1.0
"""So long what came again and again is held, before how often it did is said."""
_PYTHON_LEVELS: Final = {Level.LOG: logging.DEBUG, Level.INFO: logging.INFO, Level.ALARM: logging.ERROR}
_THREADS: Final = "penstock "
"""How the names of a run's own threads begin; behind it stands who works there."""


def notice(text: str, *, level: str = "info", code: int = 0, source: str = "", **values: Any) -> None:
    """Say something to the people who look after this pipeline; it shows in ``penstock top`` and is kept in its logs.

    From any source, step, worker, reducer or sink, in any thread, task or process. It never waits. The same text is
    said five times and then once a second, with how often it came; beyond a hundred a second of one level, notices are
    counted and not kept.

    Parameters
    ----------
    text
        One line. What changes from one to the next belongs in ``values``: equal texts are counted together.
    level
        ``log``, ``info`` or ``alarm``.
    code
        A number of your own, for machines.
    source
        Who says it; by default the worker, or the stage, source or sink.
    **values
        Numbers, booleans and texts; all else is written as text.

    Raises
    ------
    ValueError
        If there is no such level.

    Examples
    --------
    >>> notice("pedestal drifts", level="alarm", code=17, pixel=1203, counts=812.5)  # doctest: +SKIP
    """
    found = level if type(level) is Level else level_of(level)
    outlets = outlets_here()
    if not outlets:
        shown = f"{text} {values}" if values else text
        logging.getLogger("penstock").log(_PYTHON_LEVELS[found], "%s", shown)
        return
    said = Notice(
        text=cut(str(text)), level=found, source=source or outlets[0].source or worker_here(), code=code,
        time_ns=outlets[0].utc(), values=plain_values(values) if values else {},
    )  # fmt: skip
    for outlet in outlets:
        outlet.put(said)


class Outlet:
    """Where notices and feedback of one run, or of one process, leave; from any thread.

    Parameters
    ----------
    source
        Who raises them, if that is known for all of them.
    send
        Called with what is let through; returns whether there was room. Without it, notices wait here for ``take``.
    tell_lost
        Called with how many of a source were not kept, where ``send`` is given; returns whether there was room.
    utc
        Nanoseconds since 1970 UTC.
    send_feedback
        Called with feedback, which is never left out; waits for room, or raises. Without it, that waits here for
        ``take_feedback``.
    """

    def __init__(
        self,
        source: str = "",
        send: Callable[[Notice], bool] | None = None,
        tell_lost: Callable[[str, int], bool] | None = None,
        utc: Callable[[], int] = time.time_ns,
        send_feedback: Callable[[Said], None] | None = None,
    ) -> None:
        self.source = source
        self.utc = utc
        self.on_feedback: Callable[[], None] = lambda: None
        """Called, in whatever thread, when feedback waits to be taken."""
        self._send_feedback = send_feedback
        self._feedback: deque[Said] = deque()
        self._send = send
        self._tell_lost = tell_lost
        self._limit = NoticeLimit()
        self._waiting: deque[Notice] = deque()
        self._lock = threading.RLock()  # again by one thread: a signal's handler may raise one
        self._is_flushing = False

    def put(self, said: Notice) -> None:
        """Let a notice out, or count it."""
        with self._lock:
            if self._limit.lets(said, time.monotonic_ns()):
                self._let_out(said)
            if self._limit.holds:
                self._flush_soon()

    def put_feedback(self, said: Said) -> None:
        """Let feedback out."""
        if self._send_feedback is not None:
            self._send_feedback(said)
            return
        self._feedback.append(said)
        self.on_feedback()

    def take_feedback(self) -> list[Said]:
        """Return the feedback that waits, in order."""
        return [self._feedback.popleft() for _ in range(len(self._feedback))]

    def take(self) -> tuple[list[Notice], dict[str, int]]:
        """Return what waits, and how many of each source were not kept."""
        if not self._waiting and not self._is_flushing:  # nothing to say, nearly always
            return [], {}
        with self._lock:
            taken = list(self._waiting)
            self._waiting.clear()
            return taken, self._limit.take_lost()

    def flush(self, *, all_of_it: bool = False) -> None:
        """Say what was held back for long enough, or all of it."""
        with self._lock:
            for said in self._limit.due(time.monotonic_ns(), all_of_it=all_of_it):
                self._let_out(said)
            if self._tell_lost is not None:
                for source, count in self._limit.take_lost().items():
                    if not self._tell_lost(source, count):
                        self._limit.lose(source, count)

    def _let_out(self, said: Notice) -> None:
        if self._send is not None:
            if not self._send(said):
                self._limit.lose(said.source, said.times)
        elif len(self._waiting) < MOST_WAITING:
            self._waiting.append(said)
        else:
            self._limit.lose(said.source, said.times)

    def _flush_soon(self) -> None:
        """Have a thread look after what is held: whoever raised it may never raise anything again."""
        if self._is_flushing:
            return
        self._is_flushing = True
        timer = threading.Timer(FLUSH_S, self._flush_later)
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:  # no thread can be had, or the program ends
            self._is_flushing = False

    def _flush_later(self) -> None:
        with self._lock:
            self._is_flushing = False
            self.flush()
            if self._limit.holds:
                self._flush_soon()

    def after_fork(self) -> None:
        """Forget the lock of a process that has been copied: who held it is not here."""
        self._lock = threading.RLock()
        self._is_flushing = False


_here: ContextVar[tuple[Outlet, ...]] = ContextVar("outlets", default=())
_open: list[Outlet] = []
"""Of runs that go on in this process: where notices go from threads that user code has started itself."""


@contextmanager
def use_outlet(outlet: Outlet) -> Iterator[None]:
    """Let notices raised in this thread or task, and in those started from it, leave by this outlet."""
    token = _here.set((outlet,))
    try:
        yield
    finally:
        _here.reset(token)


def open_outlet(outlet: Outlet) -> None:
    """Let notices leave by this outlet that are raised where no other is in use, until it is closed."""
    _open.append(outlet)


def close_outlet(outlet: Outlet) -> None:
    """Let no more notices out by it; nothing if it is closed."""
    with suppress(ValueError):
        _open.remove(outlet)


def outlets_here() -> tuple[Outlet, ...]:
    """Return where what is said in this thread or task leaves; nowhere if nothing runs."""
    return _here.get() or tuple(_open)


def worker_here() -> str:
    """Return who works in this thread or task, as far as its name says."""
    name = threading.current_thread().name
    if not name.startswith(_THREADS):
        return ""
    name = name.removeprefix(_THREADS)
    asyncio = sys.modules.get("asyncio")  # who has not imported it has no tasks
    if name == "loop" and asyncio is not None:
        with suppress(RuntimeError):
            task = asyncio.current_task()
            return "" if task is None or task.get_name().startswith("Task-") else str(task.get_name())
    return "" if name == "loop" or name.startswith("run ") else name


def _after_fork() -> None:
    for outlet in _open:
        outlet.after_fork()


os.register_at_fork(after_in_child=_after_fork)
