"""Steps that are given what comes before them, or keep it; their processes import them from here."""

import asyncio
import os
import queue
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

KEPT: list[Any] = []


def keep(item: Any) -> None:
    KEPT.append(item)


def even(upstream: Iterator[int]) -> Iterator[int]:
    yield from (item for item in upstream if item % 2 == 0)


def twice(upstream: Iterator[int]) -> Iterator[int]:
    for item in upstream:
        yield item
        yield -item


def batch(upstream: Iterator[Any], n: int = 3) -> Iterator[list[Any]]:
    while found := list(islice(upstream, n)):
        yield found


def batch_of(n: int) -> Callable[[Iterator[Any]], Iterator[list[Any]]]:
    def batch_made(upstream: Iterator[Any]) -> Iterator[list[Any]]:
        return batch(upstream, n)

    def made(upstream: Iterator[Any]) -> Iterator[list[Any]]:
        yield from batch_made(upstream)

    return made


def adder(n: int) -> Callable[[int], int]:
    return lambda item: item + n


def flat(upstream: Iterator[list[Any]]) -> Iterator[Any]:
    for items in upstream:
        yield from items


def same_array(upstream: Iterator[int]) -> Iterator[Any]:
    """Give one array again and again, with other numbers in it."""
    array = np.zeros(20)
    for item in upstream:
        array[:] = item
        yield array


def numbers_of(array: Any) -> tuple[int, int]:
    return int(array.min()), int(array.max())


def at_the_end(upstream: Iterator[int]) -> Iterator[int]:
    yield sum(upstream)


def first_three(upstream: Iterator[int]) -> Iterator[int]:
    yield from islice(upstream, 3)


def sevens_out(item: int) -> int | None:
    return item if item % 7 else None


def four_is_wrong(item: int) -> int:
    if item == 4:
        raise ValueError("four")
    return item


async def add_async(item: int) -> int:
    await asyncio.sleep(0)
    return item + 1


async def twice_async(upstream: AsyncIterator[int]) -> AsyncIterator[int]:
    async for item in upstream:
        yield item
        await asyncio.sleep(0)
        yield -item


async def pairs_async(upstream: AsyncIterator[int]) -> AsyncIterator[tuple[int, ...]]:
    found: list[int] = []
    async for item in upstream:
        found.append(item)
        if len(found) == 2:
            yield tuple(found)
            found = []
    if found:
        yield tuple(found)


class Buffer:
    """Keep what comes until somebody asks."""

    def __init__(self) -> None:
        self._items: queue.Queue[Any] = queue.Queue()

    def put(self, item: Any) -> None:
        self._items.put(item)

    def get(self) -> Any:
        item = self._items.get()
        if item is self:
            raise StopIteration
        return item

    def end(self) -> None:
        self._items.put(self)


class AsyncBuffer:
    def __init__(self, most: int = 3) -> None:
        self._items: asyncio.Queue[Any] = asyncio.Queue(most)

    async def put(self, item: Any) -> None:
        await self._items.put(item)

    async def get(self) -> Any:
        item = await self._items.get()
        if item is self:
            raise StopAsyncIteration
        return item

    async def end(self) -> None:
        await self._items.put(self)


def queue_of(most: int) -> "queue.Queue[Any]":
    return queue.Queue(most)


def queue_async_of(most: int) -> "asyncio.Queue[Any]":
    return asyncio.Queue(most)


def fours_break(upstream: Iterator[int]) -> Iterator[int]:
    """Count, and raise on every fourth item."""
    for found, item in enumerate(upstream, 1):
        if item % 4 == 3:
            raise ValueError("a fourth")
        yield found


async def fours_break_async(upstream: AsyncIterator[int]) -> AsyncIterator[int]:
    found = 0
    async for item in upstream:
        found += 1
        if item % 4 == 3:
            raise ValueError("a fourth")
        yield found


def die(upstream: Iterator[int], folder: str, times: int = 1) -> Iterator[int]:
    """Kill the process on 3, so many times."""
    for item in upstream:
        if item == 3 and len(list(Path(folder).iterdir())) < times:
            Path(folder, f"{time.monotonic_ns()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield item


def die_at_the_end(upstream: Iterator[int]) -> Iterator[int]:
    yield from upstream
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_once(_: Iterator[int]) -> Iterator[int]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield 0


def hang(upstream: Iterator[int]) -> Iterator[int]:
    for item in upstream:
        while item == 3:
            time.sleep(1)
        yield item


async def hang_async(upstream: AsyncIterator[int]) -> AsyncIterator[int]:
    async for item in upstream:
        if item == 3:
            await asyncio.Event().wait()
        yield item


def no_traveller(upstream: Iterator[int]) -> Iterator[Any]:
    for item in upstream:
        yield open if item == 3 else item


class Above:
    """Has a parameter, and gives single items."""

    def __init__(self, *, above: Annotated[int, Ge(-1)] = -1) -> None:
        self.above = above

    def __call__(self, upstream: Iterator[int]) -> Iterator[int]:
        for item in upstream:
            if item > self.above:
                yield item


class LatestEver:
    """Say the value of a parameter over and over, though nothing comes."""

    def __init__(self, *, value: int = 0) -> None:
        self.value = value

    async def __call__(self, upstream: AsyncIterator[int]) -> AsyncIterator[int]:
        async for _ in upstream:
            while True:
                await asyncio.sleep(0.001)
                yield self.value


class Ticking:
    """Say what it is told now and then, and that it was closed."""

    tick_s = 0.01

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def __call__(self, item: int) -> int:
        return item

    def tick(self, _: Any) -> None:
        (self.folder / "ticked").touch()

    def close(self) -> None:
        (self.folder / f"closed-{os.getpid()}").touch()


def once_ticked(folder: str) -> Iterator[int]:
    """Give items until somebody ticked."""
    n = 0
    while not Path(folder, "ticked").exists():
        time.sleep(0.001)
        yield n
        n += 1


def two_and_wait(folder: str) -> Iterator[int]:
    yield 0
    yield 1
    while not Path(folder, "out").exists():
        time.sleep(0.001)


def tell(item: Any, folder: str, n: int) -> Any:
    """Let the source end when so many have come out."""
    KEPT.append(item)
    if len(KEPT) == n:
        Path(folder, "out").touch()
    return item


def many(upstream: Iterator[int], n: int) -> Iterator[Any]:
    """Give much more than is taken."""
    for item in upstream:
        for _ in range(n):
            yield np.full(1000, float(item))


def total(array: Any) -> float:
    return float(array.sum())
