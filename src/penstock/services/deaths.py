"""The deaths in a run of processes: told in an order in which they can be understood, and waited for at the end.

Who hangs is killed here. ``Succession`` sees to what follows a death; behind the event builder's, nothing goes on.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from penstock.core.run import Outcome, RunState
from penstock.services.builder_line import BuilderLine, hangs
from penstock.services.child import Death
from penstock.services.course import Course
from penstock.services.last_books import LastBooks
from penstock.services.members import Member, Members
from penstock.services.process_reports import ProcessReports
from penstock.services.processes import Processes
from penstock.services.succession import Succession
from penstock.services.user_calls import Failure

__all__ = ["LAST_S", "SINKS_S", "Deaths"]

SINKS_S: Final = 15.0
"""How long sinks may take to close that notice by themselves that the event builder has died."""
LAST_S: Final = 0.5
"""How long those who have closed may take to end."""


@dataclass(slots=True, eq=False, kw_only=True)
class Deaths:
    """Learns of every death in one run, and has it followed."""

    processes: Processes
    builder: BuilderLine
    members: Members
    succession: Succession
    state: RunState
    course: Course
    books: LastBooks
    used: ProcessReports
    failures: list[Failure]
    """Where tracebacks are kept."""
    hear: Callable[[], None]
    """Takes what the event builder has said."""
    hang_s: float
    """How long the event builder, or a source, may not come round until it is killed."""
    is_recorded: bool
    """Whether somebody can go on with the run should it be cut off."""
    has_lost_builder: bool = False
    """Whether the run ended because the event builder has died."""
    _unburied: list[Death] = field(default_factory=list)

    def look(self) -> None:
        """See to who has died since."""
        for death in self._next():
            if self.builder.is_it(death):
                if not self.course.has_finished:
                    self._lose_builder(death)
                continue
            member = self.members.bury(death)
            if member is not None:
                self._bury(member, death)

    def look_for_hangs(self) -> None:
        """Kill who does not come round: the event builder, or a source; it looks after everybody else."""
        if self.builder.child is None:
            return
        if self.builder.hangs(self.hang_s):
            self.builder.killed_for = f"it did not come round for {self.hang_s:g} s"
            self.processes.kill(self.builder.child)
            return  # others may only have waited for it
        for member in self.members:
            if member.role == "source" and hangs(member.progress, self.hang_s):
                self.members.kill(member.name, f"it did not come round for {self.hang_s:g} s")

    def wait_for_end(self) -> None:
        """Give everybody time to end who has closed; if the event builder has died, sinks the time to close."""
        if self.has_lost_builder:
            self._wait_for([member for member in self.members if member.role == "sink"], SINKS_S, 0.1)
        else:  # how many notices they had to leave out, nobody else knows
            self._wait_for(list(self.members), LAST_S, 0.02)

    def _next(self) -> list[Death]:
        """Return who has died, the event builder first: others end with it, and may be heard of sooner."""
        deaths, self._unburied = [*self._unburied, *self.processes.poll()], []
        builder = self.builder.child
        if not deaths or builder is None:
            return deaths
        self.hear()
        if any(death.child.number == builder.number for death in deaths):
            return sorted(deaths, key=lambda death: death.child.number != builder.number)
        if not self.builder.is_open and not self.course.has_finished:
            self._unburied = deaths  # it has gone, and its death is about to be told
            return []
        return deaths

    def _bury(self, member: Member, death: Death) -> None:
        if not self.used.knows(member.name):
            self.used.read_one(member.name, death.child.pid, member)
        if not self.course.has_finished:
            self.succession.bury(member, death)

    def _lose_builder(self, death: Death) -> None:
        """Say that the books are gone with the event builder, and how old the last known ones are."""
        self.hear()
        if self.course.has_finished:
            return
        self.has_lost_builder = True
        known = self.books.age_text(time.monotonic())
        if self.is_recorded and self.course.is_going:
            known = f"{known}; `penstock resume {self.state.id}` goes on with the run"
        why = f"; {self.builder.killed_for}" if self.builder.killed_for else ""
        self.state.mark(Outcome.FAILED, f"{death}{why}: the events under way are lost, and {known}")
        if death.text:
            self.failures.append(Failure(stage="builder", event=None, cause=str(death), traceback=death.text))
        self.course.has_finished = True

    def _wait_for(self, members: Sequence[Member], longest_s: float, poll_s: float) -> None:
        end_s = time.monotonic() + longest_s
        while any(member.child is not None for member in members) and time.monotonic() < end_s:
            for death in self.processes.poll(poll_s):
                self.members.bury(death)
