"""Follow the numbers of one stream: let them through in ascending order, and account for what is out of order.

The tracker does not know what the numbers mean (frame, pulse, index, nanoseconds) nor what other streams do.
"""

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import groupby

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block, Rows
from penstock.core.gaps import Gaps
from penstock.core.ledger import Account, Counter, Entry

__all__ = ["Run", "Tracker"]

MOST_EARLY = 4096
"""Numbers below the first that are remembered, to tell a late message from a doubled one."""


class Run(msgspec.Struct, frozen=True, eq=False, gc=False):
    """Messages of one block whose numbers ascend."""

    block: Block
    rows: Rows
    numbers: NDArray[np.int64]
    """(n,), ascending; strictly, unless the tracker lets equal numbers through."""
    arrived_ns: int


class Tracker:
    """Let a stream's messages through in ascending order of their numbers.

    Parameters
    ----------
    entry
        The books of this stream at its join.
    reorder
        How many messages one may be overtaken by. 0 trusts the connection to keep the order, as TCP and ZeroMQ do,
        so that a gap is known to be one at once; otherwise what follows a gap waits for so many more messages.
    step
        Distance of consecutive numbers of this instrument; 0 where they are times and so have no gaps.
    many
        Let equal numbers through: several messages of one number form a range.
    first
        The number the instrument begins with, if it always begins with the same.
    shown_from
        What people call the number 0.
    """

    __slots__ = (
        "_arrival",
        "_early",
        "_entry",
        "_first",
        "_gaps",
        "_has_gaps",
        "_heap",
        "_held",
        "_shown_from",
        "_step",
        "last",
        "many",
        "reorder",
        "top",
    )

    def __init__(
        self,
        entry: Entry,
        *,
        reorder: int = 0,
        step: int = 1,
        many: bool = False,
        first: int | None = None,
        shown_from: int = 0,
    ) -> None:
        self._entry = entry
        self.reorder = reorder
        self._step = max(step, 1)
        self._has_gaps = step > 0
        self.many = many
        self.last: int | None = None if first is None else first - step
        """Highest number let through or given up."""
        self._first = first
        self.top: int | None = None
        """Highest number that arrived."""
        self._shown_from = shown_from
        self._gaps = Gaps()
        self._heap: list[tuple[int, int]] = []
        self._held: dict[int, tuple[int, Block, int, int]] = {}
        self._arrival = 0
        self._early: set[int] = set()

    @property
    def held(self) -> int:
        """Messages kept back until the order is known."""
        return len(self._heap)

    @property
    def oldest_ns(self) -> int | None:
        """When the oldest message kept back arrived."""
        return min((at for _, _, _, at in self._held.values()), default=None) if self._held else None

    def admit(self, block: Block, rows: Rows, numbers: NDArray[np.int64], now: int) -> Iterable[Run]:
        """Take messages in order of arrival; return those whose turn has come, to be looked at before the next call."""
        n = len(numbers)
        if not n:
            return ()
        if not (self.reorder or self.many):  # as nearly all streams: what is below, in one step
            first, last, before = int(numbers[0]), int(numbers[-1]), self.last
            if (before is None or first > before) and (n == 1 or (numbers[1:] > numbers[:-1]).all()):
                if self._has_gaps and last - (first - self._step if before is None else before) != self._step * n:
                    self._note_gaps(numbers)
                self._let_past(first, last)
                return (Run(block, rows, numbers, now),)
            return self._sift(block, rows, numbers, now)
        is_settled = not self.reorder or (self._has_gaps and self.last is not None and self._is_dense(numbers))
        if is_settled and not self._heap and self._ascends(numbers):
            return (self._pass(Run(block, rows, numbers, now)),)
        return (self._hold if self.reorder else self._sift)(block, rows, numbers, now)

    def give_up(self, number: int) -> Iterator[Run]:
        """Wait no longer for numbers up to this one; what was kept back up to it comes now."""
        yield from self._let(lambda head: head <= number)
        if self.last is None:
            self.last, self._first = number, number + self._step
        elif self.last < number:
            self._open_gap(self.last + self._step, number + 1)
            self.last = number

    def begin_behind(self, number: int) -> None:
        """Take it that everything up to a number has gone: a run that goes on begins there, and that is no gap."""
        if self.last is None or number > self.last:
            self.last, self._first = number, number + self._step
            self.top = number if self.top is None else max(self.top, number)

    def clear(self) -> None:
        """Forget what was kept back."""
        self._heap.clear()
        self._held.clear()

    def flush(self) -> Iterator[Run]:
        """Let everything through that was kept back: nothing more will come."""
        yield from self._let(lambda _: True)

    def _ascends(self, numbers: NDArray[np.int64]) -> bool:
        if self.last is not None and (numbers[0] < self.last or (numbers[0] == self.last and not self.many)):
            return False
        if len(numbers) == 1:
            return True
        rises = numbers[1:] >= numbers[:-1] if self.many else numbers[1:] > numbers[:-1]
        return bool(rises.all())

    def _is_dense(self, numbers: NDArray[np.int64]) -> bool:
        """Tell whether ascending numbers follow the last one without a gap."""
        before = int(numbers[0]) - self._step if self.last is None else self.last
        if not self.many:
            return int(numbers[-1]) - before == self._step * len(numbers)
        return bool(np.isin(np.diff(numbers, prepend=before), (0, self._step)).all())

    def _pass(self, run: Run) -> Run:
        """Let one ascending run through, noting the gaps before and within it."""
        numbers = run.numbers
        if self._has_gaps and not self._is_dense(numbers):
            self._note_gaps(numbers)
        self._let_past(int(numbers[0]), int(numbers[-1]))
        return run

    def _let_past(self, first: int, last: int) -> None:
        self.last = last
        if self._first is None:
            self._first = first
        if self.top is None or last > self.top:
            self.top = last

    def _note_gaps(self, numbers: NDArray[np.int64]) -> None:
        if self.last is not None and numbers[0] > self.last + self._step:
            self._open_gap(self.last + self._step, int(numbers[0]))
        jumps = np.flatnonzero(numbers[1:] - numbers[:-1] > self._step)
        if len(jumps):
            starts = (numbers[jumps] + self._step).tolist()
            stops = numbers[jumps + 1].tolist()
            missing = self._gaps.open(starts, stops, self._step)
            self._entry.note(Counter.GAPS, missing, f"{missing} numbers missing, the first {self._shown(starts[0])}")

    def _open_gap(self, start: int, stop: int) -> None:
        if not self._has_gaps:
            return
        missing = self._gaps.open([start], [stop], self._step)
        first, last = self._shown(start), self._shown(stop - self._step)
        text = f"number {first} missing" if missing == 1 else f"numbers {first} to {last} missing"
        self._entry.note(Counter.GAPS, missing, text)

    def _sift(self, block: Block, rows: Rows, numbers: NDArray[np.int64], now: int) -> Iterator[Run]:
        """Let through what rises above all before; the rest came too late or twice."""
        floor = np.iinfo(np.int64).min if self.last is None else self.last
        highest = np.maximum.accumulate(np.concatenate(([floor], numbers[:-1])))
        ahead = numbers >= highest if self.many else numbers > highest
        if self.last is None:
            ahead[0] = True
        indices = np.arange(len(block))[rows] if isinstance(rows, slice) else rows
        if ahead.any():
            yield self._pass(Run(block, indices[ahead], numbers[ahead], now))
        for number, row in zip(numbers[~ahead].tolist(), indices[~ahead].tolist(), strict=True):
            self._refuse(block, row, number)

    def _refuse(self, block: Block, row: int, number: int) -> None:
        """Account for a message that is not above the last one let through."""
        identity = f"message {block.ids[row]} with number {self._shown(number)}"
        was_missing = self._gaps.fill(number)
        if was_missing:
            self._entry.note(Counter.GAPS, -1)
        if was_missing or self._gaps.has_forgotten(number) or self._is_early(number) or self._is_older_time(number):
            self._entry.note(Counter.REORDERED, 1, f"{identity} came after {self._shown(self.top)}")
            self._entry.post(Account.LATE, 1, f"{identity} came after {self._shown(self.top)}, when its event had gone")
        else:
            self._entry.post(Account.DUPLICATE, 1, f"{identity} came before")

    def _shown(self, number: int | None) -> int:
        """Return a number as the instrument says it."""
        return (number or 0) + self._shown_from

    def _is_early(self, number: int) -> bool:
        """Tell whether a number is below the first one let through, and came for the first time."""
        if self._first is None or number >= self._first or number in self._early:
            return False
        if len(self._early) < MOST_EARLY:
            self._early.add(number)
        return True

    def _is_older_time(self, number: int) -> bool:
        return not self._has_gaps and number != self.last

    def _hold(self, block: Block, rows: Rows, numbers: NDArray[np.int64], now: int) -> Iterator[Run]:
        indices = range(len(block))[rows] if isinstance(rows, slice) else rows.tolist()
        for row, number in zip(indices, numbers.tolist(), strict=True):
            if self.last is not None and (number < self.last or (number == self.last and not self.many)):
                self._refuse(block, row, number)
                continue
            if not self.many and any(number == held for held, *_ in self._held.values()):
                self._entry.post(
                    Account.DUPLICATE, 1, f"message {block.ids[row]} with number {self._shown(number)} came before"
                )
                continue
            if self.top is not None and number < self.top:
                self._entry.note(
                    Counter.REORDERED,
                    1,
                    f"message {block.ids[row]}: {self._shown(number)} came after {self._shown(self.top)}",
                )
            self.top = number if self.top is None else max(self.top, number)
            heappush(self._heap, (number, self._arrival))
            self._held[self._arrival] = (number, block, row, now)
            self._arrival += 1
        yield from self._let(self._is_due)

    def _is_due(self, head: int) -> bool:
        """Tell whether the lowest held number needs to wait no longer."""
        follows = self._has_gaps and self.last is not None and head <= self.last + self._step
        return follows or len(self._heap) > self.reorder

    def _let(self, is_due: Callable[[int], bool]) -> Iterator[Run]:
        released = []
        while self._heap and is_due(self._heap[0][0]):
            number, arrival = heappop(self._heap)
            released.append(self._held.pop(arrival))
            if self.last is not None and number > self.last + self._step:
                self._open_gap(self.last + self._step, number)
            self._first = number if self._first is None else self._first
            self.last = number
        for _, group in groupby(released, key=lambda item: id(item[1])):
            items = list(group)
            yield Run(
                items[0][1],
                np.array([row for _, _, row, _ in items], np.intp),
                np.array([number for number, _, _, _ in items], np.int64),
                min(at for _, _, _, at in items),
            )
