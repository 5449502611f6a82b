"""User code of every shape for the conformance suite of engines; each can be had by name, as engines need it."""

import asyncio
import queue
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from penstock.core import Event, Kind, Message
from penstock.elements.source import Reading, Source

__all__ = [
    "AsyncNumbers",
    "Chunks",
    "Held",
    "Mailbox",
    "Pairs",
    "Queued",
    "Scan",
    "alarmed",
    "averaged",
    "awaited",
    "called",
    "drop_threes",
    "flaky",
    "joined",
    "metadata",
    "numbers",
    "pairs",
    "plus",
    "refuse",
    "repeated",
    "slowly",
    "sum_below_five",
    "values",
    "waiting",
    "written",
]

# Sources.


def numbers(n: int) -> Iterator[int]:
    """Yield 1 to ``n``."""
    yield from range(1, n + 1)


def values() -> Iterator[Any]:
    """Yield one value of each kind that can travel."""
    yield from (1, 2.5, "text", (1, 2), [3], {"a": 1}, {1: "b"}, b"bytes", True, {4})
    yield np.arange(6.0).reshape(2, 3)
    yield {"peak": 3, "profile": np.arange(3)}


async def slowly(n: int) -> AsyncIterator[int]:
    """Yield 1 to ``n``, with something to wait for between."""
    for number in range(1, n + 1):
        await asyncio.sleep(0)
        yield number


class AsyncNumbers:
    """What can be iterated in a loop."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __aiter__(self) -> AsyncIterator[int]:
        return slowly(self.n)


class Chunks:
    """Lists of items."""

    in_chunks = True

    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Iterator[list[int]]:
        for first in range(1, self.n + 1, 2):
            yield list(range(first, min(first + 2, self.n + 1)))


def called(n: int) -> Callable[[], Awaitable[int]]:
    """Return a coroutine function that is called again and again."""
    left = iter(range(1, n + 1))

    async def following() -> int:
        for number in left:
            return number
        raise StopAsyncIteration

    return following


class Mailbox:
    """A buffer that is read: numbers lie in it already."""

    def __init__(self, n: int) -> None:
        self._numbers = iter(range(1, n + 1))

    def put(self, item: int) -> None:
        """Take nothing."""

    def get(self) -> int:
        """Return the next number; raises ``StopIteration`` behind the last."""
        return next(self._numbers)


def flaky(n: int) -> Iterator[int]:
    """Yield 1 to ``n``, and raise."""
    yield from range(1, n + 1)
    raise OSError("the line is dead")


async def waiting(n: int) -> AsyncIterator[int]:
    """Yield 1 to ``n``, then wait for ever."""
    for number in range(1, n + 1):
        yield number
    await asyncio.Event().wait()


class Scan(Source):
    """An instrument that says that its scan is over, and stays connected."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._is_read = False

    def read(self, now_ns: int) -> Reading:
        """Return everything once."""
        if self._is_read:
            return Reading()
        self._is_read = True
        data = [Message(metadata={"n": n}) for n in range(1, self._n + 1)]
        return self.reading([*data, Message(kind=Kind.END)], now_ns)


# Steps.


def written(item: Any) -> str:
    """Return what an item is, as a text that is not read back."""
    return f"= {' '.join(repr(item).split())}"


def joined(event: Event) -> tuple[int, int]:
    """Return the values of an event, where they are messages."""
    return event["numbers"].metadata["value"], event["slowly"].metadata["value"]


def metadata(message: Message) -> int:
    """Return what an instrument says."""
    number: int = message.metadata["n"]
    return number


def sum_below_five(pair: tuple[int, ...]) -> int:
    """Return the sum of what came in pairs."""
    if 5 in pair:
        raise ValueError("five")
    return sum(pair)


def plus(item: int, add: int = 1) -> int:
    """Return an item and something."""
    return item + add


def drop_threes(item: int) -> int | None:
    """Let everything pass that is no multiple of three."""
    return item if item % 3 else None


async def awaited(item: int, times: int = 10) -> int:
    """Return a multiple, after waiting."""
    await asyncio.sleep(0)
    return item * times


def pairs(upstream: Iterator[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield two at a time, at the end perhaps one."""
    for first in upstream:
        yield (first, *[item for item in [next(upstream, None)] if item is not None])


class Pairs:
    """The same as an object."""

    def __call__(self, upstream: Iterator[Any]) -> Iterator[tuple[Any, ...]]:
        """Yield two at a time."""
        yield from pairs(upstream)


def repeated(upstream: Iterator[Any], times: int) -> Iterator[Any]:
    """Yield each item several times."""
    for item in upstream:
        for _ in range(times):
            yield item


async def averaged(upstream: AsyncIterator[int], n: int) -> AsyncIterator[float]:
    """Yield the mean of each ``n`` items, and of what is left at the end."""
    kept: list[int] = []
    async for item in upstream:
        kept.append(item)
        if len(kept) == n:
            await asyncio.sleep(0)
            yield sum(kept) / n
            kept = []
    if kept:
        yield sum(kept) / len(kept)


async def alarmed(upstream: AsyncIterator[int], told: str) -> AsyncIterator[Any]:
    """Yield "silence" and leave a file when nothing has come for a while, then all items."""
    while True:
        coming = asyncio.ensure_future(anext(upstream))
        done, _ = await asyncio.wait([coming], timeout=0.1)
        if not done:
            yield "silence"
            Path(told).write_text("silence")
        try:
            yield await coming
        except StopAsyncIteration:
            return


class Queued:
    """A buffer of both kinds of coroutine that holds everything until the end, and says when it has ended."""

    def __init__(self) -> None:
        self._items: list[Any] = []
        self._is_over = asyncio.Event()

    async def put(self, item: Any) -> None:
        """Keep an item."""
        self._items.append(item)

    async def get(self) -> Any:
        """Return an item, once nothing more will come."""
        await self._is_over.wait()
        if not self._items:
            raise StopAsyncIteration
        return self._items.pop(0)

    async def end(self) -> None:
        """Learn that nothing more will be put."""
        self._is_over.set()


class Held:
    """A buffer whose ``get`` blocks; it ends when it is told to."""

    def __init__(self) -> None:
        self._items: queue.Queue[Any] = queue.Queue()

    def put(self, item: Any) -> None:
        """Keep an item."""
        self._items.put((item,))

    def get(self) -> Any:
        """Wait for an item."""
        found = self._items.get()
        if not found:
            raise StopIteration
        return found[0]

    def end(self) -> None:
        """Learn that nothing more will be put."""
        self._items.put(())


def refuse(upstream: Iterator[int], number: int) -> Iterator[int]:
    """Raise at one item; yield how many were taken since."""
    for taken, item in enumerate(upstream, start=1):
        if item == number:
            raise ValueError(f"no {number}")
        yield taken
