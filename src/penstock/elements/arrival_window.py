"""Windows of the time at which items come: given when their time is over, though nothing comes. A buffer."""

import asyncio
from collections import deque
from math import isfinite
from typing import Any, Final

__all__ = ["ArrivalWindow"]

_AHEAD: Final = 2
"""How many windows may be over and not fetched until `put` waits."""


class ArrivalWindow:
    """Give lists of the items that came in each window.

    Windows begin one after the other from the moment at which the buffer is used first, and are given when they are
    over, empty ones too. At the end, what was in no window yet is given in a last one, which is shorter.

    Its time is that of the event loop that it is used in. While windows that are over are not fetched, `put` waits;
    those of that time in which nothing new came are passed over, so that whoever fetches slowly is not behind for ever.

    Parameters
    ----------
    every_s
        How far apart windows end.
    length_s
        How long one is; by default ``every_s``, so that each item is in one window.
    rest
        Whether there is a last one that is shorter.
    empty
        Whether windows without items are given.

    Raises
    ------
    ValueError
        If a length is not above 0, or windows would leave something out.
    """

    def __init__(self, every_s: float, length_s: float | None = None, *, rest: bool = True, empty: bool = True) -> None:
        length_s = every_s if length_s is None else length_s
        if not (isfinite(every_s) and isfinite(length_s) and every_s > 0):
            raise ValueError(f"every_s is {every_s} and length_s {length_s}; write seconds above 0, such as every_s: 1")
        if length_s < every_s:
            raise ValueError(f"length_s: {length_s} with every_s: {every_s} would leave something out; swap them")
        self._every_s = every_s
        self._length_s = length_s
        self._rest = rest
        self._empty = empty
        self._held: deque[tuple[float, Any]] = deque()
        """When each came, and what."""
        self._begin_s: float | None = None
        self._full_s = 0.0
        """From when on too many windows are over."""
        self._given = 0
        """How many windows are over and done with."""
        self._has_ended = False
        self._changed = asyncio.Event()
        """Set when it ends, or a window was fetched."""

    async def put(self, item: Any) -> None:
        """Take an item that comes now; wait while nobody fetches the windows."""
        now_s = self._now_s()
        while now_s >= self._full_s and not self._has_ended:
            self._changed.clear()
            await self._changed.wait()
            now_s = self._now_s()
        self._held.append((now_s, item))

    async def get(self) -> list[Any]:
        """Wait until a window is over and return what came in it.

        Raises
        ------
        StopAsyncIteration
            If nothing will come any more.
        """
        while True:
            while self._now_s() < self._end_s():
                if self._has_ended:
                    return self._last()
                await self._changes_before(self._end_s())
            if self._has_ended and not self._is_fresh():
                raise StopAsyncIteration
            self._pass_over()
            window = self._cut()
            if window or self._empty:
                return window

    async def end(self) -> None:
        """Take no more."""
        self._has_ended = True
        self._changed.set()

    def _now_s(self) -> float:
        if self._begin_s is None:
            self._time = asyncio.get_running_loop().time
            self._begin_s = self._time()
            self._full_s = self._end_s(_AHEAD)
        return self._time()

    def _end_s(self, ahead: int = 0) -> float:
        """Return when the window is over that is given next, or one of those behind it."""
        assert self._begin_s is not None, "it is looked at after the time"
        return self._begin_s + (self._given + 1 + ahead) * self._every_s

    def _is_fresh(self) -> bool:
        """Whether something is held that was in no window yet."""
        return bool(self._held) and (not self._given or self._held[-1][0] >= self._end_s(-1))

    def _pass_over(self) -> None:
        """Go to the first window with something new, or else to the last one that is over."""
        assert self._begin_s is not None, "it is looked at after the time"
        last_s = self._now_s() - self._every_s
        since_s = min(next((came_s for came_s, _ in self._held if came_s >= self._end_s(-1)), last_s), last_s)
        wanted = int((since_s - self._begin_s) / self._every_s)
        while wanted > self._given and self._begin_s + wanted * self._every_s > since_s:
            wanted -= 1  # where the division was rounded up
        self._given = max(self._given, wanted)

    async def _changes_before(self, time_s: float) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout_at(time_s):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _cut(self) -> list[Any]:
        end_s = self._end_s()
        self._let_go(end_s - self._length_s)
        window = [item for came_s, item in self._held if came_s < end_s]
        self._given += 1
        self._full_s = self._end_s(_AHEAD)
        self._let_go(self._end_s() - self._length_s)
        self._changed.set()
        return window

    def _let_go(self, begin_s: float) -> None:
        while self._held and self._held[0][0] < begin_s:
            self._held.popleft()

    def _last(self) -> list[Any]:
        window = [item for _, item in self._held] if self._rest and self._is_fresh() else []
        self._held.clear()
        if not window:
            raise StopAsyncIteration
        return window
