"""How quick the items of a parallel stage are, and how many of them a worker is given at once therefore.

Pure: it knows no worker and no clock.
"""

from typing import Final

__all__ = ["RECALL_NS", "Pace"]

SPAN_NS: Final = 2_000_000
"""What a worker is given at once takes about so long, unless one item takes longer."""
LARGEST_SPAN: Final = 1000
SMALL_SPAN: Final = 16
"""Spans of fewer are of items that take longer than to give them does."""
WORTH_GIVING: Final = 0.25
"""This part of a span at least is given to a worker that is still busy with one."""
SPAN_BYTES: Final = 1 << 20
"""And about so many bytes at most, in processes."""
RECALL_NS: Final = 50_000_000
"""A worker that has been at one item for so long says what it has done, and gives back what lies ready for it."""
AHEAD: Final = 16
"""Spans for each worker that may be under way, or done and waiting for one before them."""


class Pace:
    """What is known of how long items take.

    Attributes
    ----------
    span
        How many items are given at once at most, as it was when somebody last looked.
    worked_ns
        How long workers have been at work on what they have answered for, all together.

    Examples
    --------
    >>> pace = Pace()
    >>> pace.note(100, 1_000_000)  # 10 µs each
    >>> pace.look(); pace.span, pace.credits
    (200, 2)
    >>> pace.look(mean_bytes=100_000); pace.span
    10
    """

    def __init__(self) -> None:
        self.span = 1
        self.worked_ns = 0
        self._mean_ns = 0.0

    def note(self, count: int, took_ns: int) -> None:
        """Note how long so many items took."""
        self.worked_ns += took_ns
        if count:
            mean_ns = took_ns / count
            self._mean_ns = mean_ns if not self._mean_ns else 0.7 * self._mean_ns + 0.3 * mean_ns

    def look(self, mean_bytes: float = 0.0) -> None:
        """Settle how many items are given at once.

        Parameters
        ----------
        mean_bytes
            What an item has on its way to a worker; 0 where it goes nowhere.
        """
        span = LARGEST_SPAN if self._mean_ns < 1 else round(SPAN_NS / self._mean_ns)
        if span <= 1 or not self._mean_ns:
            self.span = 1
            return
        if mean_bytes:
            span = min(span, round(SPAN_BYTES / mean_bytes))
        self.span = max(1, min(span, LARGEST_SPAN))

    @property
    def credits(self) -> int:
        """Spans that a worker may have at once: what lies ready bridges the way of an answer."""
        return 1 if self._mean_ns > RECALL_NS else 2  # the way is nothing beside items that take so long

    @property
    def ahead(self) -> int:
        """Items for each worker that may be under way, or done and waiting for one before them."""
        return AHEAD * self.span

    def is_worth_a_turn(self, waiting: int) -> bool:
        """Return whether so many are to be given to somebody who is busy; else more may come until he is not."""
        return self.span < SMALL_SPAN or waiting >= self.span * WORTH_GIVING
