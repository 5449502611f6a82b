"""Everybody who works for a run of processes: heard, followed when they die, and let go at the end."""

import time
from collections.abc import Callable
from typing import Final

from penstock.core.run import Outcome, RunState
from penstock.errors import PenstockError
from penstock.pipeline.plan import Plan
from penstock.services.builder_line import BuilderLine
from penstock.services.builder_words import BuilderWords
from penstock.services.course import Course
from penstock.services.deaths import Deaths
from penstock.services.hiring import Hiring
from penstock.services.last_books import LastBooks
from penstock.services.members import Members
from penstock.services.process_reports import ProcessReports
from penstock.services.processes import Processes
from penstock.services.roster import Roster
from penstock.services.succession import Succession
from penstock.services.user_calls import Failure

__all__ = ["CLOSE_S", "Staff"]

CLOSE_S: Final = 15.0
"""How long it may take until all is closed, should the event builder not say that it took too long."""


class Staff:
    """The event builder and the members of one run, as their supervisor has them.

    Parameters
    ----------
    processes
        Where they are started; closed with this.
    plan, state, course, builder, roster, books, used
        Of the run; ``used`` is told what processes use.
    failures
        Where tracebacks are kept.
    fail
        Ends the run because of an error.
    notice
        Raises a line for people: a text, and the stage that it is of.
    changed
        Told of a stage whose views have changed.
    forget
        Told the descriptor of the event builder's link when that says nothing more.
    hang_s
        How long the event builder, or a source, may not come round until it is killed.
    is_replay
        Whether ranges go to the workers that had them once.
    """

    def __init__(
        self,
        processes: Processes,
        plan: Plan,
        state: RunState,
        course: Course,
        *,
        builder: BuilderLine,
        roster: Roster,
        books: LastBooks,
        used: ProcessReports,
        failures: list[Failure],
        fail: Callable[[PenstockError], None],
        notice: Callable[[str, str], None],
        changed: Callable[[str], None],
        forget: Callable[[int], None],
        hang_s: float,
        is_replay: bool,
    ) -> None:
        self.processes, self._builder, self._state, self._course = processes, builder, state, course
        self._forget = forget
        self.members = Members(processes, lambda word, fds: builder.say(word, fds=fds))
        self.succession = Succession(
            plan, self.members, state, course, tell=builder.say, fail=fail, failures=failures, make=roster.worker,
            is_replay=is_replay,
        )  # fmt: skip
        self.hiring = Hiring(
            plan, self.members, self.succession, tell=builder.say, make=roster.worker, notice=notice
        )  # fmt: skip
        self._words = BuilderWords(
            state=state, course=course, builder=builder, members=self.members, succession=self.succession,
            hiring=self.hiring, roster=roster, books=books, used=used, failures=failures, changed=changed,
        )  # fmt: skip
        self._deaths = Deaths(
            processes=processes, builder=builder, members=self.members, succession=self.succession, state=state,
            course=course, books=books, used=used, failures=failures, hear=self.hear, hang_s=hang_s,
            is_recorded=plan.is_recorded,
        )  # fmt: skip

    def hear(self) -> None:
        """Have done what the event builder has said."""
        self._builder.hear(self._words.take, self._forget)

    def look(self) -> None:
        """See to who has died, who is to be started, and who hangs."""
        self._deaths.look()
        if not self._course.is_closing and not self._course.has_finished:
            self.succession.start_due()
        self._deaths.look_for_hangs()
        closing_s = self._course.closing_s
        if closing_s is not None and time.monotonic() - closing_s > CLOSE_S:
            self._state.mark(Outcome.FAILED, "the processes did not close in time")
            self._course.has_finished = True

    def close(self) -> None:
        """Give everybody time to end in good order, and then none."""
        self._deaths.wait_for_end()
        self.processes.close()
        self.members.close()
