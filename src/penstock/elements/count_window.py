"""Windows of so many items: a list whenever there are enough. It waits for nothing and knows no time."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["CountWindow"]


class CountWindow:
    """Give lists of ``n`` items, a new one every ``step`` items.

    What is left at the end and was in no list yet is given as a shorter one.

    >>> list(CountWindow(3)("abcdefg"))
    [['a', 'b', 'c'], ['d', 'e', 'f'], ['g']]
    >>> list(CountWindow(3, 2)("abcdef"))
    [['a', 'b', 'c'], ['c', 'd', 'e'], ['e', 'f']]

    Parameters
    ----------
    n
        How many items a list has.
    step
        After how many more items the next list is given; by default ``n``, so that each item is in one list.
    rest
        Whether a last list may be shorter.

    Raises
    ------
    ValueError
        If ``n`` or ``step`` is less than 1, or ``step`` more than ``n``.
    """

    def __init__(self, n: int, step: int | None = None, *, rest: bool = True) -> None:
        step = n if step is None else step
        if n < 1 or step < 1:
            raise ValueError(f"n is {n} and step {step}; write 1 or more")
        if step > n:
            raise ValueError(f"step: {step} with n: {n} would leave out {step - n} of {step} items; use every for that")
        self._n = n
        self._step = step
        self._rest = rest

    def __call__(self, upstream: Iterable[Any]) -> Iterator[list[Any]]:
        """Yield the lists."""
        held: deque[Any] = deque(maxlen=self._n)
        missing, period = self._n, self._n
        for item in upstream:
            held.append(item)
            missing -= 1
            if not missing:
                missing = period = self._step
                yield list(held)
        fresh = period - missing
        if self._rest and fresh:
            # The next list would begin so many items behind the last one; of a first one that is short, all there is.
            yield list(held)[self._step - fresh if len(held) == self._n else 0 :]
