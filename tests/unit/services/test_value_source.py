"""A source of plain values is read on a thread of its own, up to a bound, and closed whatever it does."""

import asyncio
import queue
import select
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
import pytest

from penstock.core import Message
from penstock.elements import clock
from penstock.elements.item_source import ItemSource
from penstock.elements.source import Source
from penstock.errors import SourceError, UserCodeError
from penstock.services import value_shelf, value_source
from penstock.services.flow import items_of
from penstock.services.made import made_source
from penstock.services.value_source import ValueSource
from penstock.testing import ManualClock
from penstock.testing.engine_cases import Frames

LONGEST_S = 20.0


def source(target: Callable[..., Any], **arguments: Any) -> ValueSource:
    made = ValueSource(ItemSource.made(target, arguments, "s"), "s")
    made.stream = "s"
    made.open()
    return made


def read(made: Source, n: int | None = None) -> list[Any]:
    """Read until there are so many items, or the end."""
    found: list[Any] = []
    while n is None or len(found) < n:
        assert select.select([made.pollable], [], [], LONGEST_S)[0]
        reading = made.read(0)
        found += [item for block in reading.blocks for item in items_of(block)]
        if reading.ended:
            break
    return found


def numbers(n: int) -> Iterator[int]:
    yield from range(n)


def test_values_come_in_order_and_the_end_behind_them() -> None:
    made = source(numbers, n=10_000)
    assert read(made) == list(range(10_000))
    made.close()
    made.close()


def test_a_message_stays_one_among_values() -> None:
    made = source(lambda: iter([1, Message(key=7), Message(key=8), 2]))
    one, first, second, two = read(made)
    assert (one, first.key, second.key, two) == (1, 7, 8, 2)
    made.close()


def test_what_is_read_ahead_is_bounded_and_goes_on_when_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_shelf, "MOST", 10)
    given = []

    def endless() -> Iterator[int]:
        for number in count():
            given.append(number)
            yield number

    made = source(endless)
    assert read(made, 35)[:35] == list(range(35))
    made.close()
    assert len(given) < 60


def test_arrays_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_shelf, "MOST_BYTES", 1000)
    given = []

    async def endless() -> AsyncIterator[Any]:
        for number in count():
            given.append(number)
            yield np.full(100, number, np.uint8)

    made = source(endless)
    assert [int(array[0]) for array in read(made, 25)][:25] == list(range(25))
    made.close()
    assert len(given) < 60


@pytest.mark.parametrize("is_async", [False, True])
def test_generators_are_closed_where_they_are(is_async: bool) -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            yield from count()
        finally:
            closed.set()

    async def endless_async() -> AsyncIterator[int]:
        try:
            yield 0
            await asyncio.Event().wait()
        finally:
            closed.set()

    made = source(endless_async if is_async else endless)
    assert read(made, 1)[0] == 0
    made.close()
    assert closed.is_set()


@pytest.mark.parametrize("is_async", [False, True])
def test_an_object_is_closed_once(is_async: bool) -> None:
    class Plain:
        closed = 0

        def __iter__(self) -> Iterator[int]:
            return iter([1])

        def close(self) -> None:
            Plain.closed += 1

    class Async:
        def __aiter__(self) -> AsyncIterator[int]:
            return self._items()

        async def _items(self) -> AsyncIterator[int]:
            yield 1

        async def close(self) -> None:
            Plain.closed += 1

    made = source(Async if is_async else Plain)
    assert read(made) == [1]
    made.close()
    assert Plain.closed == 1


def test_what_was_never_opened_is_closed_too() -> None:
    class Plain(list[int]):
        closed = False

        def close(self) -> None:
            Plain.closed = True

    made = ValueSource(ItemSource.made(Plain, {}, "s"), "s")
    made.close()
    assert Plain.closed


def test_code_that_blocks_does_not_keep_the_run_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_source, "CLOSE_S", 0.05)
    held: queue.Queue[int] = queue.Queue()

    def blocking() -> Iterator[int]:
        yield held.get()

    made = source(blocking)
    made.close()
    held.put(1)


def test_an_object_that_blocks_is_let_go_by_its_own_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_source, "CLOSE_S", 0.05)

    class Blocking:
        def __init__(self) -> None:
            self.items: queue.Queue[int | None] = queue.Queue()

        def __iter__(self) -> "Blocking":
            return self

        def __next__(self) -> int:
            item = self.items.get()
            if item is None:
                raise StopIteration
            return item

        def close(self) -> None:
            self.items.put(None)

    made = source(Blocking)
    before = threading.active_count()
    made.close()
    assert threading.active_count() < before


@pytest.mark.parametrize("is_async", [False, True])
def test_what_it_raises_names_the_source_behind_everything_it_gave(is_async: bool) -> None:
    def breaks() -> Iterator[int]:
        yield 1
        raise OSError("no line")

    async def breaks_async() -> AsyncIterator[int]:
        yield 1
        raise OSError("no line")

    made = source(breaks_async if is_async else breaks)
    assert read(made, 1) == [1]
    with pytest.raises(UserCodeError, match=r"^source s: OSError: no line$") as caught:
        read(made)
    assert isinstance(caught.value.__cause__, OSError)
    made.close()


def test_an_error_of_ours_stays_as_it_is() -> None:
    def breaks() -> Iterator[int]:
        yield from ()
        raise SourceError("tcp://panda:8889 was closed")

    made = source(breaks)
    with pytest.raises(SourceError, match=r"^tcp://panda:8889 was closed$"):
        read(made)
    made.close()


def test_a_buffer_is_read_by_its_get() -> None:
    class Box:
        def __init__(self) -> None:
            self.left = [1, 2]

        def put(self, item: int) -> None: ...

        def get(self) -> int | None:
            if not self.left:
                raise StopIteration
            return self.left.pop(0)

    class AsyncBox(Box):
        async def get(self) -> int | None:  # type: ignore[override]
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    for kind in (Box, AsyncBox):
        made = source(kind)
        assert read(made) == [1, 2]
        made.close()


def test_the_clock_of_whoever_opens_it_holds_in_its_thread() -> None:
    def hours() -> Iterator[float]:
        for _ in range(2):
            clock.sleep(3600)
            yield clock.monotonic_s()

    with clock.use(ManualClock()):
        made = source(hours)
        assert read(made) == [3600, 7200]
    made.close()


def test_a_function_may_make_a_source_or_something_to_read_from() -> None:
    def frames(n: int) -> Source:
        return Frames(n)

    assert isinstance(made_source(frames, {"n": 3}, "mine:frames", "s"), Frames)
    made = made_source(numbers, {"n": 3}, "mine:numbers", "s")
    assert isinstance(made, ValueSource)
    made.close()
    with pytest.raises(UserCodeError, match="source s: numbers could not be made"):
        made_source(numbers, {"m": 3}, "mine:numbers", "s")
