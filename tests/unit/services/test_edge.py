"""What lies on an edge between strands, and for how long: taken, put back, given up."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_what_is_given_up_is_not_taken_for_what_stays_long(edge: Edge, clock: ManualClock) -> None:
    for _ in range(10):
        put(edge)
    edge.mark(10, clock())
    assert edge.discard() == 10
    clock.advance(s=60)
    put(edge)
    edge.mark(1, clock())
    clock.advance(s=1)
    edge.worked_on(len(edge.take()), clock())
    assert edge.latency.percentile_s(1) <= 60.0
    assert not edge.items
    assert edge.taken == 1


def test_who_waits_for_room_hears_that_all_was_given_up(edge: Edge) -> None:
    told: list[int] = []
    while edge.room > 0:
        put(edge)
    assert edge.when_room(lambda: told.append(1))
    assert edge.discard() == edge.capacity
    assert told == [1]
    assert edge.room == edge.capacity


def test_whose_loop_is_closed_is_woken_no_more(edge: Edge) -> None:
    loop = asyncio.new_event_loop()
    assert edge.when_any(edges.waker(loop, loop.create_future()))
    loop.close()
    with ThreadPoolExecutor() as others:
        others.submit(edge.leave).result()
    assert edge.has_ended


ACTS = st.lists(st.tuples(st.sampled_from(["put", "take", "back", "discard"]), st.integers(1, 5)), max_size=60)


@given(ACTS)
def test_items_keep_their_order_and_every_one_is_somewhere(acts: list[tuple[str, int]]) -> None:
    edge = Edge("a → b")
    edge.join()
    put, worked, hand, discarded = 0, list[int](), list[int](), 0
    for what, n in acts:
        match what:
            case "put":
                for _ in range(n):
                    edge.put(put)
                    put += 1
            case "take":
                worked += hand
                hand = edge.take(n)
            case "back":
                edge.put_back(hand[n:])
                del hand[n:]
            case _:
                discarded += edge.discard()
        assert edge.taken == len(worked) + len(hand)
        assert put == edge.taken + discarded + len(edge)
        assert edge.seen() == (put, len(edge), 0)
    found = [*worked, *hand, *edge.take(put + 1)]
    assert found == sorted(set(found))
    assert len(found) + discarded == put
