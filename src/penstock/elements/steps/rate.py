"""Turn items into their rate."""

import asyncio
from contextlib import suppress
from math import inf
from typing import Annotated, Any

from penstock.elements.item_field import field_of, number_of
from penstock.elements.item_time import interval_ns
from penstock.extra import extra

with extra("run"):
    from annotated_types import Gt

__all__ = ["Rate"]


class Rate:
    """Give at every interval how many items came a second, or how much of a field; a buffer that takes any number.

    The rate is that of the time since the last one was fetched, which is longer than the interval if whoever fetches is
    slow. It is given though nothing came: then it is 0. What is left at the end is not given, because the rate over a
    few milliseconds says nothing.

    >>> from penstock.testing import run_virtually
    >>> async def six_in_two_seconds():
    ...     rate = Rate(every_s=2)
    ...     for item in range(6):
    ...         await rate.put(item)
    ...     return await rate.get()
    >>> run_virtually(six_in_two_seconds())
    3.0

    Parameters
    ----------
    every_s
        How long an interval is.
    field
        Of which the sum per second is given, such as ``counts``; left out, items are counted.

    Raises
    ------
    ValueError
        If ``every_s`` is not above 0.
    """

    def __init__(self, every_s: Annotated[float, Gt(0)] = 1.0, field: str = "") -> None:
        interval_ns("every_s", every_s)
        self._every_s = every_s
        self._field = field
        self._sum = 0.0
        self._begin_s: float | None = None
        self._last_s = 0.0
        """Until when rates were given."""
        self._ended = asyncio.Event()
        self._ended_s = inf

    async def put(self, item: Any) -> None:
        """Count an item."""
        if self._begin_s is None:
            self._begin()
        self._sum += number_of(field_of(item, self._field), self._field) if self._field else 1

    async def get(self) -> float:
        """Wait until an interval is over and return the rate in it, per second.

        Raises
        ------
        StopAsyncIteration
            If nothing will come any more.
        """
        begin_s, loop = self._begin(), asyncio.get_running_loop()
        due_s = begin_s + ((self._last_s - begin_s) // self._every_s + 1) * self._every_s
        while loop.time() < due_s and not self._ended.is_set():  # timers may be a little early
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due_s):
                    await self._ended.wait()
        now_s = min(loop.time(), self._ended_s)
        if now_s < due_s:
            raise StopAsyncIteration
        rate = self._sum / (now_s - self._last_s)
        self._sum, self._last_s = 0.0, now_s
        return rate

    async def end(self) -> None:
        """Take no more."""
        self._ended_s = asyncio.get_running_loop().time()
        self._ended.set()

    def _begin(self) -> float:
        if self._begin_s is None:
            self._begin_s = self._last_s = asyncio.get_running_loop().time()
        return self._begin_s
