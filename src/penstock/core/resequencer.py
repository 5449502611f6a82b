"""The resequencer: results come in any order from any worker and leave in the order of their events, once.

It holds what came too early and counts what came twice. It serves one lane of one stage, whose event numbers ascend;
start and end events have no number and do not pass here.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from penstock.core.ascending import is_same
from penstock.core.expected import Expected
from penstock.core.result_range import ResultRange
from penstock.errors import StateError

__all__ = ["Resequencer"]


class Resequencer:
    """Give results of one stage back their order."""

    def __init__(self, order: Literal["kept", "free"] = "kept") -> None:
        """Make a resequencer; with ``free`` results leave as they come, but still once."""
        self._is_free = order == "free"
        self._expected: deque[Expected] = deque()
        self._last = -1
        self.duplicates = 0
        """Results that had come before, and were dropped."""
        self.held = 0
        """Results that wait for an earlier event."""

    @property
    def waiting(self) -> int:
        """Events whose results have not all come and left."""
        return sum(len(expected.numbers) - expected.at for expected in self._expected)

    @property
    def next_number(self) -> int | None:
        """The event everything waits for; ``None`` if nothing is expected."""
        return int(self._expected[0].numbers[self._expected[0].at]) if self._expected else None

    def expect(self, numbers: NDArray[np.int64], deliveries: NDArray[np.int32] | None = None) -> None:
        """Tell which events come next.

        Parameters
        ----------
        numbers
            (n,), strictly ascending, above all told before.
        deliveries
            (n,), how many results each will have; ``None``: one each. Events with 0 are passed over.

        Raises
        ------
        StateError
            If the numbers do not ascend.
        """
        n = len(numbers)
        if not n:
            return
        if numbers[0] <= self._last or (n > 1 and not (numbers[1:] > numbers[:-1]).all()):
            raise StateError(f"event {int(numbers[0])} expected after event {self._last}; their numbers must ascend")
        self._last = int(numbers[-1])
        owed = None if deliveries is None else deliveries.astype(np.int32)
        self._expected.append(Expected(numbers=numbers, owed=owed))
        if deliveries is not None:
            self._release()  # gives nothing, but passes over events that go to nobody

    def expect_more(self, numbers: NDArray[np.int64], deliveries: NDArray[np.int32]) -> None:
        """Tell that events still waited for will have this many results on top.

        Raises
        ------
        StateError
            If one of them has left already.
        """
        for rows, expected, positions in self._places(numbers):
            if expected is None or (positions < expected.at).any():
                raise StateError(f"event {int(numbers[rows][0])} has left; nothing more can be expected of it")
            expected.owe(positions, deliveries[rows])

    def is_missing(self, numbers: NDArray[np.int64], copies: NDArray[np.int32] | None = None) -> NDArray[np.bool_]:
        """Return (n,), which results have not come: what of a dead worker's lease must be given again."""
        missing = np.zeros(len(numbers), np.bool_)
        for rows, expected, positions in self._places(numbers):
            if expected is not None:
                for copy, mine in _by_copy(len(positions), None if copies is None else copies[rows]):
                    part = missing[rows]
                    part[mine] = ~expected.has(copy, positions[mine])
        return missing

    def handle(self, results: ResultRange) -> list[ResultRange]:
        """Take results in; return what may leave now.

        Raises
        ------
        StateError
            If one is of an event that was never expected.
        """
        if self._is_next(results):
            return self._pass(results)
        if self._is_whole(results):
            return []
        free: list[ResultRange] = []
        for rows, expected, positions in self._places(results.numbers):
            if expected is None:
                self.duplicates += rows.stop - rows.start
                continue
            part = results.take(rows)
            for copy, mine in _by_copy(len(part), part.copies):
                free += self._put(part, expected, copy, positions, mine)
        return free + self._release()

    def _is_next(self, results: ResultRange) -> bool:
        """Whether a range is just what everything waits for: most are, and they pass as they are."""
        if not self._expected or results.copies is not None:
            return False
        head = self._expected[0]
        span = slice(head.at, head.at + len(results))
        return not head.piece and is_same(head.numbers[span], results.numbers) and head.owes_one_each(span)

    def _is_whole(self, results: ResultRange) -> bool:
        """Keep a range that came too early and is just what was taken together; return whether it is."""
        if self._is_free or not self._expected or results.copies is not None or not len(results):
            return False
        at = bisect_left(self._expected, int(results.numbers[-1]), key=lambda e: int(e.numbers[-1]))
        if at == len(self._expected):
            return False
        expected = self._expected[at]
        if expected.at or expected.owed is not None or expected.whole or not is_same(expected.numbers, results.numbers):
            return False
        expected.whole = results
        self.held += len(results)
        return True

    def _pass(self, results: ResultRange) -> list[ResultRange]:
        self._expected[0].at += len(results)
        released = self._release()
        return [results, *released] if released else [results]

    def _put(
        self, part: ResultRange, expected: Expected, copy: int, positions: NDArray[np.intp], mine: NDArray[np.intp]
    ) -> list[ResultRange]:
        """Keep what is new of one copy; return it at once where order does not matter."""
        fresh = mine[~expected.has(copy, positions[mine])]
        self.duplicates += len(mine) - len(fresh)
        if not len(fresh):
            return []
        if self._is_free:
            expected.put(0, copy, positions[fresh], fresh)
            return [part if len(fresh) == len(part) else part.take(fresh)]
        if not expected.pieces or expected.pieces[-1] is not part:
            expected.pieces.append(part)
        expected.put(len(expected.pieces) - 1, copy, positions[fresh], fresh)
        self.held += len(fresh)
        return []

    def _release(self) -> list[ResultRange]:
        out: list[ResultRange] = []
        while self._expected:
            head = self._expected[0]
            if head.at < len(head.numbers) and (stop := head.ready()) > head.at:
                out += self._leave(head, stop)
            if head.at < len(head.numbers):
                break
            self._expected.popleft()
        return out

    def _leave(self, head: Expected, stop: int) -> list[ResultRange]:
        if self._is_free:
            head.at = stop
            return []
        released = head.release(stop)
        self.held -= sum(map(len, released))
        return released

    def _places(self, numbers: NDArray[np.int64]) -> Iterator[tuple[slice, Expected | None, NDArray[np.intp]]]:
        """Yield rows, what is expected of them (``None``: they have left) and their positions there."""
        start = 0
        while start < len(numbers):
            at = bisect_left(self._expected, int(numbers[start]), key=lambda e: int(e.numbers[-1]))
            if at == len(self._expected):
                self._must_have_left(int(numbers[-1]))
                yield slice(start, len(numbers)), None, np.empty(0, np.intp)
                return
            expected = self._expected[at]
            first = int(np.searchsorted(numbers, expected.numbers[0]))
            if at == 0 and first > start:
                yield slice(start, first), None, np.empty(0, np.intp)
                start = first
                continue
            stop = int(np.searchsorted(numbers, expected.numbers[-1], side="right"))
            positions = expected.positions(numbers[start:stop])
            if len(positions) and positions.min() < 0:
                raise StateError(f"event {int(numbers[start:stop][positions < 0][0])} was never expected")
            yield slice(start, stop), expected, positions
            start = stop

    def _must_have_left(self, number: int) -> None:
        if number > self._last:
            raise StateError(f"event {number} was never expected; the last one expected is {self._last}")


def _by_copy(n: int, copies: NDArray[np.int32] | None) -> list[tuple[int, NDArray[np.intp]]]:
    if copies is None:
        return [(0, np.arange(n))]
    return [(int(copy), np.flatnonzero(copies == copy)) for copy in np.unique(copies)]
