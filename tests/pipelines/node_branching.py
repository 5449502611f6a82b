"""User code of the branching example: a generator as a source, and a function that makes a step."""

import random
import time
from collections.abc import Callable, Iterator


def random_walk(start: float = 0, sigma: float = 1, delay_s: float = 1) -> Iterator[float]:
    """Yield the steps of a random walk for ever."""
    x = start
    walk = random.Random(1)
    while True:
        x += walk.gauss(0, sigma)
        time.sleep(delay_s)
        yield x


def show_with_time(fmt: str = "%X") -> Callable[[float], float]:
    """Make a step that prints a number with the time."""

    def show(number: float) -> float:
        print(f"{time.strftime(fmt)}{number:+.3f}")  # noqa: T201  # that is what it is for
        return number

    return show
