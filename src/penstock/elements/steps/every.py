"""Let one item pass at every interval, or every n-th."""

from typing import Annotated, Any

from penstock.elements import clock
from penstock.elements.item_time import interval_ns, time_ns_of
from penstock.extra import extra

with extra("run"):
    from annotated_types import Ge, Gt

__all__ = ["Every"]


class Every:
    """Let the first item of every interval pass, or of every n; the rest is filtered.

    Intervals follow each other from the first item on, so that on average there are no fewer than one each, however
    irregularly items come.

    >>> every = Every(n=3)
    >>> [item for item in range(8) if every(item) is not None]
    [0, 3, 6]

    Parameters
    ----------
    n
        Of so many items, the first passes.
    every_s
        Of the items in so many seconds, the first passes.
    time
        With ``every_s``: the field that says when an item happened, instead of when it comes here. Whole numbers are
        nanoseconds, numbers with a fraction seconds. What is older than the interval that was begun last is filtered.

    Raises
    ------
    ValueError
        If there is not exactly one of ``n`` and ``every_s``, or one is not above 0.
    """

    def __init__(
        self,
        n: Annotated[int | None, Ge(1)] = None,
        every_s: Annotated[float | None, Gt(0)] = None,
        time: str = "",
    ) -> None:
        if (n is None) == (every_s is None):
            raise ValueError("every needs a number of items or an interval; write n: 10, or every_s: 1")
        if n is not None and n < 1:
            raise ValueError(f"n is {n}; write 1 or more")
        if time and every_s is None:
            raise ValueError('"time" goes with every_s')
        self._n = n
        self._interval_ns = interval_ns("every_s", every_s) if every_s is not None else 0
        self._time = time
        self._seen = -1
        self._begin_ns: int | None = None
        self._interval = 0

    def __call__(self, item: Any) -> Any:
        """Return the item, or ``None``."""
        if self._n is not None:
            self._seen += 1
            return None if self._seen % self._n else item
        now_ns = time_ns_of(item, self._time) if self._time else clock.monotonic_ns()
        if self._begin_ns is None:
            self._begin_ns = now_ns
            return item
        interval = (now_ns - self._begin_ns) // self._interval_ns
        if interval <= self._interval:
            return None
        self._interval = interval
        return item
