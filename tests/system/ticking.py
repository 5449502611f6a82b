"""Steps for tests that look at a run of chains from outside."""

from collections.abc import Iterator
from itertools import count, islice
from typing import Any

from penstock.elements import clock

__all__ = ["pairs", "scaled", "ticks"]


def ticks(every_s: float = 0.002) -> Iterator[dict[str, int]]:
    """Give numbers without end."""
    for number in count():
        clock.sleep(every_s)
        yield {"number": number, "value": number % 10}


def scaled(item: dict[str, int]) -> dict[str, int]:
    """Give ten times the value."""
    return {**item, "value": 10 * item["value"]}


def pairs(upstream: Iterator[Any]) -> Iterator[list[Any]]:
    """Give two at a time."""
    while pair := list(islice(upstream, 2)):
        yield pair
