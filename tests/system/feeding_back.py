"""Code of every kind that says something back to the scan, for processes that import it by name."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import penstock
from penstock.core.event import Event, EventBatch
from penstock.core.message import Message
from penstock.core.result import Result
from penstock.testing.engine_cases import Sum


def tenth(event: Event) -> int:
    if event.number % 10 == 0:
        penstock.feedback("next", f"event {event.number}")
    return event.number


class Batches:
    """A worker that works on many at once."""

    def process_batch(self, events: EventBatch) -> list[int]:
        numbers = events.numbers.tolist()
        for number in numbers:
            if number % 10 == 0:
                penstock.feedback("next", event=number)
        return [int(number) for number in numbers]

    def process(self, event: Event) -> int:
        return event.number


class Enough(Sum):
    """A reducer that has enough."""

    def reduce(self, result: Result) -> None:
        super().reduce(result)
        if result.number == 25:
            penstock.feedback("stop", "25 are enough")

    def end(self, event: Any) -> None:
        penstock.feedback("sum is complete")


class DyingSum(Enough):
    """A reducer that is killed once, when it has said that it has enough."""

    def __init__(self, mark: str) -> None:
        super().__init__()
        self._mark = Path(mark)

    def reduce(self, result: Result) -> None:
        super().reduce(result)
        if result.number == 25 and not self._mark.exists():
            self._mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


class Dying:
    """A worker that says something of every event, and is killed once, at an event that it has spoken of."""

    def __init__(self, mark: str, at: int) -> None:
        self._mark, self._at = Path(mark), at

    def process(self, event: Event) -> int:
        penstock.feedback("seen", event=event)
        if event.number == self._at and not self._mark.exists():
            self._mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return event.number


class DyingStep:
    """The same for items without numbers."""

    def __init__(self, mark: str, at: int) -> None:
        self._mark, self._at = Path(mark), at

    def __call__(self, item: int) -> int:
        penstock.feedback("seen", str(item))
        if item == self._at and not self._mark.exists():
            self._mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return item


def stepped(message: Message) -> Message:
    penstock.feedback("stepped")
    return message


def numbers(n: int) -> Iterator[int]:
    yield from range(n)


def called(item: int) -> int:
    penstock.feedback("called", str(item))
    return item


async def awaited(item: int) -> int:
    await asyncio.sleep(0)
    penstock.feedback("awaited", str(item))
    return item


def worked(item: int) -> int:
    penstock.feedback("worked", str(item))
    return item


def ticks() -> Iterator[int]:
    """Yield numbers until it is stopped."""
    for k in range(10**9):
        time.sleep(0.005)
        yield k


class OnWish:
    """Says what a parameter says, once each time it changes."""

    def __init__(self, *, word: str = "") -> None:
        self.word = self._said = word

    def __call__(self, item: int) -> int:
        if self.word != self._said:
            self._said = self.word
            penstock.feedback(self.word, "as wished", event=item)
        return item
