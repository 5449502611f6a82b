"""Whole numbers in a row, to try a pipeline without an instrument."""

from collections.abc import AsyncIterator, Iterator
from typing import ClassVar, Final

from penstock.elements.pace import Pace, check_interval

__all__ = ["numbers"]

_CHUNK: Final = 1024


def numbers(n: int | None = None, every_s: float = 0.0, start: int = 0) -> "_Fast | _Paced":
    """Give ``start``, ``start + 1`` and so on.

    ::

        sources:
          n: {use: numbers, n: 1000, every_s: 0.01}

    >>> list(numbers(3))
    [[0, 1, 2]]

    Parameters
    ----------
    n
        How many; by default without an end.
    every_s
        At which interval, in s; by default as fast as can be. After a delay none is left out, and they do not hurry.
    start
        The first.

    Raises
    ------
    ValueError
        If an argument is negative that cannot be.
    """
    if n is not None and n < 0:
        raise ValueError(f"n is {n}; write how many numbers to give")
    return _Paced(n, start, every_s) if check_interval(every_s) else _Fast(n, start)


class _Fast:
    """Numbers in lists."""

    in_chunks: ClassVar[bool] = True

    def __init__(self, n: int | None, start: int) -> None:
        self._n = n
        self._start = start

    def __iter__(self) -> Iterator[list[int]]:
        at, end = self._start, None if self._n is None else self._start + self._n
        while end is None or at < end:
            after = at + _CHUNK if end is None else min(at + _CHUNK, end)
            yield list(range(at, after))
            at = after


class _Paced:
    """Numbers at an interval, each in a list of its own."""

    in_chunks: ClassVar[bool] = True

    def __init__(self, n: int | None, start: int, every_s: float) -> None:
        self._n = n
        self._start = start
        self._every_s = every_s

    async def __aiter__(self) -> AsyncIterator[list[int]]:
        pace, given = Pace(self._every_s), 0
        while self._n is None or given < self._n:
            await pace.beat()
            yield [self._start + given]
            given += 1
