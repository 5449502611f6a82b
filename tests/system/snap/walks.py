"""User code of SNAP's kind, which knows nothing of penstock: generators, steps, factories and buffers."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from snap import timing  # type: ignore[import-not-found]  # served to those whose file is SNAP's

__all__ = [
    "Gather",
    "above",
    "amount",
    "ask",
    "countdown",
    "doubled",
    "first",
    "gather",
    "level",
    "shout",
    "slow",
    "tell",
    "twice",
    "walk",
]


async def walk(count: int, start: float = 0, sigma: float = 1, seed: int = 1) -> AsyncIterator[float]:
    """Give the places of a random walk."""
    steps = random.Random(seed)
    place = start
    for _ in range(count):
        place += steps.gauss(0, sigma)
        yield place


def countdown(start: int) -> Iterator[int]:
    """Give numbers down to 1, without awaiting anything."""
    yield from range(start, 0, -1)


def tell(fmt: str) -> Callable[[Any], Any]:
    """Make a step that prints each item."""

    def step(item: Any) -> Any:
        # In one piece: others print at the same time.
        print(f"{fmt.format(item)}\n", end="", flush=True)  # noqa: T201  # that is what it is for
        return item

    return step


def shout(item: Any) -> Any:
    """Print an item as it is."""
    print(f"got {item!r}\n", end="", flush=True)  # noqa: T201  # likewise
    return item


def above(threshold: float) -> Callable[[AsyncIterator[Any]], AsyncIterator[Any]]:
    """Make a step that lets pass what exceeds a value."""

    async def step(source: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for item in source:
            if item > threshold:
                yield item

    return step


class Gather:
    """A buffer that gives, every so many seconds, a list of all that came meanwhile."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        self.next = 0.0

    async def put(self, item: Any) -> None:
        """Take an item."""
        await self.queue.put(item)

    async def get(self) -> list[Any]:
        """Return those of one interval."""
        self.next = (self.next or timing.now()) + self.seconds
        await timing.wait_until(self.next)
        return [self.queue.get_nowait() for _ in range(self.queue.qsize())]

    def empty(self) -> bool:
        """Whether nothing waits."""
        return self.queue.empty()


def gather(seconds: float) -> Gather:
    """Make the buffer."""
    return Gather(seconds)


def amount(items: list[Any]) -> int:
    """Return how many there are."""
    return len(items)


class Level:
    """Called with each item."""

    def __init__(self, name: str, scale: float = 1) -> None:
        self.name, self.scale = name, scale

    def __call__(self, item: Any) -> Any:
        return self.name, item * self.scale


level = Level("it", 2)


def slow(seconds: float) -> Callable[[Any], Any]:
    """Make a step that takes its time: a closure."""

    def step(item: Any) -> tuple[Any, float]:
        began = time.time()
        time.sleep(seconds)
        return item, began

    return step


def first(pair: tuple[Any, Any]) -> Any:
    """Return the first of two."""
    return pair[0]


async def ask(item: Any) -> str:
    """Answer after a while."""
    await asyncio.sleep(0.001)
    return f"answer to {item}"


def doubled(by: Callable[[Any], Any]) -> Callable[[Any], Awaitable[Any]]:
    """Make a coroutine step out of a function."""

    async def step(item: Any) -> Any:
        await asyncio.sleep(0)
        return by(item)

    return step


def twice(items: Iterator[Any]) -> Iterator[Any]:
    """Give everything twice, without awaiting anything."""
    for item in items:
        yield item
        yield item
