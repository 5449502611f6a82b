"""One lane of a map stage: rows in the order in which they must be taken. It knows no worker."""

from bisect import insort
from collections import deque
from typing import Generic

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.binding import Binding
from penstock.core.block import Rows, pick
from penstock.core.lease import B
from penstock.core.routes import Routes

__all__ = ["Lane", "Pending"]


class Pending(msgspec.Struct, Generic[B], kw_only=True, eq=False, gc=False):
    """Rows of one batch that wait to be taken; ``at`` moves from 0 to ``size``."""

    batch: B
    submission: int
    """Which ``submit`` brought the batch."""
    rows: Rows
    size: int
    routes: Routes | None
    """(k, size)"""
    at: int = 0
    copies: NDArray[np.int32] | None = None
    """(size,), of rows given again."""
    needs_nobody: bool = False
    """Whether no event has an entry."""
    again: bool = False
    attempts: int = 0

    def order(self) -> tuple[int, int]:
        """Where these rows stand in their lane."""
        first = self.rows.start if isinstance(self.rows, slice) else int(self.rows[0])
        return self.submission, first

    @property
    def left(self) -> int:
        """Rows not taken yet."""
        return self.size - self.at


class Lane(Generic[B]):
    """First in, first out; rows of dead workers come before everything else, in order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.binding = Binding()
        self.queue: deque[Pending[B]] = deque()
        self.returned: list[Pending[B]] = []
        self.waiting = 0
        """Rows in queue."""
        self.horizon = 0
        """Constraints below are named by no batch in the queue or after it."""

    def append(self, pending: Pending[B]) -> None:
        """Queue new rows."""
        self.queue.append(pending)
        self.waiting += pending.size

    def give_back(self, pending: Pending[B]) -> None:
        """Queue rows of a dead worker."""
        insort(self.returned, pending, key=Pending.order)
        self.waiting += pending.size

    def heads(self) -> list[Pending[B]]:
        """Return what may be taken next: any of the returned rows, and the head of the queue."""
        return [*self.returned, self.queue[0]] if self.queue else self.returned[:]

    def take(self, pending: Pending[B], count: int) -> Rows:
        """Take the next rows of one of the heads."""
        start, stop = pending.at, pending.at + count
        pending.at = stop
        self.waiting -= count
        if not pending.left:
            self._finish(pending)
        return pick(pending.rows, slice(start, stop))

    def clear(self) -> list[Pending[B]]:
        """Take everything out that waits, in order; constraints stay as far as later batches may name them."""
        out = [*self.returned, *self.queue]
        for pending in self.queue:
            if pending.routes is not None:
                self.horizon = max(self.horizon, pending.routes.horizon)
        self.returned.clear()
        self.queue.clear()
        self.waiting = 0
        return out

    def clear_first(self, submission: int) -> list[Pending[B]]:
        """Take out what waits of one batch, which none that waits was submitted before."""
        out = [pending for pending in self.returned if pending.submission == submission]
        self.returned = [pending for pending in self.returned if pending.submission != submission]
        if self.queue and self.queue[0].submission == submission:
            pending = self.queue.popleft()
            if pending.routes is not None:
                self.horizon = max(self.horizon, pending.routes.horizon)
            out.append(pending)
        self.waiting -= sum(pending.left for pending in out)
        return out

    def _finish(self, pending: Pending[B]) -> None:
        if pending.again:
            self.returned.remove(pending)
            return
        self.queue.popleft()
        if pending.routes is not None:
            self.horizon = max(self.horizon, pending.routes.horizon)
