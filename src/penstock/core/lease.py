"""What the dispatcher hands out: leases of ranges, and what it says when a worker dies."""

from collections.abc import Sized
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from penstock.core.block import Rows, pick
from penstock.core.routes import Routes

__all__ = ["Assigned", "GivenUp", "Lease", "Lost", "Taken"]

B = TypeVar("B", bound=Sized)


class Lease(msgspec.Struct, Generic[B], frozen=True, kw_only=True, eq=False, gc=False):
    """Rows of one batch lent to one worker until it is done with them or dies."""

    id: int
    """From 1, in the order of lending; never used twice."""
    worker: str
    lane: str
    batch: B
    rows: Rows
    """Rows of ``batch``, ascending: a slice where they are consecutive, else indices."""
    size: int
    """How many rows."""
    given_ns: int
    streams: NDArray[np.uint64] | None = None
    """(size,), bit s: the worker gets the part of stream s; ``None``: whole events."""
    copies: NDArray[np.int32] | None = None
    """(size,), which of the event's deliveries this is, from 0; ``None``: 0, the only one. A lease given again keeps
    its numbers, so results are deduplicated by (event, copy)."""
    attempts: int = 1
    """How many workers have been given these rows, this one included."""
    again: bool = False
    """Whether these rows come from a dead worker: others wait for what stands before theirs."""
    submission: int = 0
    """Which ``submit`` brought the batch, from 0."""
    routes: Routes | None = None
    """(k, size), the entries that led to this worker; the dispatcher's own."""

    def lent(self, number: int, now_ns: int) -> "Lease[B]":
        """Return the lease as it is lent now, under a number."""
        return replace(self, id=number, given_ns=now_ns)

    def part(self, start: int, stop: int) -> "Lease[B]":
        """Return the lease of some of its rows, such as the half to try next."""
        return self if stop - start == self.size else self.take(slice(start, stop))

    def take(self, positions: Rows) -> "Lease[B]":
        """Return the lease of the rows at some positions, 0 … ``size`` - 1, ascending."""
        rows = pick(self.rows, positions)
        return replace(
            self,
            rows=rows,
            size=rows.stop - rows.start if isinstance(rows, slice) else len(rows),
            streams=None if self.streams is None else self.streams[positions],
            copies=None if self.copies is None else self.copies[positions],
            routes=None if self.routes is None else self.routes.take(positions),
        )


class Taken(msgspec.Struct, Generic[B], frozen=True, kw_only=True, eq=False, gc=False):
    """Rows that left a lane's queue, in the order of their numbers: what a resequencer must expect."""

    lane: str
    batch: B
    rows: Rows
    deliveries: NDArray[np.int32] | None = None
    """(rows,), how many workers each event goes to, 0 for nobody; ``None``: one each."""
    again: bool = False
    """True: these rows were taken before, and ``deliveries`` come on top (a dead worker's rows went to several)."""


class Assigned(msgspec.Struct, Generic[B], frozen=True, kw_only=True, eq=False, gc=False):
    """What ``assign`` decided; give ``taken`` to the resequencer before any result of ``leases``."""

    leases: list[Lease[B]]
    taken: list[Taken[B]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GivenUp(Generic[B]):
    """What waited and was taken out, so that nobody will work on it."""

    fresh: list[Lease[B]]
    """Of which nobody was told with ``taken``: a resequencer does not know them."""
    given: list[Lease[B]]
    """Of which results are expected, because they were told with ``taken``."""
    taken: list[Taken[B]]
    """What is to be told to the resequencer first."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lost(Generic[B]):
    """What died with a worker."""

    worker: str
    leases: list[Lease[B]]
    """What it had and somebody must have: give each back with ``Dispatcher.again``, or account for it."""
    copies: list[Lease[B]]
    """Its copies of events meant for all workers, which other workers have too: they end here, without result."""
    constraints: dict[str, NDArray[np.int64]]
    """Per lane, the constraints that were bound to it and are free again: state it kept for them is gone."""
