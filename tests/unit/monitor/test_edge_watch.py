"""What is found by looking at the books now and then: how long things stay on an edge, and how fast it is."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.ledger import Account, Ledger
from penstock.monitor.edge_watch import MOST_WAITING, EdgeWatch, Watches
from penstock.monitor.latency import Latency
from penstock.monitor.report import RunReport, books_of_nothing, edges_of

NS_PER_S = 1_000_000_000
MOVES = st.lists(st.tuples(st.integers(0, 20), st.floats(0, 1), st.integers(0, NS_PER_S)), max_size=40)


@given(moves=MOVES)
def test_things_are_timed_from_the_look_that_saw_them_come_to_the_one_that_saw_them_end(
    moves: list[tuple[int, float, int]],
) -> None:
    entry = Ledger().entry("scan", "fit")
    watch, expected, waiting, now = EdgeWatch(entry), Latency(), deque[int](), 0
    for come, share, later in moves:
        now += later
        entry.arrive(come)
        waiting.extend([now] * come)
        ending = round(share * entry.in_flight)
        entry.post(Account.FAILED, ending // 2)
        entry.post(Account.DONE, ending - ending // 2)
        for _ in range(ending):
            expected.add(now - waiting.popleft())
        watch.look(now)
    assert watch.latency.total == expected.total
    assert watch.latency.max_s == expected.max_s
    assert [watch.latency.percentile_s(p) for p in (10, 50, 99)] == [expected.percentile_s(p) for p in (10, 50, 99)]


def test_a_long_backlog_needs_no_more_memory() -> None:
    entry = Ledger().entry("scan", "fit")
    watch = EdgeWatch(entry)
    for now in range(2 * MOST_WAITING):
        entry.arrive(1)
        watch.look(now)
    assert len(watch._waiting) == MOST_WAITING
    entry.post(Account.DONE, entry.in_flight)
    watch.look(3 * MOST_WAITING)
    assert watch.latency.total == 2 * MOST_WAITING
    assert not watch._waiting


def test_the_rate_is_that_of_the_last_second() -> None:
    ledger = Ledger()
    watches, entry = Watches(ledger), ledger.entry("a", "scan")
    assert watches.recent_per_s(entry, 0) == 0.0
    for tick in range(40):  # 100 ms each: two seconds of 1000/s, then two of 50/s
        watches.look(tick * NS_PER_S // 10)
        entry.arrive(100 if tick < 20 else 5)
    now = 4 * NS_PER_S
    watches.look(now)
    assert watches.recent_per_s(entry, now) == pytest.approx(50, rel=0.01)
    for tick in range(1, 4):  # an idle run is looked at once a second
        watches.look(now + tick * NS_PER_S)
    assert watches.recent_per_s(entry, now + 3 * NS_PER_S) == 0.0


def test_an_edge_that_is_opened_late_is_seen_from_then_on() -> None:
    ledger = Ledger()
    watches = Watches(ledger)
    watches.look(0)
    entry = ledger.entry("a", "scan")
    entry.arrive(10)
    assert watches.latency(entry).total == 0
    watches.look(NS_PER_S // 2)
    assert watches.recent_per_s(entry, NS_PER_S) == pytest.approx(10)


def test_a_report_names_the_loss_of_an_edge() -> None:
    ledger = Ledger()
    watches, entry = Watches(ledger), ledger.entry("a", "scan")
    entry.arrive(100)
    for account in Account:
        entry.post(account, 1)
    watches.look(0)
    (edge,) = edges_of(ledger, 2.0, watches, NS_PER_S)
    assert (edge.loss, edge.in_flight, edge.rate_per_s) == (7, 88, 50.0)
    assert edge.latency is not None
    assert edge.latency.count == 12
    books = books_of_nothing("p", "r")
    report = RunReport(**{**{f: getattr(books, f) for f in books.__struct_fields__}, "edges": [edge]})
    assert report.with_rest_aborted().edges[0].loss == 95
    assert report.with_rest_aborted().adds_up
