"""Sources, steps and sinks that tests of chains share, and runs of them whose books add up."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import count, islice
from typing import Any

from penstock.elements import RunFacts, Sink
from penstock.engines.chains import ChainsRun, run
from penstock.monitor.report import RunReport
from penstock.pipeline import Pipeline, Source, Steps
from penstock.pipeline import Sink as SinkEntry

KEPT: dict[str, list[Any]] = {}


class Keep(Sink):
    """Keep what comes, by the sink's name."""

    def open(self, run: RunFacts) -> None:
        self.kept = KEPT.setdefault(run.sink, [])

    def write(self, item: Any) -> None:
        self.kept.append(item)

    def close(self, ended_well: bool, outcome: str = "") -> None:
        KEPT[f"{id(self)}"] = [ended_well, outcome]


class KeepSlowly(Keep):
    """Have a thread of its own."""

    may_wait = True


def numbers(n: int = 10) -> Iterator[int]:
    yield from range(n)


async def numbers_async(n: int = 10) -> AsyncIterator[int]:
    for number in range(n):
        await asyncio.sleep(0)
        yield number


class ListsAsync:
    """Give numbers as lists, one of them empty and one no list."""

    in_chunks = True

    def __init__(self, n: int = 10) -> None:
        self._n = n

    async def __aiter__(self) -> AsyncIterator[Any]:
        for chunk in ([0, 1, 2], [], iter([3]), list(range(4, 10))):
            yield chunk


def chain(*steps: Any, source: Any = numbers, n: int = 10, sink: Any = Keep, **options: Any) -> Pipeline:
    return Pipeline(
        sources={"n": Source(source, n=n)},
        stages={"s": Steps(*steps, source="n", **options)},
        sinks={"out": SinkEntry(sink, source="s")},
    )


def ran(pipeline: Pipeline, **options: Any) -> RunReport:
    report = run(pipeline.plan(), **options)
    assert report.adds_up
    assert all(edge.in_flight == 0 for edge in report.edges)
    return report


def accounts(report: RunReport) -> Mapping[str, Mapping[str, int]]:
    return {f"{edge.producer}→{edge.consumer}": edge.accounts for edge in report.edges}


def add(item: int, n: int = 1) -> int:
    return item + n


async def add_async(item: int, n: int = 1) -> int:
    await asyncio.sleep(0)
    return item + n


def even(item: int) -> int | None:
    return item if item % 2 == 0 else None


def pairs(upstream: Iterator[Any], n: int = 2) -> Iterator[list[Any]]:
    while pair := list(islice(upstream, n)):
        yield pair


async def pairs_async(upstream: AsyncIterator[Any], n: int = 2) -> AsyncIterator[list[Any]]:
    pair: list[Any] = []
    async for item in upstream:
        pair.append(item)
        if len(pair) == n:
            yield pair
            pair = []
    if pair:
        yield pair


class Slow:
    """A buffer with an end of its own: it gives all there is at the end only."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.ended = asyncio.Event()

    def put(self, item: Any) -> None:
        self.items.append(item)

    def end(self) -> None:
        self.ended.set()

    async def get(self) -> Any:
        await self.ended.wait()
        if not self.items:
            raise StopAsyncIteration
        return self.items.pop(0)


ALL = list(range(10))


def as_it_is(item: Any) -> Any:
    return item


class Gate:
    """Let the first item pass when everything else has come."""

    opened = threading.Event()
    reached = threading.Event()

    def __call__(self, item: int) -> int:
        self.reached.set()
        self.opened.wait(20)
        return item


def endless(n: int = 0) -> Iterator[int]:
    yield from count()


async def endless_async(n: int = 0) -> AsyncIterator[int]:
    for number in count():
        yield number


class EndlessLists:
    """Give lists for ever."""

    in_chunks = True

    def __init__(self, n: int = 0) -> None:
        self._n = n

    async def __aiter__(self) -> AsyncIterator[list[int]]:
        for number in count():
            yield [number] * 100


async def silent(n: int = 0) -> AsyncIterator[int]:
    yield 1
    await asyncio.Event().wait()


def nothing(item: int) -> None: ...


def nothing_passes(upstream: Iterator[int]) -> Iterator[int]:
    for item in upstream:
        if item < 0:
            yield item


def begun(pipeline: Pipeline, **options: Any) -> ChainsRun:
    chains = ChainsRun(pipeline.plan(), **options)
    chains.open()
    while not any(edge.arrived for edge in chains.report().edges):
        chains.step(0.01)
    return chains
