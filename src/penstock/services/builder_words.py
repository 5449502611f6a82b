"""What an event builder tells its supervisor, and who is to know it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from penstock.core.run import Outcome, RunState
from penstock.services.builder_line import BuilderLine
from penstock.services.course import Course
from penstock.services.hiring import Hiring
from penstock.services.last_books import LastBooks
from penstock.services.members import Members
from penstock.services.notes import failure_of
from penstock.services.process_reports import ProcessReports
from penstock.services.roster import Roster
from penstock.services.succession import Succession
from penstock.services.user_calls import Failure
from penstock.wire import supervision as say

__all__ = ["BuilderWords"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderWords:
    """Hands every word of the event builder on."""

    state: RunState
    course: Course
    builder: BuilderLine
    members: Members
    succession: Succession
    hiring: Hiring
    roster: Roster
    books: LastBooks
    used: ProcessReports
    failures: list[Failure]
    """Where tracebacks are kept."""
    changed: Callable[[str], None]
    """Told of a stage whose views have changed."""

    def take(self, word: Any) -> None:
        """Have done what a word asks for."""
        match word:
            case say.Broke(_, text, note):
                self.state.mark(Outcome.FAILED, text)
                if note is not None:
                    self.failures.append(failure_of(note))
                self.course.close_soon()
            case say.WasSet(number, _) | say.Status(number, _) | say.Extended(number, _) | say.Discarded(number, _):
                self.builder.answer(number, word)
            case say.Changed(stage, _):
                self.changed(stage)
            case say.Finished(report):
                self.books.take(report, time.monotonic())
                self.used.read(self.members.by_name, 0.0)
                self.course.has_finished = True
            case say.Hire() if not self.course.is_closing:
                self.hiring.hire(word)
            case say.Dismiss():
                self.hiring.dismiss(word)
            case _:
                self._take_of_member(word)

    def _take_of_member(self, word: Any) -> None:
        match word:
            case say.Entered(name, keeps_state) if name in self.members.by_name:
                member = self.members.by_name[name]
                member.is_entered, member.keeps_state, member.last_death = True, keeps_state, ""
            case say.Kill(name, why):
                self.members.kill(name, why)
            case say.GaveUp(name, why):
                self.succession.give_up(name, why)
            case say.Left(name, context):
                self._left(name, context)

    def _left(self, name: str, context: msgspec.Raw) -> None:
        member = self.members.by_name.get(name)
        if member is None:
            return
        member.has_left = True
        if member.child is not None:
            self.used.read_one(name, member.child.pid, member)
        self.roster.keep(member, context)
