"""Code that behaves badly, for processes that import it by name."""

import itertools
import time
from collections.abc import Iterator

import penstock
from penstock.core.event import Event

LEAKS = 120
"""Items of which something is kept."""
LEAK_BYTES = 500_000


def steadily(every_s: float = 0.005) -> Iterator[int]:
    """Give numbers without end, at a pace."""
    for number in itertools.count():
        time.sleep(every_s)
        yield number


def endlessly() -> Iterator[int]:
    """Give numbers without end, as fast as they are taken."""
    return itertools.count()


class Leaky:
    """Keep half a megabyte of each of the first items of a run, and never give it back."""

    def __init__(self) -> None:
        self._kept: list[bytes] = []

    def __call__(self, item: int) -> int:
        """Return the item."""
        if item < LEAKS:
            self._kept.append(bytes([item % 256]) * LEAK_BYTES)
        return item


class LeakyWorker:
    """The same of events."""

    def __init__(self) -> None:
        self._leaky = Leaky()

    def process(self, event: Event) -> int:
        """Return its number."""
        return self._leaky(event.number)


LEVELS = ("log", "info", "alarm")


def talkative(item: int) -> int:
    """Say something else of every item."""
    penstock.notice(f"item {item}", level=LEVELS[item % 3], number=item)
    return item
