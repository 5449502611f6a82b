"""When only sinks are still at work and get on with nothing, they are told to wait for others no longer."""

from collections.abc import Collection
from typing import Final

__all__ = ["LastSinks"]

PATIENCE_NS: Final = 5_000_000_000
"""Without an item taken, when a run ends by itself: whoever receives may be just starting."""
STOPPING_NS: Final = 1_000_000_000
"""When somebody asked for the end."""
SPARE_NS: Final = 2_500_000_000
"""Before the time to bring out is over, so that a sink can still say what was not taken."""


class LastSinks:
    """Looks at who is at work, and says once when sinks are to be hastened; it knows no clock and no thread.

    >>> last = LastSinks({"out"})
    >>> last.is_due({"clean", "out"}, done=5, now=0), last.is_due({"out"}, done=5, now=1)
    (False, False)
    >>> last.is_due({"out"}, done=5, now=PATIENCE_NS + 1), last.is_due({"out"}, done=5, now=PATIENCE_NS + 2)
    (True, False)

    Parameters
    ----------
    sinks
        Names of all sinks that may wait.
    """

    def __init__(self, sinks: Collection[str]) -> None:
        self._sinks = frozenset(sinks)
        self._done = -1
        self._since = 0
        self._is_told = False

    def is_due(self, working: Collection[str], *, done: int, now: int, until: int | None = None) -> bool:
        """Whether sinks are to be hastened now.

        Parameters
        ----------
        working
            Names of everything that is still at work.
        done
            How many items sinks have written by now.
        now, until
            Nanoseconds of one clock: now, and when what has not been brought out is given up, if anybody asked.
        """
        if self._is_told or not working:
            return False
        if done != self._done or not self._sinks.issuperset(working):
            self._done, self._since = done, now
        patience = PATIENCE_NS if until is None else STOPPING_NS
        self._is_told = now - self._since >= patience or (until is not None and now >= until - SPARE_NS)
        return self._is_told
