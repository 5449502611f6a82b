"""How often, and after how long, who has died is followed by another one: back-off, and a breaker that opens.

Pure: deaths and times come in, waits come out. It starts nothing.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

__all__ = ["LONGEST_BACKOFF_S", "RESTARTS", "RestartBudget", "Restarts"]

LONGEST_BACKOFF_S: Final = 2.0
"""However often somebody has died; so that what was mended outside goes on soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarts:
    """How much dying is borne of one process."""

    most: int = 20
    """How often it is followed by another one within ``within_s``; who dies once more is given up."""
    within_s: float = 60.0
    backoff_s: float = 0.1
    """How long before the second successor within ``within_s`` starts, the first one starting at once; then twice as
    long each time, up to 2 s."""


RESTARTS: Final = Restarts()
"""What is borne where nobody says otherwise."""


class RestartBudget:
    """The deaths of one process, through all of its incarnations.

    Examples
    --------
    >>> budget = RestartBudget(Restarts(most=3, within_s=60, backoff_s=0.1))
    >>> [budget.died(now_s) for now_s in (1.0, 2.0, 3.0, 4.0)]
    [0.0, 0.1, 0.2, None]
    >>> budget.why
    'it died 4 times within 60 s'
    >>> budget.reset()
    >>> budget.died(5.0)
    0.0
    """

    __slots__ = ("_deaths", "is_spent", "restarts")

    def __init__(self, restarts: Restarts) -> None:
        self.restarts = restarts
        self._deaths: deque[float] = deque()
        self.is_spent = False
        """Whether it was given up; only ``reset`` changes that."""

    def died(self, now_s: float) -> float | None:
        """Note a death; return how long to wait before its successor starts, in s, or ``None``: there is none.

        Parameters
        ----------
        now_s
            On any clock that never goes back.
        """
        deaths = self._deaths
        while deaths and now_s - deaths[0] >= self.restarts.within_s:
            deaths.popleft()
        deaths.append(now_s)
        if self.is_spent or len(deaths) > self.restarts.most:
            self.is_spent = True
            return None
        if len(deaths) == 1:
            return 0.0
        longest_s = max(LONGEST_BACKOFF_S, self.restarts.backoff_s)
        doublings = min(len(deaths) - 2, 64)  # beyond, no number could be as large
        return float(min(self.restarts.backoff_s * 2**doublings, longest_s))

    @property
    def why(self) -> str:
        """How often it died lately, in words."""
        times = f"{len(self._deaths)} times" if len(self._deaths) != 1 else "once"
        return f"it died {times} within {self.restarts.within_s:g} s"

    def reset(self) -> None:
        """Forget every death: somebody wants it to be tried again."""
        self._deaths.clear()
        self.is_spent = False
