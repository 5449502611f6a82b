"""How many notices somebody may raise: the same text now and then, all of them only so fast. The rest is counted.

It has no clock: time comes in as a number.
"""

from typing import Final

import msgspec

from penstock.core.notice import Level, Notice
from penstock.core.timestamp import NS_PER_S

__all__ = ["NoticeLimit"]

SAME: Final = 5
"""So often the same text is let through in each span."""
SPAN_NS: Final = NS_PER_S
BURST: Final = 200
"""So many of one level are let through at once,"""
PER_S: Final = 100
"""and so many a second in the long run."""
MOST_TEXTS: Final = 256
"""Texts that are told apart at once; the one that came first is forgotten, and what was held of it is said."""


class _Seen:
    __slots__ = ("held", "last", "let", "since_ns")

    def __init__(self, since_ns: int) -> None:
        self.since_ns = since_ns
        self.let = self.held = 0
        self.last: Notice | None = None


class _Allowance:
    __slots__ = ("left", "seen_ns")

    def __init__(self, now_ns: int) -> None:
        self.left = float(BURST)
        self.seen_ns = now_ns

    def take(self, now_ns: int) -> bool:
        self.left = min(float(BURST), self.left + max(0, now_ns - self.seen_ns) / NS_PER_S * PER_S)
        self.seen_ns = max(self.seen_ns, now_ns)
        if self.left < 1:
            return False
        self.left -= 1
        return True


class NoticeLimit:
    """Lets notices through, and counts the others: those of a known text, and those that were too many.

    Every notice is let through, stands in the ``times`` of a later one, or is among those that were lost.

    >>> limit = NoticeLimit()
    >>> hot = Notice(text="too hot", time_ns=0)
    >>> sum(limit.lets(hot, now_ns=0) for _ in range(100))
    5
    >>> limit.due(now_ns=0), [notice.times for notice in limit.due(now_ns=1_000_000_000)]
    ([], [95])
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[Level, str, str], _Seen] = {}
        self._allowances: dict[Level, _Allowance] = {}
        self._forgotten: list[Notice] = []
        self._lost: dict[str, int] = {}
        self._held = 0
        """Texts of which something is held."""

    @property
    def holds(self) -> bool:
        """Whether something is to be said later."""
        return bool(self._held or self._lost or self._forgotten)

    def lets(self, notice: Notice, now_ns: int) -> bool:
        """Return whether a notice may go on now."""
        key = (notice.level, notice.source, notice.text)
        seen = self._seen.get(key)
        if seen is None:
            seen = self._begin(key, now_ns)
        elif now_ns - seen.since_ns >= SPAN_NS and not seen.held:
            seen.since_ns, seen.let = now_ns, 0
        if seen.let >= SAME:
            self._held += not seen.held
            seen.held += notice.times
            seen.last = notice
            return False
        if not self._allowance(notice.level, now_ns).take(now_ns):
            self.lose(notice.source, notice.times)
            return False
        seen.let += 1
        return True

    def lose(self, source: str, times: int = 1) -> None:
        """Count what was let through and could not go on."""
        if source not in self._lost and len(self._lost) >= MOST_TEXTS:
            source = ""
        self._lost[source] = self._lost.get(source, 0) + times

    def due(self, now_ns: int, *, all_of_it: bool = False) -> list[Notice]:
        """Return what has been held of each text for a span by now, each as one notice of so many times.

        Parameters
        ----------
        all_of_it
            Also what has not been held so long: nothing more will come.
        """
        found, self._forgotten = self._forgotten, []
        if not self._held:
            return found
        for seen in self._seen.values():
            if seen.held and (all_of_it or now_ns - seen.since_ns >= SPAN_NS):
                found.append(_held(seen))
                # What goes on like this is said once a span from now on.
                seen.since_ns, seen.let, seen.held = now_ns, SAME, 0
                self._held -= 1
        return found

    def take_lost(self) -> dict[str, int]:
        """Return how many were lost since the last call, by source."""
        lost, self._lost = self._lost, {}
        return lost

    def _begin(self, key: tuple[Level, str, str], now_ns: int) -> _Seen:
        if len(self._seen) >= MOST_TEXTS:
            oldest = self._seen.pop(next(iter(self._seen)))
            if oldest.held:
                self._forgotten.append(_held(oldest))
                self._held -= 1
        seen = self._seen[key] = _Seen(now_ns)
        return seen

    def _allowance(self, level: Level, now_ns: int) -> _Allowance:
        found = self._allowances.get(level)
        if found is None:
            found = self._allowances[level] = _Allowance(now_ns)
        return found


def _held(seen: _Seen) -> Notice:
    assert seen.last is not None, "what was held was a notice"
    return msgspec.structs.replace(seen.last, times=seen.held)
