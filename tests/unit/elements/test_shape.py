"""What shape a step has, and what a source of plain values is read from."""

import asyncio
import queue
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import pytest

from penstock.elements import clock
from penstock.elements.item_source import ItemSource
from penstock.elements.shape import StepShape, is_async_call, shape_of
from penstock.elements.step import Step
from penstock.elements.user_code import problems_of
from penstock.errors import UserCodeError
from penstock.testing import ManualClock


def function(item: int, add: int = 1) -> int:
    return item + add


async def coroutine(item: int) -> int:
    return item


def generator(upstream: Iterator[int], n: int = 1) -> Iterator[int]:
    yield from islice(upstream, n)


async def async_generator(upstream: AsyncIterator[int]) -> AsyncIterator[int]:
    async for item in upstream:
        yield item


class Called:
    def __call__(self, item: int) -> int:
        return item


class CalledGenerator:
    def __call__(self, upstream: Iterator[int]) -> Iterator[int]:
        yield from upstream


class Put:
    def put(self, item: int) -> None: ...

    async def get(self) -> int:
        return 1


class CalledBuffer(Called, Put): ...


def factory(what: str) -> Any:
    return {"function": function, "generator": generator, "object": Called(), "buffer": queue.Queue()}[what]


@pytest.mark.parametrize(
    ("target", "arguments", "shape"),
    [
        (function, {}, StepShape.FUNCTION),
        (function, {"add": 2}, StepShape.FUNCTION),
        (coroutine, {}, StepShape.COROUTINE),
        (generator, {"n": 2}, StepShape.GENERATOR),
        (async_generator, {}, StepShape.ASYNC_GENERATOR),
        (Called, {}, StepShape.FUNCTION),
        (CalledGenerator, {}, StepShape.GENERATOR),
        (Put, {}, StepShape.BUFFER),
        (asyncio.Queue, {"maxsize": 3}, StepShape.BUFFER),
        (CalledBuffer, {}, StepShape.FUNCTION),
        (factory, {"what": "function"}, StepShape.FUNCTION),
        (factory, {"what": "generator"}, StepShape.GENERATOR),
        (factory, {"what": "object"}, StepShape.FUNCTION),
        (factory, {"what": "buffer"}, StepShape.BUFFER),
    ],
)
def test_the_shape_of_a_step(target: Callable[..., Any], arguments: dict[str, Any], shape: StepShape) -> None:
    assert problems_of("step", target, arguments) == []
    assert Step(target, arguments).shape is shape


def test_what_suits_a_source_only_is_refused_as_a_step() -> None:
    def source() -> Iterator[int]:
        yield 1

    (problem,) = problems_of("step", source)
    assert "suits a source only" in problem.text
    with pytest.raises(UserCodeError, match="which is no step"):
        Step(source)


def test_a_partial_has_the_shape_of_what_it_calls() -> None:
    assert shape_of(partial(partial(generator), n=3)) is StepShape.GENERATOR
    assert is_async_call(partial(coroutine, 3))
    assert shape_of(3) is None


# Sources


def read(target: Callable[..., Any], n: int = 3, **arguments: Any) -> list[Any]:
    source = ItemSource.made(target, arguments, "numbers")
    if source.items is not None:
        with clock.use(ManualClock()):
            return list(islice(source.items, n))
    if source.async_items is not None:
        return asyncio.run(first(source.async_items, n))
    return [source.buffer.get() for _ in range(n)]


async def first(items: AsyncIterator[Any], n: int) -> list[Any]:
    found: list[Any] = []
    async for item in items:
        found.append(item)
        if len(found) == n:
            break
    return found


def counted(start: int = 0) -> Iterator[int]:
    yield from range(start, start + 3)


async def counted_async(start: int = 0) -> AsyncIterator[int]:
    for number in range(start, start + 3):
        yield number


class Counter:
    def __init__(self, start: int = 0) -> None:
        self.next = start - 1

    def __call__(self) -> int:
        self.next += 1
        return self.next


class AsyncCounter(Counter):
    async def __call__(self) -> int:  # type: ignore[override]
        return super().__call__()


class Iterable:
    def __init__(self, start: int = 0) -> None:
        self.start = start

    def __iter__(self) -> Iterator[int]:
        return counted(self.start)


class Filled(queue.Queue[int]):
    def __init__(self, start: int = 0) -> None:
        super().__init__()
        for number in range(start, start + 3):
            self.put(number)


def made(start: int = 0) -> Any:
    return lambda: counted(start)


def listed(start: int = 0) -> Any:
    return iter(range(start, start + 3))


@pytest.mark.parametrize(
    "target",
    [counted, counted_async, Counter, AsyncCounter, Iterable, Filled, listed],
    ids=lambda target: target.__name__,
)
def test_every_shape_of_source_is_read(target: Callable[..., Any]) -> None:
    assert read(target) == [0, 1, 2]
    assert read(target, start=5) == [5, 6, 7]


def test_a_function_is_called_again_and_again() -> None:
    values = iter([1, None, 2, 3])

    def ask() -> int | None:
        return next(values)

    assert read(ask, n=10) == [1, 2, 3]


def test_a_coroutine_function_is_called_again_and_again() -> None:
    values = iter([1, None, 2])

    async def ask() -> int | None:
        try:
            return next(values)
        except StopIteration:
            raise StopAsyncIteration from None

    assert read(ask, n=10) == [1, 2]


def test_a_source_that_cannot_be_made_names_the_cause() -> None:
    def broken() -> None:
        raise OSError("no such device")

    with pytest.raises(UserCodeError, match=r"source numbers: .*broken could not be made: OSError: no such device"):
        read(broken)


def test_a_list_may_come_in_chunks() -> None:
    class Chunks:
        in_chunks = True

        def __iter__(self) -> Iterator[list[int]]:
            yield [1, 2]

    assert ItemSource.made(Chunks, {}, "x").in_chunks
