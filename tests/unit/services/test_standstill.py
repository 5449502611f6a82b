"""A strand that is held, and one that waits for room: it stands still with nothing in its hands, and is woken."""

import asyncio
import threading
from typing import Any

import pytest

from penstock.services.strands.edge import Edge
from penstock.services.strands.feed import EdgeFeed
from penstock.services.strands.free_room import UNBOUNDED, FreeRoom
from penstock.services.strands.standstill import Standstill


def held() -> tuple[Standstill, Edge, Any]:
    """Return one that is held, after it has taken the first of three items from an edge."""
    edge = Edge("a → b")
    edge.join()
    edge.put_all([1, 2, 3])
    feed = EdgeFeed(edge)
    still = Standstill(feed, is_of_feed=True)
    items = feed.items(still.event)
    assert next(items) == 1
    assert not edge.items
    still.gate.shut()
    return still, edge, items


def test_who_is_held_puts_back_what_it_has_not_begun() -> None:
    still, edge, items = held()
    seen: list[tuple[bool, list[int]]] = []

    def look() -> None:
        seen.append((still.is_parked, list(edge.items)))
        still.gate.open()

    still.on_parked = look
    still.wait()
    assert seen == [(True, [2, 3])]
    assert not still.is_parked
    assert next(items) == 2


def test_a_thread_that_stands_still_is_woken() -> None:
    still, _, _ = held()
    parked = threading.Event()
    still.on_parked = parked.set
    thread = threading.Thread(target=still.wait)
    thread.start()
    assert parked.wait(10)
    still.wake()
    thread.join(10)
    assert not thread.is_alive()


def test_a_task_that_stands_still_is_woken() -> None:
    async def live() -> None:
        still, edge, _ = held()
        waiting = asyncio.ensure_future(still.wait_awaiting())
        while not still.is_parked:
            await asyncio.sleep(0)
        assert list(edge.items) == [2, 3]
        still.gate.open()
        await waiting
        assert not still.is_parked

    asyncio.run(live())


def full(*, when_full: Any = "block") -> tuple[Edge, FreeRoom, Standstill]:
    edge = Edge("b → c", capacity=4, when_full=when_full)
    edge.join()
    for number in range(4):
        edge.put(number)
    still = Standstill(EdgeFeed(Edge("a → b")), is_of_feed=True)
    return edge, FreeRoom([edge], still.gate), still


def test_room_is_that_of_the_edge_that_has_least() -> None:
    edge, room, still = full()
    assert room.count == 0
    edge.take(1)
    assert room.count == 1
    assert FreeRoom([edge, Edge("b → d")], still.gate).count == 1
    assert FreeRoom([], still.gate).count == UNBOUNDED


def test_nobody_waits_for_edges_that_give_items_up() -> None:
    _, room, still = full(when_full="drop_oldest")
    assert room.wait(still.event) == UNBOUNDED


@pytest.mark.parametrize("is_halted", [False, True])
def test_who_waits_for_room_is_woken_when_there_is_some(is_halted: bool) -> None:
    edge, room, still = full()
    found: list[int] = []
    if is_halted:
        still.gate.halt()
    thread = threading.Thread(target=lambda: found.append(room.wait(still.event)))
    thread.start()
    if not is_halted:
        while not edge._full_wakes:
            pass
        edge.take()
    thread.join(10)
    assert found == [0 if is_halted else 4]


def test_a_task_waits_for_room_too() -> None:
    async def live() -> int:
        edge, room, _ = full()
        waiting = asyncio.ensure_future(room.wait_awaiting())
        while not edge._full_wakes:
            await asyncio.sleep(0)
        edge.take()
        return await waiting

    assert asyncio.run(live()) == 4
