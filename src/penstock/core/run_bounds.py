"""Where a run begins and ends among data that come by other ways than the news of it, and are told by their times.

A run is told to start and to stop on a way of its own, which may be quicker or slower than those of the data. It reads
no clock: time comes in.
"""

from collections import deque
from collections.abc import Hashable, Set

from penstock.core.message import Kind, Message

__all__ = ["RunBounds"]


class RunBounds:
    """Puts start and end where they belong, and tells apart what is in a run.

    An end is given when each way on which data came, or are expected, has brought some that happened at the end or
    later, or ``settle_s`` after the news of it. What happened after the end is held until then.

    Without ``keep_outside`` data are given only if they happened in a run; what comes before the news of a start is
    held for ``settle_s``, because it may have been quicker.

    What comes together is put together, one by one, and then `tick` is called: only there a run is over, because what
    comes last of it may belong to its middle.

    Parameters
    ----------
    settle_s
        How much later than the news of a run its data may come, and the reverse, in s.
    keep_outside
        Whether data that happened in no run are given, too.

    Examples
    --------
    >>> bounds = RunBounds(settle_s=1.0)
    >>> at = lambda ns, kind=Kind.DATA: Message(timestamp_ns=ns, kind=kind)
    >>> said = [at(10, Kind.START), at(11), at(15, Kind.END), at(14), at(16)]
    >>> [[m.timestamp_ns for m in bounds.put(m, "data", now_s=0.0)] for m in said]
    [[10], [11], [], [14], []]
    >>> [m.timestamp_ns for m in bounds.tick(0.0)]
    [15, 16]
    """

    def __init__(self, settle_s: float, *, keep_outside: bool = True) -> None:
        self._settle_s = settle_s
        self._keeps_outside = keep_outside
        self.expected: Set[Hashable] = frozenset()
        """Ways on which data may come, though none have come yet."""
        self._start_ns: int | None = None
        """Of the run that is on; ``None``: none is."""
        self._end: Message | None = None
        """Was told and not given yet."""
        self._end_s = 0.0
        self._ways: set[Hashable] = set()
        """On which data of the run came."""
        self._passed: set[Hashable] = set()
        """On which data came that happened at its end or later."""
        self._held: deque[tuple[float, Message, Hashable]] = deque()
        """Until when, what, and by which way it came."""
        self._has_begun = False
        """A start was told, and what was held before it has not been looked at again."""
        self.outside = 0
        """Data left out because they happened in no run."""

    @property
    def holds_back(self) -> bool:
        """Whether something was put that is not given yet."""
        return self._end is not None or bool(self._held)

    def put(self, message: Message, way: Hashable, now_s: float) -> list[Message]:
        """Take a message; return what is to be given now, in order.

        Parameters
        ----------
        message
            A start, an end, or data; its time says when that happened.
        way
            On which it came; what comes on one way happened in that order.
        now_s
            Of a clock that does not go back.
        """
        if message.kind is Kind.DATA:
            return self._look_again(now_s) + self._data(message, way, now_s)
        given = self._look_again(now_s) if message.kind is Kind.START else []
        given += self._finish(now_s) if self._end is not None else []
        if message.kind is Kind.END:
            self._end, self._end_s = message, now_s + self._settle_s
            return given
        self._start_ns, self._has_begun = message.timestamp_ns, True
        self._ways.clear()
        return [*given, message]

    def tick(self, now_s: float) -> list[Message]:
        """Return what is to be given because all has been put that came, and because time has passed."""
        given = self._look_again(now_s)
        has_passed = bool(self._passed) and (self._ways | self.expected) <= self._passed
        if self._end is not None and (has_passed or now_s >= self._end_s):
            given += self._finish(now_s)
        while self._end is None and self._held and self._held[0][0] <= now_s:
            self._held.popleft()
            self.outside += 1
        return given

    def wait_s(self, now_s: float) -> float | None:
        """Return when `tick` has something to do, in s; ``None``: only when something comes."""
        if self._end is not None:
            return max(0.0, self._end_s - now_s)
        return max(0.0, self._held[0][0] - now_s) if self._held else None

    def end(self, now_s: float) -> list[Message]:
        """Return what is left when nothing comes any more."""
        given = self._look_again(now_s)
        given += self._finish(now_s) if self._end is not None else []
        self.outside += len(self._held)
        self._held.clear()
        return given

    def _look_again(self, now_s: float) -> list[Message]:
        """Give what was held before the news of a start, as far as it belongs to the run."""
        if not self._has_begun:
            return []
        self._has_begun = False
        held, self._held = self._held, deque()
        return [given for _, message, way in held for given in self._data(message, way, now_s)]

    def _data(self, message: Message, way: Hashable, now_s: float) -> list[Message]:
        ns = message.timestamp_ns
        if self._end is not None and ns >= self._end.timestamp_ns:
            self._held.append((now_s + self._settle_s, message, way))
            self._passed.add(way)
            return []
        if self._start_ns is None and not self._keeps_outside:
            self._held.append((now_s + self._settle_s, message, way))
            return []
        if self._start_ns is not None and not self._keeps_outside and ns < self._start_ns:
            self.outside += 1
            return []
        if self._start_ns is not None:
            self._ways.add(way)
        return [message]

    def _finish(self, now_s: float) -> list[Message]:
        """Give the end, and what was held behind it as far as it is to be given."""
        assert self._end is not None, "an end was told"
        given = [self._end]
        self._end, self._start_ns = None, None
        self._ways.clear()
        self._passed.clear()
        held, self._held = self._held, deque()
        for until_s, message, way in held:
            if self._keeps_outside:
                given.append(message)
            elif until_s > now_s:  # it may belong to the next run
                self._held.append((until_s, message, way))
            else:
                self.outside += 1
        return given
