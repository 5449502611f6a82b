"""How many rows one lease holds: as many as a worker is measured to do in the time a lease should take."""

__all__ = ["RangeSize"]

FIRST_ROWS = 16
"""Before anything is measured: little enough for a second per event, and 4096 is reached after three leases."""
GROWTH = 8
SHORT = 8
"""A lease that takes less than this part of the time it should is a short one."""


class RangeSize:
    """The target size of one worker's leases."""

    __slots__ = ("_max_rows", "_per_row_ns", "_target_ns", "rows")

    def __init__(self, target_ns: int, max_rows: int) -> None:
        self._target_ns = target_ns
        self._max_rows = max_rows
        self._per_row_ns = 0.0
        self.rows = min(FIRST_ROWS, max_rows)
        """Rows a lease should have now."""

    @property
    def per_row_ns(self) -> float:
        """Measured time for one row; 0 while nothing is measured."""
        return self._per_row_ns

    @property
    def is_short(self) -> bool:
        """Whether a lease takes less than an eighth of the time it should, because it cannot be larger."""
        return 0 < self.rows * self._per_row_ns < self._target_ns / SHORT

    def report(self, rows: int, took_ns: int) -> None:
        """Learn from one lease; shrinks at once, grows at most eightfold, so that one odd lease does no harm."""
        if rows < 1:
            return
        measured = max(took_ns, 1) / rows
        # half and half: two leases after a change of speed the size is right within a quarter
        self._per_row_ns = measured if not self._per_row_ns else (self._per_row_ns + measured) / 2
        wanted = int(self._target_ns / max(self._per_row_ns, measured))
        self.rows = max(1, min(wanted, self._max_rows, self.rows * GROWTH))

    def fair(self, waiting: int, idle: int) -> int:
        """Return how many of ``waiting`` rows to take when ``idle`` workers want some.

        Few rows are spread over all who are idle, but never so that a lease takes less than an eighth of the time it
        should: rows of which even the largest lease takes less are not split at all.
        """
        least = int(self._target_ns / SHORT / self._per_row_ns) if self._per_row_ns else self.rows // SHORT
        return max(1, min(self.rows, max(-(-waiting // max(idle, 1)), least)))
