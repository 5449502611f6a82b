"""The dispatcher of a replay: ranges are cut and given to workers as the event log of the recorded run says.

It matters to code that remembers, or works on a range at once. What the log does not name goes to any worker.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from penstock.core.ascending import as_slice
from penstock.core.dispatch import Dispatcher
from penstock.core.holding import Held, lease_pattern
from penstock.core.lane import Pending
from penstock.core.lease import Assigned, B, GivenUp, Lease, Taken
from penstock.core.log_records import RangeWorked
from penstock.core.routes import NOWHERE, Routes

__all__ = ["ReplayedRanges"]

END: Final = int(np.iinfo(np.int64).max)
NO_MASK: Final = np.iinfo(np.uint64).max
"""Of rows that were given as whole events."""


class _Recorded:
    """The ranges of one lane: every number of each, found by number."""

    def __init__(self, ranges: Sequence[tuple[int, RangeWorked]]) -> None:
        numbers = [worked.numbers for _, worked in ranges]
        sizes = [len(each) for each in numbers]
        flat = np.concatenate(numbers) if numbers else np.empty(0, np.int64)
        masks = [w.masks if len(w.masks) else np.full(len(w.numbers), NO_MASK, np.uint64) for _, w in ranges]
        order = np.argsort(flat, kind="stable")
        self.numbers = flat[order]
        self.range_of = np.repeat(np.array([k for k, _ in ranges], np.int64), sizes)[order]
        self.masks = (np.concatenate(masks) if masks else np.empty(0, np.uint64))[order]
        self.reached = -1
        """Up to which number batches have come."""


class ReplayedRanges(Dispatcher[B]):
    """Lend the ranges of a recorded run to workers of the same names, to each in the order in which it had them.

    Parameters
    ----------
    lanes
        From high to low.
    recorded
        Every range that was worked on, in the order of the log.
    workers
        Names of those who will take part; what others had goes to one of them.
    numbers_of
        Returns the event numbers of a batch, which ascend.
    ended
        Of a run that goes on: ascending numbers of all that has ended. What has not, and is in no range, waits until
        every recorded range is lent, because workers may remember, and had these first.
    """

    def __init__(
        self,
        lanes: Sequence[str],
        recorded: Sequence[RangeWorked],
        workers: Sequence[str],
        numbers_of: Callable[[B], NDArray[np.int64]],
        ended: NDArray[np.int64] | None = None,
    ) -> None:
        super().__init__(lanes)
        self._numbers_of = numbers_of
        self._ended = ended
        self._held_back: list[Lease[B]] = []
        self._recorded = {
            lane: _Recorded([(k, worked) for k, worked in enumerate(recorded) if worked.lane == lane]) for lane in lanes
        }
        self._lane_of = [worked.lane for worked in recorded]
        self._highest = [int(worked.numbers[-1]) if len(worked.numbers) else -1 for worked in recorded]
        self._order: dict[str, deque[int]] = {worker: deque() for worker in workers}
        others = {name: k for k, name in enumerate(sorted({w.worker for w in recorded} - set(workers)))}
        for k, worked in enumerate(recorded):
            name = worked.worker if worked.worker in self._order else workers[others[worked.worker] % len(workers)]
            self._order[name].append(k)
        self._worker_of = {k: name for name, order in self._order.items() for k in order}
        self._planned: dict[int, Held[B]] = {}
        """Ranges that have come and are not lent."""
        self._planned_rows = 0
        self._taken: list[Taken[B]] = []

    def submit(self, batch: B, routes: Routes | None = None, lane: str = "") -> None:
        """Cut a batch as it was cut."""
        n = len(batch)
        if not n:
            return
        numbers = self._numbers_of(batch)
        pending = Pending(batch=batch, submission=next(self._submissions), rows=slice(0, n), size=n, routes=routes)
        deliveries = self._plan(self._recorded[lane], lane, pending, numbers)
        left = deliveries == 0
        if routes is not None:
            left &= (routes.constraint != NOWHERE).any(0)
        if left.any():
            deliveries[left] = 1
            waits = self._waits(numbers) & left
            for rows in (np.flatnonzero(left & ~waits), np.flatnonzero(waits)):
                if not len(rows):
                    continue
                lease = replace(lease_pattern(lane, "", pending, as_slice(rows), len(rows)), attempts=0)
                if waits[rows[0]]:
                    self._held_back.append(lease)
                    self._planned_rows += lease.size
                else:
                    self.again(lease)
        is_one_each = bool((deliveries == 1).all())
        self._taken.append(
            Taken(lane=lane, batch=batch, rows=slice(0, n), deliveries=None if is_one_each else deliveries)
        )

    def assign(self, now_ns: int) -> Assigned[B]:
        """Lend to each worker what it had next, as far as that has come."""
        out: Assigned[B] = Assigned(leases=[], taken=self._taken)
        self._taken = []
        for name, worker in self._workers.items():
            order = self._order.get(name, deque())
            while order and worker.free > 0:
                held = self._planned.pop(order[0], None)
                if held is None and self._recorded[self._lane_of[order[0]]].reached < self._highest[order[0]]:
                    break  # it comes yet
                order.popleft()
                if held is not None:
                    self._planned_rows -= held.lease.size
                    self._lend(worker, held, now_ns, out)
        if self._held_back and not any(self._order.values()):
            held_back, self._held_back = self._held_back, []
            for lease in held_back:
                self._planned_rows -= lease.size
                self.again(lease)
        rest = super().assign(now_ns)
        return Assigned(leases=[*out.leases, *rest.leases], taken=[*out.taken, *rest.taken])

    def give_up(self) -> GivenUp[B]:
        """Take everything out that is not lent; the order in which workers had it stays for what comes."""
        out = super().give_up()
        out.taken.extend(self._taken)
        out.given.extend(held.lease for held in self._planned.values())
        out.given.extend(self._held_back)
        self._taken, self._held_back, self._planned_rows = [], [], 0
        self._planned.clear()
        return out

    @property
    def repeats(self) -> bool:
        """Whether somebody must still be given what he was given in the recorded run."""
        return bool(self._held_back) or any(self._order.values())

    def end(self, lane: str) -> None:
        """Learn that nothing more comes by a lane; nobody waits for what was recorded and has not come."""
        self._recorded[lane].reached = END

    @property
    def has_waiting(self) -> bool:
        """Whether there are rows not lent."""
        return bool(self._planned or self._taken or self._held_back) or super().has_waiting

    @property
    def waiting(self) -> int:
        """Rows not lent."""
        return self._planned_rows + super().waiting

    def _waits(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,), what must not be lent before every recorded range is."""
        if self._ended is None or not any(self._order.values()):
            return np.zeros(len(numbers), np.bool_)
        return ~np.isin(numbers, self._ended)

    def _plan(
        self, recorded: _Recorded, lane: str, pending: Pending[B], numbers: NDArray[np.int64]
    ) -> NDArray[np.int32]:
        """Keep the ranges that lie in a batch for their workers; return how often each row is delivered."""
        deliveries = np.zeros(len(numbers), np.int32)
        first, stop = np.searchsorted(recorded.numbers, [numbers[0], numbers[-1] + 1]).tolist()
        rows = np.searchsorted(numbers, recorded.numbers[first:stop])
        is_here = numbers[rows] == recorded.numbers[first:stop]
        range_of = recorded.range_of[first:stop]
        for k in np.unique(range_of[is_here]).tolist():
            mine = is_here & (range_of == k)
            own, masks = rows[mine], recorded.masks[first:stop][mine]
            copies = deliveries[own].copy()
            deliveries[own] += 1
            lease = replace(
                lease_pattern(
                    lane, self._worker_of[k], pending, as_slice(own), len(own), copies if copies.any() else None
                ),
                streams=None if (masks == NO_MASK).all() else masks,
            )
            self._planned[k] = Held(lease=lease)
            self._planned_rows += lease.size
        recorded.reached = max(recorded.reached, int(numbers[-1]))
        return deliveries
