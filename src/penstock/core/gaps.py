"""Numbers that were jumped over: told apart, when they come after all, from numbers that came before."""

from collections.abc import Sequence
from itertools import repeat

__all__ = ["Gaps"]

MOST_INTERVALS = 4096
"""Older gaps are forgotten beyond this many, so that an endless run stays flat in memory."""


class Gaps:
    """Intervals of numbers that a stream has skipped.

    ``count`` is exact for ever; which numbers they were is remembered for the newest intervals only.
    """

    __slots__ = ("_forgotten_below", "_starts", "_stops", "count")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        self._forgotten_below: int | None = None
        self.count = 0

    def open(self, starts: Sequence[int], stops: Sequence[int], step: int) -> int:
        """Note intervals ``[start, stop)`` above all earlier ones; return how many numbers they hold."""
        self._starts += starts
        self._stops += stops
        opened = sum(stops) - sum(starts) if step == 1 else sum(map(len, map(range, starts, stops, repeat(step))))
        self.count += opened
        surplus = len(self._starts) - MOST_INTERVALS
        if surplus > MOST_INTERVALS:
            self._forgotten_below = self._stops[surplus - 1]
            del self._starts[:surplus], self._stops[:surplus]
        return opened

    def fill(self, number: int) -> bool:
        """Take back a number that came after all; tell whether it is known to have been missing."""
        low, high = 0, len(self._starts)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._stops[middle] <= number else (low, middle)
        if low < len(self._starts) and self._starts[low] <= number:
            start, stop = self._starts[low], self._stops[low]
            halves = [half for half in ((start, number), (number + 1, stop)) if half[0] < half[1]]
            self._starts[low : low + 1] = [half[0] for half in halves]
            self._stops[low : low + 1] = [half[1] for half in halves]
            self.count -= 1
            return True
        return False

    def has_forgotten(self, number: int) -> bool:
        """Tell whether the number is so far back that its gaps are no longer remembered."""
        return self._forgotten_below is not None and number < self._forgotten_below
