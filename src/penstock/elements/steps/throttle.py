"""Let at most so many items pass in a time; the rest is filtered."""

from collections import deque
from typing import Annotated, Any

from penstock.elements import clock
from penstock.elements.item_time import interval_ns
from penstock.extra import extra

with extra("run"):
    from annotated_types import Ge, Gt

__all__ = ["Throttle"]


class Throttle:
    """Let at most so many items pass a second; what is too much is filtered, never delayed.

    In no second, wherever it begins, are there more. A burst passes until there were so many.

    >>> throttle = Throttle(2, every_s=3600)
    >>> [throttle(item) for item in "abc"]
    ['a', 'b', None]

    Parameters
    ----------
    n
        How many.
    every_s
        In how many seconds.

    Raises
    ------
    ValueError
        If one of them is not above 0.
    """

    def __init__(self, n: Annotated[int, Ge(1)], every_s: Annotated[float, Gt(0)] = 1.0) -> None:
        if n < 1:
            raise ValueError(f"n is {n}; write 1 or more")
        self._interval_ns = interval_ns("every_s", every_s)
        self._passed_ns: deque[int] = deque(maxlen=n)

    def __call__(self, item: Any) -> Any:
        """Return the item, or ``None``."""
        now_ns, passed_ns = clock.monotonic_ns(), self._passed_ns
        if len(passed_ns) == passed_ns.maxlen and now_ns - passed_ns[0] < self._interval_ns:
            return None
        passed_ns.append(now_ns)
        return item
