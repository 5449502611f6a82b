"""The sinks of a run of chains: opened before anything is read, hastened when all wait for them, closed at the end."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from penstock.core.run import Outcome, RunState
from penstock.elements.losses import losses_of
from penstock.elements.sink import RunFacts
from penstock.errors import PenstockError
from penstock.services.strands.last_sinks import LastSinks
from penstock.services.strands.sink_end import SinkEnd

__all__ = ["RunSinks"]


class RunSinks:
    """All sinks of one run, for one thread.

    Parameters
    ----------
    ends
        By name.
    """

    def __init__(self, ends: Mapping[str, SinkEnd]) -> None:
        self._ends = ends
        self._last = LastSinks([name for name, end in ends.items() if end.needs_strand])

    def open(self, facts: Callable[[str], RunFacts]) -> None:
        """Open all of them.

        Parameters
        ----------
        facts
            Returns what a sink is told of the run, by its name.

        Raises
        ------
        SinkError
            If one cannot be opened; those behind it are not.
        """
        for name, end in self._ends.items():
            end.open(facts(name))

    def hasten(self, working: Collection[str], *, done: int, now: int, until: int | None) -> None:
        """Let them wait for others no longer, if that is due; parameters as of `LastSinks.is_due`."""
        if self._last.is_due(working, done=done, now=now, until=until):
            for end in self._ends.values():
                end.sink.hasten()

    def close(
        self, state: RunState, books: Callable[[], Mapping[str, Any]], fail: Callable[[PenstockError], None]
    ) -> None:
        """Finish the output of all of them, whatever happens to some.

        Parameters
        ----------
        state
            Of the run: they are told how it will have ended.
        books
            Returns those of the run, for a sink that tells all.
        fail
            Called with what goes wrong, after which the state says so to those behind.
        """
        ended_well = state.prospect is Outcome.FINISHED
        for end in self._ends.values():
            end.tell(books)
            try:
                end.close(ended_well, str(state.prospect), "; ".join(state.reasons))
            except PenstockError as error:
                fail(error)
            for why, count in losses_of(end.sink):
                end.entry.remark("missed", f"{count}, {why}")

    def paths(self) -> dict[str, str]:
        """Return where the output of each lies that has a path, by name."""
        return {name: end.path for name, end in self._ends.items() if end.path}
