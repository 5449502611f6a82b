"""Sources that attend to their run: told of it when it is open, called in its thread, and told how it has ended."""

from collections.abc import Iterable
from typing import Any

from penstock.elements.attendant import Attendant, Attended
from penstock.monitor.report import RunReport

__all__ = ["Attendants"]


class Attendants:
    """All there are in a run.

    Parameters
    ----------
    things
        Sources of a run, of whatever kind.
    """

    def __init__(self, things: Iterable[object] = ()) -> None:
        self._attendants = [thing for thing in things if isinstance(thing, Attendant)]

    def attend(self, run: Attended) -> list[Any]:  # ZeroMQ sockets and file descriptors
        """Tell all of them of the run; return what can be read when ``poll`` has something to do."""
        found: list[Any] = []
        for attendant in self._attendants:
            attendant.is_attending = True
            found += attendant.attend(run)
        return found

    def poll(self) -> None:
        """Let all of them do what there is to do."""
        for attendant in self._attendants:
            attendant.poll()

    def until_due_s(self) -> float:
        """Return after how long one of them has something to do though nothing can be read."""
        return min((attendant.until_due_s() for attendant in self._attendants), default=float("inf"))

    def leave(self, report: RunReport) -> None:
        """Tell all of them how the run has ended."""
        for attendant in self._attendants:
            attendant.leave(report)
