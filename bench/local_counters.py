"""What the counters of all edges cost, in parts of the CPU time of what they count."""

from collections.abc import Iterator
from itertools import count

from bench.effort import Effort
from bench.local_hops import costs_us
from bench.local_sources import ROWS
from bench.row import Row, median_s
from penstock.core.ledger import Account, Ledger
from penstock.monitor.edge_watch import Watches
from penstock.monitor.latency import Latency

__all__ = ["rows"]

EDGES = (
    ("instrument", "left", Account.DONE),
    ("instrument", "right", Account.DONE),
    ("left", "pair", Account.JOINED),
    ("right", "pair", Account.JOINED),
    ("pair", "work", Account.DONE),
    ("work", "sum", Account.DONE),
)
TURNS = 4
"""Of the event builder for one block of each stream if nothing comes together: two readings, a result, its safety."""
LATENCIES = 4
"""Two sources, a map, a reducer."""
UNITS = 2000


def rows(effort: Effort) -> Iterator[Row]:
    """Compare what is counted for one block of each of two streams with all that is done for it."""
    whole_us = sum(
        costs_us("bench.local_events:batches", effort.engine, 16 * ROWS, effort.count(10.8e6, ROWS), {}).values()
    )
    yield Row(
        name="counters: books, rates, latencies of 6 edges, a unit (2 blocks)", value=counting_us(), unit="µs",
        reference=whole_us * ROWS, of="CPU of all processes for a unit of 2 × 4096 × 256 B", target_ratio=0.02,
        asks="at most",
    )  # fmt: skip
    frames_us = costs_us("bench.local_frames:in_place", effort.engine, 16, effort.count(14.8e3), {"is_read": False})
    yield Row(
        name="counters: the same, for two frames", value=counting_us(), unit="µs",
        reference=sum(frames_us.values()), of="CPU of all processes for a unit of 2 × 8 MB in place, unread",
        asks="at most",
    )  # fmt: skip


def counting_us() -> float:
    """Return what it takes to count one block of each of two streams through a join, a map and a reducer."""
    ledger = Ledger()
    entries = [(ledger.entry(producer, consumer), account) for producer, consumer, account in EDGES]
    watches, latencies, times = Watches(ledger), [Latency() for _ in range(LATENCIES)], count(0, 100_000)

    def work() -> None:
        for _ in range(UNITS):
            for entry, account in entries:
                entry.arrive(ROWS)
                entry.post(account, ROWS)
            for latency in latencies:
                latency.add(1_234_567, ROWS)
            for _ in range(TURNS):
                watches.look(next(times))

    return median_s(work) / UNITS * 1e6
