"""SNAP's ``.timing``: items at a steady pace."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from penstock.compat.snap.timing import now, wait_until

__all__ = ["every", "now", "wait_until"]


def every(seconds: float) -> Callable[..., AsyncIterator[Any]]:
    """Make a step that lets one item pass every so many seconds; what comes before it waits.

    As a source it gives the time, in seconds since 1970 UTC. The schedule is fixed when the first item comes: who is
    late catches up.

    Parameters
    ----------
    seconds
        Between two items.

    Raises
    ------
    ValueError
        If it is not positive.

    Examples
    --------
    >>> import asyncio
    >>> async def numbers():
    ...     for n in range(3):
    ...         yield n
    >>> async def gathered(): return [n async for n in every(0.001)(numbers())]
    >>> asyncio.run(gathered())
    [0, 1, 2]
    """
    if not seconds > 0:
        raise ValueError(f"{seconds} is no time between items; write a number of seconds above 0")

    async def paced(upstream: AsyncIterator[Any] | None = None) -> AsyncIterator[Any]:
        begun, count = 0.0, 0
        async for item in upstream if upstream is not None else _moments():
            if not count:
                begun = asyncio.get_running_loop().time()
            yield item
            count += 1
            left = begun + count * seconds - asyncio.get_running_loop().time()
            await asyncio.sleep(max(left, 0))

    return paced


async def _moments() -> AsyncIterator[float]:
    while True:
        yield now()
