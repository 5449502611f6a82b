"""Functions that threads and processes call, and a factory that makes its own snap.Parallel of them."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import snap  # type: ignore[import-not-found]  # served to those whose file is SNAP's
from snap import timing

Called = tuple[int, int, int, float]


def endless() -> Iterator[int]:
    """Count for ever, not too fast, so that little waits."""
    number = 0
    while True:
        time.sleep(0.02)
        yield number
        number += 1


def job(folder: str = "") -> Callable[[int], Called]:
    """Make a function that says who called it; with a folder its first process that comes to 3 dies there."""

    def call(number: int) -> Called:
        if folder and number == 3 and not list(Path(folder).iterdir()):
            Path(folder, "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.005)
        return number, os.getpid(), os.getppid(), timing.now()

    return call


def picky(number: int) -> int:
    """Refuse one number."""
    if number == 3:
        raise ValueError("three is refused")
    return number


def stuck() -> Callable[[int], int]:
    """Make a function that never returns."""

    def call(number: int) -> int:
        # In one piece: another prints the same.
        print(f"stuck {os.getpid()} {os.getppid()}\n", end="", flush=True)  # noqa: T201
        time.sleep(3600)
        return number

    return call


def own_pool(name: str, executor: Any, **arguments: Any) -> snap.Parallel:
    """Make the buffer here, where no file says what it is."""
    return snap.Parallel(f"pools:{name}", executor=executor, max_workers=2, arguments=arguments)


def own_pool_of_one() -> snap.Parallel:
    """Make one of a function at the top of a module."""
    return snap.Parallel(picky, executor="process", max_workers=1)


class Names:
    """Something that no process can be sent."""


def names(count: int) -> Iterator[Any]:
    """Give some numbers, then what cannot travel."""
    yield from range(count)
    yield Names()
