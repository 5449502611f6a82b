"""Gather items into lists."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

from penstock.elements.count_window import CountWindow
from penstock.elements.item_time import interval_ns
from penstock.extra import extra

with extra("run"):
    from annotated_types import Ge, Gt

__all__ = ["BatchBuffer", "batch"]


def batch(
    n: Annotated[int | None, Ge(1)] = None, wait_s: Annotated[float | None, Gt(0)] = None
) -> "CountWindow | BatchBuffer":
    """Gather items into lists of so many, and let none wait longer than is said.

    Each item is in one list. With ``wait_s`` a list that is not full is given when its first item has waited so long;
    without, only when it is full, or at the end.

    >>> list(batch(2)("abc"))
    [['a', 'b'], ['c']]

    Parameters
    ----------
    n
        How many items a list has at most.
    wait_s
        How long the first item of a list waits for the others.

    Raises
    ------
    ValueError
        If there is no ``n``, or one of them is not above 0.
    """
    if n is None:
        raise ValueError("batch needs a number of items; write n: 100")
    return CountWindow(n) if wait_s is None else BatchBuffer(n, wait_s)


class BatchBuffer:
    """Give lists of ``n`` items, or of fewer when the first of them came ``wait_s`` ago. A buffer.

    Its time is that of the event loop that it is used in. It holds 2 ``n`` items; while they are not fetched, `put`
    waits.
    """

    def __init__(self, n: int, wait_s: float) -> None:
        if n < 1:
            raise ValueError(f"n is {n}; write 1 or more")
        interval_ns("wait_s", wait_s)
        self._n = n
        self._wait_s = wait_s
        self._held: deque[tuple[float, Any]] = deque()
        """When each came, and what."""
        self._time: Callable[[], float] | None = None
        self._has_ended = False
        self._came = asyncio.Event()
        """Set when there may be something to give."""
        self._taken = asyncio.Event()
        """Set when there is room."""

    async def put(self, item: Any) -> None:
        """Take an item; wait while there is no room."""
        while len(self._held) >= 2 * self._n:
            self._taken.clear()
            await self._taken.wait()
        if self._time is None:
            self._time = asyncio.get_running_loop().time
        self._held.append((self._time(), item))
        if len(self._held) in (1, self._n):
            self._came.set()

    async def get(self) -> list[Any]:
        """Wait until a list is full, or has waited long enough, and return it.

        Raises
        ------
        StopAsyncIteration
            If nothing will come any more.
        """
        while not self._is_due():
            if self._has_ended:
                raise StopAsyncIteration
            self._came.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._held[0][0] + self._wait_s if self._held else None):
                    await self._came.wait()
        self._taken.set()
        return [self._held.popleft()[1] for _ in range(min(self._n, len(self._held)))]

    async def end(self) -> None:
        """Take no more."""
        self._has_ended = True
        self._came.set()

    def _is_due(self) -> bool:
        if not self._held or self._time is None:
            return False
        if self._has_ended or len(self._held) >= self._n:
            return True
        return self._time() >= self._held[0][0] + self._wait_s
