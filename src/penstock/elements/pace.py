"""A rhythm without drift for coroutines: the beats of a fixed interval. It makes up for nothing that was missed."""

import asyncio
from itertools import count

__all__ = ["Pace", "check_interval"]


class Pace:
    """Beats at the start, and one interval, two intervals and so on later, by the time of the running loop.

    A beat that comes late does not put the others off. Who stays away longer than an interval has missed beats, and
    is given the latest, so nothing ever comes in a burst.

    Parameters
    ----------
    every_s
        The interval, in s; 0 is no rhythm at all, and a beat whenever it is asked for.

    Raises
    ------
    ValueError
        If it is negative.
    """

    def __init__(self, every_s: float) -> None:
        self._every_s = check_interval(every_s)
        self._start_s: float | None = None
        self._next = 0
        self._count = count()

    async def beat(self) -> int:
        """Wait for the next beat; return its number, from 0, in which those missed are counted."""
        if not self._every_s:
            await asyncio.sleep(0)
            return next(self._count)
        now_s = asyncio.get_running_loop().time()
        if self._start_s is None:
            self._start_s = now_s
        number = max(self._next, int((now_s - self._start_s) // self._every_s))
        self._next = number + 1
        due_s = self._start_s + number * self._every_s
        # Also without a wait others must have their turn, and a stop be heard.
        await asyncio.sleep(max(0.0, due_s - now_s))
        return number


def check_interval(every_s: float, name: str = "every_s") -> float:
    """Return an interval in s.

    Raises
    ------
    ValueError
        If it is negative, or none.
    """
    if not 0 <= every_s < float("inf"):
        raise ValueError(f"{name} is {every_s}; write seconds, or 0 for as fast as can be")
    return every_s
