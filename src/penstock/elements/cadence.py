"""A rate for sources that could give everything at once, such as files: when the next message is due.

It waits for nothing and reads no clock; `Pace` is the like of it for coroutines.
"""

from typing import Final

from penstock.core import NS_PER_S
from penstock.elements.pace import check_interval

__all__ = ["Cadence"]

LATE_NS: Final = 100_000_000
"""What a message may be late and be made up for; after a longer delay the others are put off, and do not hurry."""


class Cadence:
    """Due times at a fixed interval. None is left out.

    >>> cadence = Cadence(0.5)
    >>> cadence.is_due(10_000_000_000), cadence.gave(1), cadence.is_due(10_000_000_000)
    (True, None, False)
    >>> cadence.wait_s(10_100_000_000)
    0.4

    Parameters
    ----------
    every_s
        The interval, in s; 0: everything is due at once.

    Raises
    ------
    ValueError
        If it is negative, or no number.
    """

    def __init__(self, every_s: float) -> None:
        self._every_ns = round(check_interval(every_s) * NS_PER_S)
        self._due_ns: int | None = None
        self._ahead_ns = 0
        """How far the next may be due at most; the clock was set back if it is more."""

    def wait_s(self, now_ns: int) -> float | None:
        """Return how long it is until the next message is due, in s; ``None`` if there is no rate."""
        return max(0, self._due(now_ns) - now_ns) / NS_PER_S if self._every_ns else None

    def is_due(self, now_ns: int) -> bool:
        """Whether the next message may be given."""
        return not self._every_ns or self._due(now_ns) <= now_ns

    def gave(self, messages: int) -> None:
        """Learn that so many were given together; the next is due so many intervals later."""
        if self._due_ns is not None:
            self._ahead_ns = max(1, messages) * self._every_ns
            self._due_ns += messages * self._every_ns

    def _due(self, now_ns: int) -> int:
        due = self._due_ns
        if due is None or now_ns - due > LATE_NS:
            self._due_ns = due = now_ns
        elif due - now_ns > self._ahead_ns:
            self._due_ns = due = now_ns + self._ahead_ns
        return due
