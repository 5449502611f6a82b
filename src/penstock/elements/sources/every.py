"""A clock as a source: one item at every interval, or what a function returns then."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from penstock.elements import clock
from penstock.elements.pace import Pace, check_interval
from penstock.elements.shape import is_async_call
from penstock.elements.user_modules import find_object

__all__ = ["Every"]

_END: Final = object()


class Every:
    """Give one item at every interval: its number and the time, or what a function returns.

    Items come at the start and at whole intervals after it, however long what reads them takes. Who takes longer
    than an interval misses items: they are counted in ``missed``, leave a hole in the numbers, and never come in a
    burst.

    ::

        sources:
          pressure: {use: every, every_s: 10, call: "vacuum:read_gauges"}

    >>> async def first_two():
    ...     return [item["number"] async for item in Every(0.001, n=2)]
    >>> asyncio.run(first_two())
    [0, 1]

    Parameters
    ----------
    every_s
        The interval, in s.
    call
        ``module:function``, looked for beside the pipeline first, that is called without arguments at every interval.
        What it returns is the item; ``None`` is none. A coroutine function is awaited; any other has a thread of its
        own, so that it may wait for an instrument. It ends the source by ``StopIteration``. Without it, items are
        ``{"number": …, "timestamp_ns": …}``, the number counted from 0 and the time in nanoseconds UTC.
    n
        How many intervals; by default without an end.

    Raises
    ------
    ValueError
        If there is no interval.
    """

    folder: str = "."
    """Where ``call`` is looked for; given by whoever runs it."""

    def __init__(self, every_s: float, call: str | Callable[[], Any] = "", n: int | None = None) -> None:
        if not check_interval(every_s):
            raise ValueError("every_s is 0; write an interval in seconds")
        if n is not None and n < 0:
            raise ValueError(f"n is {n}; write how many items to give")
        if isinstance(call, str) and call and ":" not in call:
            raise ValueError(f'call is "{call}"; write module:function')
        self._every_s = every_s
        self._call = call
        self._n = n
        self.missed = 0
        """Intervals for which nothing was given because what reads them, or the function, took too long."""

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Wait for the intervals.

        Raises
        ------
        CheckError
            If there is no such function.
        """
        call = find_object(self._call, Path(self.folder)) if isinstance(self._call, str) and self._call else self._call
        pace, due = Pace(self._every_s), 0
        with _Caller(call) as caller:
            while self._n is None or due < self._n:
                number = await pace.beat()
                self.missed += number - due
                due = number + 1
                item = await caller.item() if call else {"number": number, "timestamp_ns": clock.utc_ns()}
                if item is _END:
                    return
                if item is not None:
                    yield item


class _Caller:
    """Calls a function, on a thread that is the same each time: many libraries of instruments want that."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._is_async = bool(call) and is_async_call(call)
        self._thread: ThreadPoolExecutor | None = None

    def __enter__(self) -> "_Caller":
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=False)  # a call that hangs must not hold up the end

    async def item(self) -> Any:
        if self._is_async:
            try:
                return await self._call()
            except (StopIteration, StopAsyncIteration):
                return _END
            except RuntimeError as error:
                if isinstance(error.__cause__, StopIteration):  # as Python turns it around in a coroutine
                    return _END
                raise
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="every")
        context = contextvars.copy_context()  # the clock
        return await asyncio.get_running_loop().run_in_executor(self._thread, context.run, self._now)

    def _now(self) -> Any:
        try:
            return self._call()
        except StopIteration:
            return _END
