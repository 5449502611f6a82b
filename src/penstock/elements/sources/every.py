"""A clock as a source: one item at every interval, or what a function returns then."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

from penstock.elements import clock
from penstock.elements.own_thread import OwnThread
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

    >>> import asyncio
    >>> async def first_two():
    ...     return [item["number"] async for item in Every(0.02, n=2)]
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
    """Calls a function, if there is one, in the way it wants to be called."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._is_async = bool(call) and is_async_call(call)
        self._thread = OwnThread("every")

    def __enter__(self) -> "_Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.close()

    async def item(self) -> Any:
        if not self._is_async:
            return await self._thread.call(self._now)
        try:
            return await self._call()
        except StopAsyncIteration:
            return _END
        except RuntimeError as error:
            if isinstance(error.__cause__, StopIteration):  # as Python turns it around in a coroutine
                return _END
            raise

    def _now(self) -> Any:
        try:
            return self._call()
        except StopIteration:  # no future can hold it
            return _END
