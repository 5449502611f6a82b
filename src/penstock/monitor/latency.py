"""Latencies of a long run in a table of fixed size: no list that grows, no sample that is dropped."""

import numpy as np

__all__ = ["Latency"]

PER_OCTAVE = 8
"""Buckets for each doubling, so a percentile is right to 9 %."""
OCTAVES = 48


class Latency:
    """A histogram of durations from 1 ns to three days.

    >>> latency = Latency()
    >>> latency.add(1_000_000, 99); latency.add(9_000_000, 1)
    >>> round(latency.percentile_s(50), 4), latency.max_s
    (0.001, 0.009)
    """

    __slots__ = ("_counts", "max_s", "total")

    def __init__(self) -> None:
        self._counts = np.zeros(OCTAVES * PER_OCTAVE, np.int64)
        self.total = 0
        """How many durations."""
        self.max_s = 0.0

    def add(self, ns: int, count: int = 1) -> None:
        """Add the same duration for so many items."""
        bucket = 0 if ns < 1 else min(int(np.log2(ns) * PER_OCTAVE), len(self._counts) - 1)
        self._counts[bucket] += count
        self.total += count
        self.max_s = max(self.max_s, ns / 1e9)

    def percentile_s(self, percent: float) -> float:
        """Return the duration that so many percent do not exceed, in seconds; 0 without any."""
        if not self.total:
            return 0.0
        bucket = int(np.searchsorted(np.cumsum(self._counts), percent / 100 * self.total))
        middle_s: float = 2.0 ** ((bucket + 0.5) / PER_OCTAVE) / 1e9
        return min(middle_s, self.max_s)
