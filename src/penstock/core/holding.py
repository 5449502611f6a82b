"""What one worker has: rows held for it, leases lent to it, and what of it others must have when it dies."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Generic

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from penstock.core.block import Rows
from penstock.core.lane import Pending
from penstock.core.lease import B, Lease
from penstock.core.range_size import RangeSize
from penstock.core.route_window import NO_CONSTRAINT, with_code
from penstock.core.routes import ALL, NOWHERE

__all__ = ["Held", "Holder", "lease_pattern", "split_copies"]


class Held(msgspec.Struct, Generic[B], kw_only=True, eq=False, gc=False):
    """Rows that are a worker's already but not lent yet; ``lease`` is a pattern for the leases cut from it."""

    lease: Lease[B]
    lowest: int = NO_CONSTRAINT
    receivers: dict[int, set[int]] = msgspec.field(default_factory=dict)
    """Per tag code, the slots of all workers that got copies of this window's entries for all."""
    at: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Holder(Generic[B]):
    """A worker as the dispatcher sees it."""

    name: str
    slot: int
    tags: frozenset[str]
    credit: int
    size: RangeSize
    lent: dict[int, Held[B]] = field(default_factory=dict)
    held: dict[str, deque[Held[B]]] = field(default_factory=dict)
    """Per lane."""
    backlog: int = 0
    """Rows in ``held``."""
    takes_fresh: bool = True
    """Whether it may be given what belongs to nobody yet, beside what must stay with it."""
    last: int = 0
    """Which lease, or binding, it was given last: of equally idle workers the one that has waited longest is next."""

    def idleness(self) -> tuple[int, int, int]:
        """By which the idlest is found first."""
        return len(self.lent), self.last, self.slot

    @property
    def free(self) -> int:
        """Leases it may still be lent.

        Twice as many short ones, with which it would be through before the next could come; a credit of one is meant.
        """
        return (2 * self.credit if self.credit > 1 and self.size.is_short else self.credit) - len(self.lent)

    def free_for(self, lower: Collection[str]) -> int:
        """Leases of a lane it may still be lent, beside those of lower ones, with which it goes on afterwards.

        Parameters
        ----------
        lower
            The lanes that are less urgent.
        """
        free = self.free
        if free > 0 or not lower or not self.credit:
            return free
        behind = sum(held.lease.lane in lower for held in self.lent.values())
        return self.credit - (len(self.lent) - behind) if behind else free


def lease_pattern(
    lane: str, worker: str, pending: Pending[B], rows: Rows, size: int, copies: NDArray[np.int32] | None = None
) -> Lease[B]:
    """Return a lease of whole events that is not lent yet."""
    return Lease(
        id=0, worker=worker, lane=lane, batch=pending.batch, rows=rows, size=size, given_ns=0,
        copies=copies, attempts=pending.attempts + 1, again=pending.again, submission=pending.submission,
    )  # fmt: skip


def split_copies(held: Held[B], lease: Lease[B], slot: int) -> tuple[list[Lease[B]], list[Lease[B]]]:
    """Part a dead worker's rows into those somebody else must have, and copies that others have as well."""
    routes = lease.routes
    if routes is None:
        return [lease], []
    to_all = routes.constraint == ALL
    spare = np.zeros_like(to_all)
    for code, group in held.receivers.items():
        group.discard(slot)
        if group:
            spare |= with_code(routes, to_all, code)
    if not spare.any():
        return [lease], []
    constraint = np.where(spare, NOWHERE, routes.constraint)
    needed = (constraint != NOWHERE).any(0)
    narrowed = replace(lease, routes=replace(routes, constraint=constraint))
    return (
        [narrowed.take(np.flatnonzero(needed))] if needed.any() else [],
        [lease.take(np.flatnonzero(~needed))] if not needed.all() else [],
    )
