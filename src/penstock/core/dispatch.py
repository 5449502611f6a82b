"""The dispatcher of one map stage: which worker gets which rows of which batch, and when.

It only decides. It moves no data, knows no socket, and is told the time; nothing is done per event but array work.
"""

from collections.abc import Sequence
from typing import Generic

from penstock.core.block import Rows
from penstock.core.lease import Assigned, B, Lease, Lost
from penstock.core.routes import GENERIC, Routes

__all__ = ["Dispatcher"]


class Dispatcher(Generic[B]):
    """Lend ranges of batches to workers by credit, tags and stickiness, high lanes before low ones."""

    def __init__(self, lanes: Sequence[str] = ("",), *, target_ns: int = 10_000_000, max_rows: int = 4096) -> None: ...

    def join(self, worker: str, tags: frozenset[str] = GENERIC, credits: int = 2) -> None:
        """Let a worker take part, at any time; its name may be one that was lost before."""

    def submit(self, batch: B, routes: Routes | None = None, lane: str = "") -> Rows | None:
        """Queue a batch; return the rows that need nobody, ``None`` if there are none."""
        raise NotImplementedError

    def assign(self, now_ns: int) -> Assigned[B]:
        """Lend whatever can be lent now."""
        raise NotImplementedError

    def done(self, lease_id: int, took_ns: int) -> Lease[B]:
        """Take a lease back whose results are safe; ``took_ns`` is how long the worker worked on it."""
        raise NotImplementedError

    def report(self, worker: str, rows: int, took_ns: int) -> None:
        """Tell how long a worker takes, so that a lease is about ``target_ns`` of work."""

    def lost(self, worker: str) -> Lost[B]:
        """Take a dead worker out; its bindings are free again."""
        raise NotImplementedError

    def again(self, lease: Lease[B]) -> None:
        """Queue a dead worker's lease before everything else of its lane."""

    @property
    def waiting(self) -> int:
        """Rows not yet lent to every worker they must go to."""
        raise NotImplementedError

    @property
    def outstanding(self) -> int:
        """Leases that are lent."""
        raise NotImplementedError
