"""How long a client of ASAPO may be kept waiting for something to come. No clock: times come in, in s.

A client says nothing of its own time limit, and heeds it only between two requests, 0.1 s apart. So a first wait is
short; who asks again after just that pause had time left, and may be kept that long from then on.
"""

from typing import Final

__all__ = ["Patience"]

LEAST_S: Final = 0.1
MOST_S: Final = 1.0
"""An interruption, too, is heard only between two requests."""
PAUSE_S: Final = (0.08, 0.2)
"""Between what lengths a pause is taken for one that the client makes within a call; who asks at this pace anyway waits
here instead of there."""


class Patience:
    """Of one connection."""

    __slots__ = ("_answered", "_asked", "_began", "_sure_s", "_told_s", "s")

    def __init__(self) -> None:
        self.s = LEAST_S
        """For how long it may wait now."""
        self._asked: object = None
        self._began = 0.0
        self._answered = 0.0
        """When it was told that there is nothing; 0 if it was given something since."""
        self._told_s = self._sure_s = 0.0
        """How long after it began it was told so the last time but one, and the time before: as a client whose time is
        up asks once more, only of the latter it is sure that it had time left then."""

    def ask(self, asked: object, now: float) -> float:
        """Take note of a request that finds nothing; return for how long it may wait.

        Parameters
        ----------
        asked
            What is asked for; equal if it is asked again.
        """
        is_again = bool(self._answered) and asked == self._asked
        if is_again and PAUSE_S[0] <= now - self._answered <= PAUSE_S[1]:
            self._sure_s, self._told_s = self._told_s, self._answered - self._began
            self.s = min(max(self.s, self._sure_s), MOST_S)
        else:
            if self._answered:  # it gave up
                self.s = max(min(self.s, self._sure_s), LEAST_S)
            self._began, self._told_s, self._sure_s = now, 0.0, 0.0
        self._asked = asked
        return self.s

    def answer_nothing(self, now: float) -> None:
        """Take note that it was answered that there is nothing."""
        self._answered = now

    def answer(self) -> None:
        """Take note that it was given something."""
        self._answered = 0.0
