"""How long an output tries again: with pauses that grow, and, once the run ends, no longer than is needed.

It sends nothing, and waits on nothing but the end of the run.
"""

import threading
import time

__all__ = ["Patience"]


class Patience:
    """Pauses between attempts.

    >>> patience = Patience(tries=3, first_s=0.001)
    >>> [patience.wait(attempt) for attempt in (1, 2, 3)]
    [True, True, False]

    Parameters
    ----------
    tries
        How often something is attempted at most.
    first_s
        How long the first pause is; each is twice as long as the one before.
    most_s
        How long the longest pause is.
    linger_s
        How long, once the run ends, may still be waited in all.

    Raises
    ------
    ValueError
        If there is no attempt at all, or a time is below 0.
    """

    def __init__(self, tries: int, *, first_s: float = 0.5, most_s: float = 30.0, linger_s: float = 5.0) -> None:
        if tries < 1:
            raise ValueError(f"{tries} tries; there must be at least 1")
        if min(first_s, most_s, linger_s) < 0:
            raise ValueError(f"pauses of {first_s} to {most_s} s, {linger_s} s at the end; none may be below 0")
        self._tries = tries
        self._first_s, self._most_s, self._linger_s = first_s, most_s, linger_s
        self._is_ending = threading.Event()
        self._until = 0.0

    def hasten(self) -> None:
        """Wait only ``linger_s`` from now on; from any thread."""
        if not self._is_ending.is_set():
            self._until = time.monotonic() + self._linger_s
            self._is_ending.set()

    @property
    def left_s(self) -> float:
        """How long may still be waited."""
        return max(0.0, self._until - time.monotonic()) if self._is_ending.is_set() else float("inf")

    def wait(self, attempt: int, at_least_s: float = 0.0) -> bool:
        """Wait after a failed attempt; return false if it was the last.

        Parameters
        ----------
        attempt
            Which it was, from 1.
        at_least_s
            How long whoever refused asked for.
        """
        if attempt >= self._tries:
            return False
        pause_s = max(at_least_s, min(self._most_s, self._first_s * 2 ** (attempt - 1)))
        began = time.monotonic()
        if self._is_ending.wait(pause_s):
            rest_s = pause_s - (time.monotonic() - began)
            if rest_s > self.left_s:
                return False
            threading.Event().wait(max(0.0, rest_s))
        return True
