"""Code of every kind that raises notices, for processes that import it by name."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import penstock
from penstock.core.event import Event
from penstock.core.message import Message
from penstock.core.result import Result
from penstock.elements import Reading
from penstock.testing.engine_cases import Frames, Lines, Sum


class NoticingFrames(Frames):
    """Frames of a source that says so."""

    def read(self, now_ns: int) -> Reading:
        penstock.notice("read")
        return super().read(now_ns)


class NoticingSum(Sum):
    """A reducer that says what it does."""

    def reduce(self, result: Result) -> None:
        penstock.notice("reduced", level="log")
        super().reduce(result)


class NoticingLines(Lines):
    """A sink that says what it does."""

    def write(self, item: Any) -> None:
        penstock.notice("written")
        super().write(item)


def watched(message: Message) -> Message:
    penstock.notice("stepped")
    return message


def measured(event: Event) -> int:
    penstock.notice("measured", level="alarm", code=7, number=event.number)
    return event.number


def chatty(event: Event) -> int:
    penstock.notice(f"event {event.number}")
    return event.number


def numbers(n: int) -> Iterator[int]:
    penstock.notice("begins")
    yield from range(n)


def ticks() -> Iterator[int]:
    """Yield numbers until it is stopped."""
    for k in range(10**9):
        time.sleep(0.005)
        yield k


def called(item: int) -> int:
    penstock.notice("called")
    return item


async def awaited(item: int) -> int:
    await asyncio.sleep(0)
    penstock.notice("awaited")
    return item


def worked(item: int) -> int:
    penstock.notice("worked", level="alarm", item=item)
    return item


def chatty_item(item: int) -> int:
    penstock.notice(f"item {item}", level="log")
    return item


class Written:
    """A sink of plain items."""

    def __call__(self, item: int) -> None:
        penstock.notice("put away")
