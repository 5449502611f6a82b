"""What a map stage costs an event beside the user's call: ledger, dispatcher and resequencer, in ranges of 4096."""

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bench.row import Row, median_s
from penstock.core import Account, Ledger
from penstock.core.dispatch import Dispatcher
from penstock.core.resequencer import Resequencer
from penstock.core.result_range import ResultRange
from penstock.core.routes import Routes

__all__ = [
    "flat_cost_ratio",
    "ledger_and_dispatch_us",
    "resequence_events_per_s",
    "rows",
    "sticky_dispatch_events_per_s",
]

ROWS = 4096
BATCHES = 256
PER_EVENT_NS = 100
"""What the made-up workers say they take: fast enough for leases of 4096."""


def rows() -> Iterator[Row]:
    """Measure each mechanism beside the array work it cannot do without."""
    yield Row(
        name="ledger and dispatch, ranges of 4096", value=ledger_and_dispatch_us(), unit="µs/event", target=0.05,
        reference=_bare_loop_us(), of="one dictionary update an event", asks="at most",
    )  # fmt: skip
    searched = _search_events_per_s() / 1e6
    for name, value, target in [
        ("dispatch: a sticky constraint an event", sticky_dispatch_events_per_s(), 10e6),
        ("resequence: two workers' ranges in turns", resequence_events_per_s(), 10e6),
    ]:
        yield Row(
            name=name, value=value / 1e6, unit="M events/s", reference=searched, of="searchsorted", target=target / 1e6
        )
    yield Row(
        name="dispatch: cost after 10 M events over cost at first", value=flat_cost_ratio(), unit="", reference=1.0,
        of="no growth", target=1.5, asks="at most",
    )  # fmt: skip


def ledger_and_dispatch_us() -> float:
    """Return µs an event for arriving, being lent to one of two workers, coming back and being accounted."""
    return median_s(_ledger_and_dispatch) / (ROWS * BATCHES) * 1e6


def sticky_dispatch_events_per_s() -> float:
    """Return events a second when each has a constraint of its own, two workers."""
    return ROWS * BATCHES / median_s(lambda: _sticky(Dispatcher(), BATCHES))


def resequence_events_per_s() -> float:
    """Return events a second when the ranges of two workers come each before its predecessor."""
    values: list[float] = [0.0] * ROWS
    return ROWS * BATCHES / median_s(lambda: _resequence(values))


def flat_cost_ratio() -> float:
    """Return the cost of the last of 10 M events with constraints of their own over the cost of the first."""
    dispatcher: Dispatcher[range] = Dispatcher()
    spans: list[float] = []
    for _ in range(10):
        begin = time.perf_counter()
        _sticky(dispatcher, BATCHES, first=len(spans) * BATCHES * ROWS)
        spans.append(time.perf_counter() - begin)
    return min(spans[-3:]) / min(spans[:3])


def _ledger_and_dispatch() -> None:
    entry = Ledger().entry("scan", "fit")
    dispatcher: Dispatcher[range] = Dispatcher()
    _join(dispatcher)
    for _ in range(BATCHES):
        entry.arrive(ROWS)
        dispatcher.submit(range(ROWS))
        while leases := dispatcher.assign(0).leases:
            for lease in leases:
                entry.post(Account.DONE, dispatcher.done(lease.id, lease.size * PER_EVENT_NS).size)
    assert entry.in_flight == 0


def _sticky(dispatcher: Dispatcher[range], batches: int, first: int = 0) -> None:
    if not dispatcher.workers:
        _join(dispatcher)
    for start in range(first, first + batches * ROWS, ROWS):
        constraint: NDArray[np.int64] = np.arange(start, start + ROWS)[None]
        dispatcher.submit(range(ROWS), Routes(constraint=constraint, horizon=start))
        while leases := dispatcher.assign(0).leases:
            for lease in leases:
                dispatcher.done(lease.id, lease.size * PER_EVENT_NS)
    assert not dispatcher.waiting


def _join(dispatcher: Dispatcher[range]) -> None:
    for worker in ("fit-0", "fit-1"):
        dispatcher.join(worker)


def _resequence(values: list[float]) -> None:
    resequencer = Resequencer()
    for start in range(0, BATCHES * ROWS, 2 * ROWS):
        numbers = np.arange(start, start + 2 * ROWS)
        resequencer.expect(numbers[:ROWS])
        resequencer.expect(numbers[ROWS:])
        resequencer.handle(ResultRange(stage="fit", numbers=numbers[ROWS:], values=values))
        resequencer.handle(ResultRange(stage="fit", numbers=numbers[:ROWS], values=values))
    assert not resequencer.waiting


def _bare_loop_us() -> float:
    def update() -> None:
        accounts: dict[int, int] = {}
        for number in range(ROWS):
            accounts[number] = 0

    return median_s(update) / ROWS * 1e6


def _search_events_per_s() -> float:
    keys = np.arange(ROWS * BATCHES)

    def search() -> None:
        for first in range(0, len(keys), ROWS):
            np.searchsorted(keys[first : first + ROWS], keys[first : first + ROWS])

    return len(keys) / median_s(search)
