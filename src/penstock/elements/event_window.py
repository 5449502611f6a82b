"""Windows of the time that items say they happened: the same whenever and however fast they come. It reads no clock."""

import logging
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from math import inf
from typing import Any, Final

from penstock.core.timestamp import NS_PER_S
from penstock.elements.item_time import interval_ns, time_ns_of

__all__ = ["EventWindow"]

Held = tuple[int, int, Any]
"""When it happened, how many came before it, and the item; no two agree in the first two."""

_MOST_EMPTY: Final = 1_000_000
"""More empty windows at once than anybody wants to see: a time was wrong, or in another unit."""


class EventWindow:
    """Give lists of the items that happened in each window, in the order of their times.

    Windows begin at whole multiples of ``every_s`` and end ``length_s`` later; an item at the end belongs to the next
    one. A window is over, and given, when something comes that is ``late_s`` younger than its end. What comes even
    later than that, and belongs to no window that is not over, is left out, counted in ``late``, and the first is told
    to the log. At the end, what was in no window yet is given in those windows that hold it.

    >>> list(EventWindow(10, time="t")([{"t": 1}, {"t": 2}, {"t": 12_000_000_000}]))
    [[{'t': 1}, {'t': 2}], [{'t': 12000000000}]]

    Guarantee: which items are in a window depends on their times and their order only. Trap: one item whose time is far
    ahead ends every window before it.

    Parameters
    ----------
    every_s
        How far apart windows begin.
    length_s
        How long one is; by default ``every_s``, so that each item is in one window.
    time
        The field that says when an item happened. Whole numbers are nanoseconds, numbers with a fraction seconds.
    late_s
        By how much an item may come later than a younger one.
    rest
        Whether windows that are not over are given at the end.
    empty
        Whether windows without items are given, from the first that has any on.

    Raises
    ------
    ValueError
        If a length is not above 0, or windows would leave something out.
    """

    def __init__(
        self,
        every_s: float,
        length_s: float | None = None,
        *,
        time: str,
        late_s: float = 0.0,
        rest: bool = True,
        empty: bool = False,
    ) -> None:
        self._every_ns = interval_ns("every_s", every_s)
        self._length_ns = self._every_ns if length_s is None else interval_ns("length_s", length_s)
        if self._length_ns < self._every_ns:
            raise ValueError(f"length_s: {length_s} with every_s: {every_s} would leave something out; swap them")
        if not 0 <= late_s < inf:
            raise ValueError(f"late_s is {late_s}; write seconds, 0 or more")
        self._late_ns = round(late_s * NS_PER_S)
        self._time = time
        self._rest = rest
        self._empty = empty
        self.late = 0
        """How many items came too late for every window."""
        self._held: list[Held] = []
        self._fresh: set[int] = set()
        """Which of what is held was in no window yet; told by how many came before."""
        self._next: int | None = None
        """The window that is given next; all before it are over."""
        self._has_begun = False

    def __call__(self, upstream: Iterable[Any]) -> Iterator[list[Any]]:
        """Yield the lists."""
        newest_ns: int | None = None
        for number, item in enumerate(upstream):
            ns = time_ns_of(item, self._time)
            newest_ns = ns if newest_ns is None else max(newest_ns, ns)
            if self._next is None:
                self._next = self._first_after(newest_ns - self._late_ns)
            if ns // self._every_ns < self._next:
                self._leave_out(ns)
                continue
            insort(self._held, (ns, number, item))  # mostly at its end
            self._fresh.add(number)
            yield from self._over(self._first_after(newest_ns - self._late_ns))
        while self._rest and self._fresh:
            yield from self._over(self._first_of_held() + 1)

    def _first_after(self, ns: int) -> int:
        """Return the first window that is not over at a time."""
        return (ns - self._length_ns) // self._every_ns + 1

    def _first_of_held(self) -> int:
        return max(self._next or 0, self._first_after(self._held[0][0]))

    def _over(self, until: int) -> Iterator[list[Any]]:
        """Yield all windows before one, and let go what belongs to none that follows."""
        assert self._next is not None, "something came"
        while self._next < until:
            if self._empty and self._has_begun:
                self._refuse_a_jump(until)
            else:
                self._next = min(until, self._first_of_held()) if self._held else until
            if self._next < until:
                yield self._cut()

    def _cut(self) -> list[Any]:
        assert self._next is not None, "something came"
        end_ns = self._next * self._every_ns + self._length_ns
        self._next += 1
        self._has_begun = True
        window = self._held[: bisect_left(self._held, (end_ns, -1))]
        self._fresh.difference_update([number for _, number, _ in window])
        del self._held[: bisect_left(self._held, (self._next * self._every_ns, -1))]
        return [item for _, _, item in window]

    def _refuse_a_jump(self, until: int) -> None:
        assert self._next is not None, "something came"
        if until - self._next > _MOST_EMPTY:
            raise ValueError(
                f'field "{self._time}" goes ahead by {until - self._next} windows of {self._every_ns / NS_PER_S} s at '
                "once; write empty: false, or mend the time"
            )

    def _leave_out(self, ns: int) -> None:
        self.late += 1
        if self.late == 1:
            text = "an item of %s ns came after its window was over and is left out, as are all that follow it so late"
            logging.getLogger("penstock.window").warning(text + "; late_s lets windows wait", ns)
