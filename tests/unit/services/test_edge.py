"""How long items stay on an edge between strands."""

import pytest

from penstock.services.strands import edge as edges
from penstock.services.strands.edge import Edge
from penstock.testing import ManualClock

S = 1_000_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    clock = ManualClock(S)
    monkeypatch.setattr(edges, "perf_counter_ns", clock)
    return clock


@pytest.fixture
def edge() -> Edge:
    edge = Edge("a → b")
    edge.join()
    return edge


def put(edge: Edge) -> None:
    edge.put(1)
    if edge.hungry:
        edge.wake()


def test_slow_items_are_timed_from_when_they_wake_somebody(edge: Edge, clock: ManualClock) -> None:
    for _ in range(5):
        assert edge.when_any(lambda: None)
        put(edge)
        clock.advance(ns=1000)
        edge.worked_on(len(edge.take()), clock())
        clock.advance(s=0.1)
        edge.mark(1, clock())  # books are kept later only
        clock.advance(s=10)
    assert (edge.latency.total, edge.latency.max_s) == (5, 1e-6)


def test_items_that_wait_are_timed_from_when_the_books_have_them(edge: Edge, clock: ManualClock) -> None:
    for _ in range(100):
        put(edge)
    edge.mark(100, clock())
    clock.advance(s=2)
    edge.worked_on(len(edge.take()), clock())
    assert (edge.latency.total, edge.latency.max_s) == (1, 2.0)
