"""What attends to a run from inside its pipeline: it is told of the run, may command it, and says how it goes.

It is a source, so that a pipeline names it like any other; as one it gives nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from penstock.core.parameters import Change
from penstock.core.run import Outcome
from penstock.errors import SourceError
from penstock.monitor.report import RunReport

__all__ = ["Attendant", "Attended"]


class Attended(Protocol):
    """What may be asked of a run. All of it is called where the attendant is: in the thread of the run."""

    def hold(self, name: str) -> None:
        """Let a source or stage take nothing more in; without a name all of them."""

    def release(self, name: str) -> None:
        """Let it go on."""

    def discard(self, then: Callable[[int], None]) -> None:
        """Give up whatever waits; ``then`` is told how much that was."""

    def drain(self, reason: str = ..., *, outcome: Outcome | None = ...) -> None:
        """Read nothing more, bring out what has come, and end; without an outcome that is a normal end."""

    def set(self, values: Mapping[str, Any], then: Callable[[Change], None], who: str = "") -> None:
        """Change parameters."""

    def report(self) -> RunReport:
        """Say how the run is."""

    def begun(self) -> Mapping[str, int]:
        """Return how many items each worker of a parallel stage has begun, by its name, such as ``fit-0``."""


class Attendant(ABC):
    """A source that attends to its run, and gives nothing. A run calls it in its own thread, so it never waits.

    Examples
    --------
    >>> class Clerk(Attendant):
    ...     def attend(self, run):
    ...         self.run = run
    ...         return []
    ...     def poll(self):
    ...         pass
    ...     def leave(self, report):
    ...         print(report.outcome)
    >>> isinstance(Clerk(), Attendant)
    True
    """

    is_attending = False
    """Whether the engine has told it of the run."""

    def __aiter__(self) -> "Attendant":
        """Give nothing, for ever."""
        return self

    async def __anext__(self) -> Any:  # nothing
        import asyncio

        if not self.is_attending:
            raise SourceError("only the engine chains tells a source of its run; leave --engine out")
        await asyncio.get_running_loop().create_future()

    @abstractmethod
    def attend(self, run: Attended) -> Sequence[Any]:  # ZeroMQ sockets and file descriptors
        """Learn of the run, when all is open and before anything is read.

        Returns
        -------
        What can be read when ``poll`` has something to do.
        """

    @abstractmethod
    def poll(self) -> None:
        """Do what there is to do, without waiting."""

    @abstractmethod
    def leave(self, report: RunReport) -> None:
        """Learn how the run has ended."""

    def until_due_s(self) -> float:
        """Return after how long ``poll`` has something to do though nothing can be read; by default never."""
        return float("inf")
