"""The end of a run of strands: nothing more is read, what has come is brought out, and after a time given up."""

import time

from penstock.core.run import Outcome, RunState
from penstock.services.strands.holds import Holds
from penstock.services.strands.net import Net

__all__ = ["AT_ONCE_S", "BringingOut"]

AT_ONCE_S = 0.5
"""How long everybody has to come back when nothing more is to be brought out."""


class BringingOut:
    """How far a run is on its way to the end, for the thread of the run.

    Parameters
    ----------
    state
        Of the run: what is given up is said there.
    stop_ns
        How long may be taken to bring out what has come.

    Attributes
    ----------
    until_ns
        When what has not been brought out is given up; ``None`` as long as nobody has asked for the end.
    is_given_up
        Whether everybody was told to stop where they are.
    """

    def __init__(self, state: RunState, stop_ns: int) -> None:
        self._state = state
        self._stop_ns = stop_ns
        self.until_ns: int | None = None
        self.is_given_up = False

    @property
    def is_begun(self) -> bool:
        """Whether nothing more is read."""
        return self.until_ns is not None or self.is_given_up

    def is_late(self, now: int) -> bool:
        """Return whether the time to bring out is over."""
        return self.until_ns is not None and now >= self.until_ns

    def begin(self, net: Net, holds: Holds) -> None:
        """Read nothing more, and let all go on that was held; the time to bring out begins the first time."""
        net.stop_reading()
        holds.release("")
        if self.until_ns is None:
            self.until_ns = time.monotonic_ns() + self._stop_ns

    def give_up(self, net: Net) -> None:
        """Let everybody stop where they are, and name who does not; nothing the second time."""
        if self.is_given_up:
            return
        self.is_given_up = True
        working = [strand.name for strand in net.working()]
        net.halt()
        stuck = net.join(AT_ONCE_S)
        if working and self._state.prospect is not Outcome.FAILED:
            self._state.mark(Outcome.ABORTED, f"still at work when the time was over: {', '.join(working)}")
        if stuck:
            self._state.mark(
                Outcome.ABORTED, f"did not come back from user code, and was left alone: {', '.join(stuck)}"
            )
