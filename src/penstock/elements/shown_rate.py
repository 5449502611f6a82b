"""How people are told how fast something goes: over the last seconds, in few digits. It counts nothing itself."""

from collections import deque
from typing import Final

__all__ = ["ShownRate", "bar", "duration"]

_SPAN_S: Final = 3.0
"""The rate is that of so many seconds: short enough to see a change, long enough to be read."""


class ShownRate:
    """A rate out of looks at a count.

    >>> rate = ShownRate()
    >>> [rate.seen(now_s, 10 * now_s) for now_s in (0, 1, 2)]
    ['', '10.0/s', '10.0/s']
    >>> rate.seen(6, 20)
    '0/s'
    """

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()

    def seen(self, now_s: float, count: int) -> str:
        """Return the rate in words; nothing at the first look."""
        looks = self._looks
        looks.append((now_s, count))
        while len(looks) > 2 and looks[1][0] <= now_s - _SPAN_S:
            looks.popleft()
        first_s, first = looks[0]
        return rate_words((count - first) / (now_s - first_s)) if now_s > first_s else ""


def rate_words(per_s: float) -> str:
    """Return a rate in three digits.

    >>> rate_words(0.1234), rate_words(81.26), rate_words(1234567.0)
    ('0.123/s', '81.3/s', '1.23M/s')
    """
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if per_s >= size:
            return f"{per_s / size:#.3g}{unit}/s"
    return f"{per_s:#.3g}/s" if per_s else "0/s"


def bar(part: float, width: int = 20) -> str:
    """Return a bar that is full to a part from 0 to 1.

    >>> bar(0.5, 6)
    '[###---]'
    """
    full = round(width * min(1.0, max(0.0, part))) if part == part else 0  # NaN
    return f"[{'#' * full}{'-' * (width - full)}]"


def duration(s: float) -> str:
    """Return a time in words.

    >>> duration(3.14), duration(75), duration(7263)
    ('3.1 s', '1:15', '2:01:03')
    """
    if s < 60:
        return f"{s:.1f} s"
    minutes, seconds = divmod(round(s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
