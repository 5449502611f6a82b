"""What a source or step of plain values subclasses that wants to know when all that came of its items has ended."""

from abc import ABC, abstractmethod

from penstock.elements.sink import RunFacts
from penstock.monitor.report import FilesReport

__all__ = ["WantsSettled"]


class WantsSettled(ABC):
    """A source of plain values, or a step that is given all items, that is told by the engine what has ended.

    An item has ended when it, and whatever came of it, is in an account of the ledger, and sinks have written it so
    that a kill of the process does not take it. The engine says so some time later, and never too early.
    """

    run: RunFacts | None = None
    """What run it belongs to; given by the engine before anything is read. ``None``: nobody will settle."""

    @abstractmethod
    def settled(self, count: int) -> None:
        """Learn that the first so many items it gave have ended, from any thread.

        Raises
        ------
        SourceError
            If it cannot be noted.
        """

    def stop(self) -> None:  # noqa: B027 - few wait for anything
        """Learn, from any thread, that nothing more is to be read; whoever waits for something ends."""

    @abstractmethod
    def leave(self) -> None:
        """Learn that nothing more will be settled: the run is over. May come without anything having been read."""

    @abstractmethod
    def files(self) -> FilesReport:
        """Return how far it is, from any thread."""
