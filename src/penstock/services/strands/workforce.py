"""The workers of a run's parallel stages, for whoever commands: how many there are, and who is replaced."""

from collections.abc import Callable, Mapping

from penstock.core.command import AUTO, WorkerCount
from penstock.errors import PenstockError
from penstock.monitor.report import StaffReport
from penstock.services.hiring import no_limits
from penstock.services.strands.cut import Cut
from penstock.services.strands.feed_staffing import FeedStaffing

__all__ = ["Workforce"]


class Workforce:
    """All workers of one run, for one thread.

    Parameters
    ----------
    cut
        What its plan is made of.
    notice
        Raises a line for people: a text, and the stage that it is of.
    """

    def __init__(self, cut: Cut, notice: Callable[[str, str], None]) -> None:
        self._cut = cut
        self._staffing = FeedStaffing(cut.parallel, notice)

    def scale(self, stage: str, workers: WorkerCount) -> None:
        """Let a parallel stage have so many workers from now on; those that leave first finish what they have begun.

        One that goes by the load is kept at the number, until ``auto`` takes that back. In threads and tasks, the steps
        of new ones are made here.

        Raises
        ------
        PenstockError
            If there is no such stage, it has no workers, or it cannot have so many.
        """
        feed = next((feed for feed in self._cut.parallel if feed.stage.name == stage), None)
        if self._staffing.has(stage):
            self._staffing.pin(stage, workers)
        elif feed is not None:
            if workers == AUTO:
                raise no_limits(stage)
            feed.scale(workers)
        elif stage in self._cut.stages:
            raise PenstockError(f"stage {stage} has no workers; give it some in the pipeline file, workers: 2 or more")
        else:
            there_are = ", ".join((*self._cut.sources, *self._cut.stages)) or "none"
            raise PenstockError(f"no source or stage is called {stage!r}; there are {there_are}")

    def restart(self, worker: str) -> None:
        """Let another worker take the place of one, when that has finished what it has begun.

        Raises
        ------
        PenstockError
            If there is none of this name.
        """
        if not any(feed.restart(worker) for feed in self._cut.parallel):
            there_are = [desk.hand.name for feed in self._cut.parallel for desk in feed.staff.desks]
            raise PenstockError(f"no worker is called {worker!r}; there are {', '.join(there_are) or 'none'}")

    def begun(self) -> Mapping[str, int]:
        """Return how many items each worker has begun; one that was replaced counts from 0."""
        return {name: count for feed in self._cut.parallel for name, count in feed.begun().items()}

    def look(self, now: int) -> None:
        """Let workers come and go where stages go by the load."""
        self._staffing.look(now)

    def reports(self) -> list[StaffReport]:
        """Say how many workers such stages have, between which limits, and why."""
        return self._staffing.reports()
