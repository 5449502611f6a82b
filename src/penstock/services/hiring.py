"""Workers that come and go while a run goes on, as its supervisor starts them and lets them go.

How many there should be is decided by whoever commands, or by the event builder where a stage goes by the load.
"""

from collections.abc import Callable
from itertools import count

from penstock.core.command import AUTO, WorkerCount
from penstock.errors import PenstockError, ProcessError
from penstock.pipeline.plan import Plan
from penstock.services.members import Member, Members
from penstock.services.staff_reports import staff_text
from penstock.services.succession import Succession
from penstock.wire import supervision as say

__all__ = ["Hiring", "no_limits"]


class Hiring:
    """Changes the number of workers of map stages.

    Parameters
    ----------
    plan, members, succession
        Of the run.
    tell
        Says something to the event builder.
    make
        Returns a worker of a stage as it would be made now.
    notice
        Raises a line for people: a text, and the stage that it is of.
    """

    def __init__(
        self,
        plan: Plan,
        members: Members,
        succession: Succession,
        *,
        tell: Callable[..., None],
        make: Callable[[str, int], Member],
        notice: Callable[[str, str], None],
    ) -> None:
        self._plan = plan
        self._members = members
        self._succession = succession
        self._tell = tell
        self._make = make
        self._notice = notice

    def scale(self, stage: str, workers: WorkerCount) -> None:
        """Let a map stage have so many workers; one that goes by the load is kept at the number, or is so no more.

        Raises
        ------
        PenstockError
            If there is no such stage, or it cannot have so many.
        """
        plan = self._plan.stages.get(stage)
        if plan is None or plan.kind != "map":
            there_are = ", ".join(name for name, each in self._plan.stages.items() if each.kind == "map")
            raise PenstockError(f"no map stage is called {stage!r}; there are {there_are or 'none'}")
        if plan.limits is not None:
            if workers != AUTO and (trouble := plan.limits.trouble(workers)):
                raise PenstockError(f"stage {stage}: {trouble}")
            self._tell(say.Pin(stage, 0 if workers == AUTO else workers))
            return
        if workers == AUTO:
            raise no_limits(stage)
        if workers < 1:
            raise PenstockError(f"{workers} workers for {stage}; a stage needs 1 or more")
        there = sorted(self._members.of(stage), key=lambda member: int(member.name.rpartition("-")[2]))
        leaving = [member for member in there[workers:] if self._succession.remove(member)]
        # Said together: what one leaves behind must not be given to another who is about to leave.
        self._tell(*(say.Leave(member.name) for member in leaving))
        self._start(stage, workers - len(there))

    def hire(self, word: say.Hire) -> None:
        """Start the workers that the event builder asks for; where no process can be made, others do their work."""
        try:
            self._start(word.stage, word.more)
        except ProcessError as error:
            self._notice(f"no more workers: {error}", word.stage)
            return
        self._notice(staff_text(word.workers - word.more, word.workers, word.why), word.stage)

    def dismiss(self, word: say.Dismiss) -> None:
        """Let nobody follow the workers that the event builder lets go."""
        for name in word.names:
            member = self._members.by_name.get(name)
            if member is not None:
                self._succession.remove(member)
        self._notice(staff_text(word.workers + len(word.names), word.workers, word.why), word.stage)

    def _start(self, stage: str, more: int) -> None:
        used = {int(member.name.rpartition("-")[2]) for member in self._members if member.of == stage}
        free = (k for k in count() if k not in used)
        for _ in range(more):
            self._members.add(self._make(stage, next(free)))


def no_limits(stage: str) -> PenstockError:
    """Say that the workers of a stage do not go by the load, and what would let them."""
    text = f"stage {stage} has as many workers as it is told; write workers: {{from: 1, to: 8}} in the pipeline file"
    return PenstockError(f"{text} for them to come and go with the load")
