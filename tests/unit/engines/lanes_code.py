"""Sources, steps and sinks of lanes, which worker processes import from here."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from penstock.elements.sink import RunFacts, Sink

Item = tuple[str, int]
PATIENCE_S = 30

GATE = threading.Event()
"""What opens here lets whoever waits in this process go on."""
BEGUN = threading.Event()
KEPT: list[tuple[str, Item]] = []


def forget() -> None:
    GATE.clear()
    BEGUN.clear()
    KEPT.clear()


def items(lane: str, n: int) -> Iterator[Item]:
    for number in range(n):
        yield lane, number


def late(lane: str, n: int) -> Iterator[Item]:
    """Give something when somebody is at an item of another lane."""
    assert BEGUN.wait(PATIENCE_S)
    yield from items(lane, n)


def same(item: Item) -> Item:
    return item


async def same_async(item: Item) -> Item:
    await asyncio.sleep(0)
    return item


def noted(item: Item, place: str) -> Item:
    KEPT.append((place, item))
    return item


def at_the_gate(item: Item) -> Item:
    """Wait with the first of the lower lane."""
    KEPT.append(("begun", item))
    if item[0] == "low" and not BEGUN.is_set():
        BEGUN.set()
        assert GATE.wait(PATIENCE_S)
    return item


def at_the_file(item: Item, folder: str) -> Item:
    """Do as ``at_the_gate`` in another process, and write down what is begun."""
    with Path(folder, "begun").open("a") as file:
        file.write(f"{item[0]} {item[1]}\n")
    while item == ("low", 0) and not Path(folder, "open").exists():
        os.sched_yield()
    return item


def wrong_at(item: Item, lane: str, number: int) -> Item:
    if item == (lane, number):
        raise ValueError(f"{lane} {number}")
    return item


def die_once(item: Item, folder: str) -> Item:
    """Kill the process on the third of each lane, once."""
    mark = Path(folder, item[0])
    if item[1] == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def pairs(upstream: Iterator[Item]) -> Iterator[Item]:
    yield from upstream


def pairs_maker() -> Callable[[Iterator[Item]], Iterator[Item]]:
    return pairs


class Kept(Sink):
    """Keep what is written; by a thread of its own, as it may wait."""

    may_wait = True

    def __init__(self, name: str, gate: str = "") -> None:
        self.name = name
        self.gate = gate

    def open(self, run: RunFacts) -> None: ...

    def write(self, item: Item) -> None:
        KEPT.append((self.name, item))
        if item[0] == self.gate:
            BEGUN.set()
            assert GATE.wait(PATIENCE_S)

    def close(self, ended_well: bool, outcome: str = "") -> None: ...


class KeptHere(Kept):
    """Keep what is written, where it is made."""

    may_wait = False
