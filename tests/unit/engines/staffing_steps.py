"""Steps and a source for stages whose workers come and go with the load; their processes import them from here."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

KEPT: list[int] = []


def paced(folder: str, fast: float = 2000, slow: float = 20) -> Iterator[int]:
    """Give numbers without end, fast, or slowly while a file called ``slow`` lies in the folder."""
    number, sign = 0, Path(folder) / "slow"
    while True:
        yield number
        number += 1
        time.sleep(1 / (slow if sign.exists() else fast))


def takes(item: int, seconds: float = 0.005) -> int:
    time.sleep(seconds)
    return item


async def takes_async(item: int, seconds: float = 0.005) -> int:
    await asyncio.sleep(seconds)
    return item


def keep(item: int) -> None:
    KEPT.append(item)


def keep_slowly(item: int) -> None:
    time.sleep(0.01)
    KEPT.append(item)
