"""How fast something grows now, from looking at it now and then."""

from collections import deque
from collections.abc import Iterable

__all__ = ["Recent"]

SAMPLE_NS = 250_000_000
SPAN_NS = 1_000_000_000
"""What ``recent`` means."""


class Recent:
    """What some counts were over the last second; there may be more of them later on.

    >>> recent = Recent()
    >>> recent.look([0], now=0); recent.look([50], now=1_000_000_000)
    >>> recent.per_s(0, 50, now=1_000_000_000)
    50.0
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[int, tuple[int, ...]]] = deque(maxlen=SPAN_NS // SAMPLE_NS + 2)

    def look(self, counts: Iterable[int], now: int) -> None:
        """See the counts; to be called whenever they may have changed, and once a second when nothing happens."""
        if not self._samples or now - self._samples[-1][0] >= SAMPLE_NS:
            self._samples.append((now, tuple(counts)))

    def per_s(self, at: int, count: int, now: int) -> float:
        """Return by how much one count has grown over the last second or so, a second.

        Since the first look, if that was later.

        Parameters
        ----------
        at
            Which of the counts.
        count
            What it is now.
        """
        if not self._samples:
            return 0.0
        # The youngest that is old enough: an idle run is looked at once a second only.
        old_enough = [sample for sample in self._samples if now - sample[0] >= SPAN_NS]
        since, counts = old_enough[-1] if old_enough else self._samples[0]
        before = counts[at] if at < len(counts) else 0
        return (count - before) / ((now - since) / 1e9) if now > since else 0.0
