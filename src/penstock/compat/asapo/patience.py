"""How long a client of ASAPO may be kept waiting for something to come. No clock: times come in, in s.

A client says nothing of its own time limit, and heeds it only between two requests, 0.1 s apart. So a first wait is
short; who asks again after just that pause had time left, and may be kept that long from then on.
"""

from typing import Final

__all__ = ["Patience"]

LEAST_S: Final = 0.1
MOST_S: Final = 1.0
"""An interruption, too, is heard only between two requests."""
PAUSE_S: Final = (0.05, 0.3)
"""Between what lengths a pause is one that the client makes within a call."""


class Patience:
    """Of one connection."""

    __slots__ = ("_answered", "_asked", "_began", "s")

    def __init__(self) -> None:
        self.s = LEAST_S
        """For how long it may wait now."""
        self._asked: object = None
        self._began = self._answered = 0.0

    def ask(self, asked: object, now: float) -> float:
        """Take note of a request that finds nothing; return for how long it may wait.

        Parameters
        ----------
        asked
            What is asked for; equal if it is asked again.
        """
        pause = now - self._answered
        if asked == self._asked and PAUSE_S[0] <= pause <= PAUSE_S[1]:
            self.s = min(max(self.s, now - self._began), MOST_S)
        else:
            if asked == self._asked and self._answered and pause < PAUSE_S[0]:  # its time was over, and it began anew
                self.s = max(min(self.s, self._answered - self._began), LEAST_S)
            self._began = now
        self._asked = asked
        return self.s

    def answer_nothing(self, now: float) -> None:
        """Take note that it was answered that there is nothing."""
        self._answered = now

    def answer(self) -> None:
        """Take note that it was given something."""
        self._asked, self._answered = None, 0.0
