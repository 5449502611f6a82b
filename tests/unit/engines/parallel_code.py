"""Steps for stages of several workers, which their processes import from here."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from tests.unit.engines.parallel_items import Hit

KEPT: list[Any] = []


def numbers(n: int = 10) -> Iterator[int]:
    yield from range(n)


def hits(n: int = 5) -> Iterator[Hit]:
    for number in range(n):
        yield Hit(number, np.full(100_000, float(number)))


def long_bytes(n: int) -> Iterator[Any]:
    for number in range(n):
        length = 3_000_000 if number % 50 == 20 else 100_000
        yield number.to_bytes(2, "big") * (length // 2) if number % 7 else f"{number:100000d}"


def keep(item: Any) -> None:
    KEPT.append(item)


def keep_as(item: Any, name: str) -> None:
    KEPT.append((name, item))


def as_it_is(item: Any) -> Any:
    return item


def all_but_some(item: Any) -> Any:
    if int.from_bytes(item[:2], "big") % 10 == 3 if isinstance(item, bytes) else int(item) % 10 == 3:
        raise ValueError("one of them")
    return item


def some_no_travellers(n: int) -> Iterator[Any]:
    for number in range(n):
        yield no_traveller(number)


def strangers(n: int) -> Iterator[Any]:
    @dataclass
    class Stranger:
        n: int

    yield from map(Stranger, range(n))


def broken_maker(text: str) -> Callable[[int], int]:
    raise ValueError(text)


def add(item: int, n: int = 1) -> int:
    return item + n


async def add_async(item: int, n: int = 1) -> int:
    await asyncio.sleep(0)
    return item + n


def even(item: int) -> int | None:
    return item if item % 2 == 0 else None


def adder(n: int) -> Callable[[int], int]:
    return lambda item: item + n


class Closing:
    """Say in a folder that it was closed, by the process that it was in."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def __call__(self, item: int) -> int:
        return item

    def close(self) -> None:
        (self.folder / f"{os.getpid()}-{id(self)}").touch()


class Above:
    """Has a parameter."""

    def __init__(self, *, above: Annotated[int, Ge(-1)] = -1) -> None:
        self.above = above

    def __call__(self, item: int) -> int | None:
        return item if item > self.above else None


def three_is_wrong(item: int) -> int:
    if item == 3:
        raise ValueError("three")
    return item


def flaky(item: int, folder: str) -> int:
    """Fail twice on 3."""
    if item == 3 and len(list(Path(folder).iterdir())) < 2:
        Path(folder, f"{time.monotonic_ns()}").touch()
        raise OSError("busy")
    return item


def die(item: int, folder: str, times: int = 1) -> int:
    """Kill the process on 3, so many times."""
    if item == 3 and len(list(Path(folder).iterdir())) < times:
        Path(folder, f"{time.monotonic_ns()}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def hang(item: int) -> int:
    while item == 3:
        time.sleep(1)
    return item


async def hang_async(item: int) -> int:
    if item == 3:
        await asyncio.Event().wait()
    return item


def wait_for(item: int, folder: str) -> int:
    """Wait on 0 until the last item has come out."""
    while item == 0 and not Path(folder, "out").exists():
        time.sleep(0.001)
    return item


async def wait_for_async(item: int, folder: str) -> int:
    while item == 0 and not Path(folder, "out").exists():
        await asyncio.sleep(0.001)
    return item


def tell(item: int, folder: str, n: int) -> int:
    """Let 0 go on when all others have come out."""
    KEPT.append(item)
    if len(KEPT) == n - 1:
        Path(folder, "out").touch()
    return item


def fill(hit: Hit) -> Hit:
    hit.image[:] = hit.n + 1
    return hit


def is_whole(hit: Hit) -> bool:
    return hit.image.shape == (100_000,) and bool((hit.image == hit.n + 1).all())


def pairs(upstream: Iterator[Any]) -> Iterator[Any]:
    yield from upstream


class Buffer:
    """Keep nothing."""

    def put(self, item: Any) -> None: ...

    def get(self) -> Any:
        raise StopIteration


def no_traveller(item: int) -> Any:
    return open if item == 3 else item


def endless(n: int = 0) -> Iterator[int]:
    while True:
        yield n
        n += 1


def pid(_: int) -> int:
    return os.getpid()


def pairs_maker() -> Callable[[Iterator[Any]], Iterator[Any]]:
    return pairs


class OneAtATime:
    """Only the first process that makes it lives, until a test lets all come."""

    def __init__(self, folder: str) -> None:
        try:
            Path(folder, "taken").touch(exist_ok=False)
        except FileExistsError:
            if not Path(folder, "all may come").exists():
                os.kill(os.getpid(), signal.SIGKILL)

    def __call__(self, item: int) -> int:
        return item + 1


class DiesWhenMade:
    """Die when it is made, all but so many of them; who has come is counted in a folder."""

    def __init__(self, folder: str, live: int) -> None:
        for number in range(live):
            with suppress(FileExistsError):
                (Path(folder) / str(number)).touch(exist_ok=False)
                return
        os.kill(os.getpid(), signal.SIGKILL)

    def __call__(self, item: int) -> int:
        """Return the item."""
        return item
