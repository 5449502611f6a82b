"""What is called in threads and processes; a process imports this and no test."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class Hit:
    """An item with an array."""

    n: int
    image: NDArray[np.int64]


def slow_adder(by: int) -> Callable[[int], int]:
    """Make a closure, which no other process can have."""

    def add(number: int) -> int:
        time.sleep(0.01)
        return number + by

    return add


def doubled(hit: Hit) -> Hit:
    """Change an array where it lies."""
    hit.image *= 2
    return hit


def picky(number: int) -> int | None:
    """Raise for 1, give nothing for 2."""
    if number == 1:
        raise ValueError("no 1")
    return None if number == 2 else number


def no_traveller(_: int) -> Any:
    """Return what no message can hold."""
    return open


def process(number: int) -> tuple[int, int, int]:
    """Return who called it."""
    time.sleep(0.01)
    return number, os.getpid(), os.getppid()


def dies(folder: str, times: int) -> Callable[[int], int]:
    """Make a function that kills its process at 3, so many times."""

    def call(number: int) -> int:
        if number == 3 and len(list(Path(folder).iterdir())) < times:
            Path(folder, f"{time.monotonic_ns()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    return call


def hangs(folder: str) -> Callable[[int], int]:
    """Make a function that says who it is, and never returns."""

    def call(number: int) -> int:
        Path(folder, f"{os.getpid()}").touch()
        time.sleep(3600)
        return number

    return call


def no_maker() -> Callable[[int], int]:
    """Fail to make one."""
    raise OSError("no table of constants")


def pairs(items: Iterator[Any]) -> Iterator[Any]:
    """Give what no process can give item by item."""
    yield from items


def as_it_is(number: int) -> int:
    """Take a number, and give it."""
    return number
