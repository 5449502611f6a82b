"""The register of deaths: who follows whom and when, who is followed by nobody, and what that means for the run.

Who dies again and again is followed later and later, and at last given up: its breaker opens. Others of its stage do
its work then, or the run goes on without its stream, or it cannot go on.
"""

import time
from collections.abc import Callable
from typing import Any

from penstock.core.run import Outcome, RunState
from penstock.errors import PenstockError, ProcessError
from penstock.pipeline.plan import Plan
from penstock.services.child import Death
from penstock.services.course import Course
from penstock.services.members import Member, Members
from penstock.services.user_calls import Failure
from penstock.wire import supervision as say

__all__ = ["Succession"]

MOST_QUICK_DEATHS = 5
"""In a row: who dies so often before it is ready will do so again."""


class Succession:
    """Tells the event builder of every death, and starts successors where there can be one.

    Parameters
    ----------
    plan, members, state, course
        Of the run.
    tell
        Says something to the event builder.
    fail
        Ends the run because of an error.
    failures
        Where tracebacks are kept.
    make
        Returns a worker of a stage as it would be made now.
    is_replay
        Whether ranges go to the workers that had them once, so that none can be done without.
    """

    def __init__(
        self,
        plan: Plan,
        members: Members,
        state: RunState,
        course: Course,
        *,
        tell: Callable[[Any], None],
        fail: Callable[[PenstockError], None],
        failures: list[Failure],
        make: Callable[[str, int], Member],
        is_replay: bool = False,
    ) -> None:
        self._plan = plan
        self._members = members
        self._state = state
        self._course = course
        self._tell = tell
        self._fail = fail
        self._failures = failures
        self._make = make
        self._is_replay = is_replay

    def bury(self, member: Member, death: Death) -> None:
        """See to what follows the death of a member's process."""
        if not member.has_left:
            self._replace(member, death)
        elif member.is_leaving:
            self._let_go(member)

    def start_due(self) -> None:
        """Start those for whom it is time."""
        now_s = time.monotonic()
        for member in self._members:
            if member.due_s is not None and member.due_s <= now_s:
                self._start(member)

    def until_due_s(self, longest_s: float) -> float:
        """Return for how long nobody is to be started, in s."""
        due = [member.due_s for member in self._members if member.due_s is not None]
        return max(0.0, min(due) - time.monotonic()) if due else longest_s

    def restart(self, worker: str) -> None:
        """Let another process take the place of a worker's, a reducer's or a stage of steps', as ``renew`` does.

        Raises
        ------
        PenstockError
            If there is no such worker, or it keeps something that another one would not have.
        """
        workers = {member.name: member for member in self._members if member.role not in ("source", "sink")}
        if worker not in workers:
            raise PenstockError(f"no worker is called {worker!r}; there are {', '.join(workers) or 'none'}")
        member = workers[worker]
        if member.role == "steps" and not member.keeps_state and member.child is not None:
            raise PenstockError(f"{worker} keeps something that another process would not have; it is not restarted")
        self.renew(member)

    def renew(self, member: Member) -> None:
        """Let another process take a member's place, once it has nothing to do or with what it has; nothing is lost.

        One that was given up, or waits to be started, is started at once, and its deaths are forgotten.
        """
        if member.child is None:
            member.budget.reset()
            member.quick_deaths, member.given_up = 0, ""
            self._start(member)
        elif not member.is_entered or member.is_leaving:
            pass  # it is new, or will be
        elif member.role == "map":
            member.is_leaving = member.is_renewed = True
            self._tell(say.Leave(member.name))
        else:
            self._tell(say.Renew(member.name))

    def remove(self, member: Member) -> bool:
        """Let a member go that has no process, or is to have none; return whether it is still to leave."""
        member.is_renewed = False
        if member.child is None:
            self._let_go(member)
            return False
        member.is_leaving = True
        return True

    def give_up(self, name: str, why: str) -> None:
        """Have nobody follow a member, because the run goes on without it."""
        member = self._members.by_name.get(name)
        if member is not None:
            member.given_up, member.due_s = why, None
            self._members.kill(name, why)

    def _replace(self, member: Member, death: Death) -> None:
        text = f"{death}; {member.killed_for}" if member.killed_for else str(death)
        is_quick = not member.is_entered  # who dies again and again later on is known to the event builder
        member.is_entered, member.last_death = False, text
        if member.killed_for == say.RESTARTED:
            wait_s = 0.0 if self._can_be_followed(member, is_quick) else None
        else:
            member.deaths, member.death = member.deaths + 1, text
            member.quick_deaths = member.quick_deaths + 1 if is_quick else 0
            wait_s = self._wait_s(member, is_quick)
        why = self._verdict(member)
        self._tell(say.Gone(member.name, f"{text}{why}", wait_s is not None or member.is_leaving))
        if wait_s is not None:
            member.due_s = time.monotonic() + wait_s
            if not wait_s:
                self._start(member)
        elif member.is_leaving:
            self._let_go(member)
        elif not self._course.is_closing and not member.given_up:
            self._leave_off(member, text, why, death)

    def _wait_s(self, member: Member, is_quick: bool) -> float | None:
        """Return how long to wait for the next one; ``None``: there is none."""
        if not self._can_be_followed(member, is_quick) or member.is_leaving:
            return None
        wait_s = member.budget.died(time.monotonic())
        return None if member.quick_deaths >= MOST_QUICK_DEATHS else wait_s

    def _can_be_followed(self, member: Member, is_quick: bool) -> bool:
        if self._course.is_closing or member.given_up:
            return False
        if member.role == "steps":
            return member.keeps_state or is_quick
        return member.role != "sink" or self._is_recorder(member) or self._plan.sinks[member.of].is_repeatable

    def _is_recorder(self, member: Member) -> bool:
        """Whether the run goes on without a process, if it has begun: what could not be recorded is in the books."""
        return member.role == "sink" and self._plan.sinks[member.of].is_recorder and self._course.is_going

    @staticmethod
    def _verdict(member: Member) -> str:
        """Say how often it died, if that is why nobody follows it."""
        if member.quick_deaths >= MOST_QUICK_DEATHS:
            return f", {member.quick_deaths} times in a row"
        return f"; {member.budget.why}" if member.budget.is_spent else ""

    def _leave_off(self, member: Member, text: str, why: str, death: Death) -> None:
        """Go on without a member, if there are others, or if the event builder may decide; else end the run."""
        member.given_up = f"{text}{why}"
        if self._is_recorder(member):
            return
        if self._course.is_going and (member.role == "source" or self._has_others(member)):
            return
        if member.role == "steps" and not why:
            why = f"; the steps of {member.of} are not all functions, and what the others kept is lost"
        if member.role == "map" and len(self._members.of(member.of)) > 1 and self._course.is_going:
            text = f"stage {member.of} has no worker left: {text}"
        self._state.mark(Outcome.FAILED, f"{text}{why}")
        if death.text:
            self._failures.append(Failure(stage=member.of, event=None, cause=str(death), traceback=death.text))
        self._tell(say.Abort(text, str(Outcome.FAILED)))
        self._course.close_soon()

    def _has_others(self, member: Member) -> bool:
        others = (each for each in self._members.of(member.of) if each is not member)
        return member.role == "map" and not self._is_replay and any(not each.given_up for each in others)

    def _let_go(self, member: Member) -> None:
        """Forget one who has left, or start another one of its name."""
        if not member.is_renewed:
            self._members.by_name.pop(member.name, None)
            return
        index = int(member.name.rpartition("-")[2])
        member.order = self._make(member.of, index).order  # with what its predecessor has left
        member.is_leaving = member.is_renewed = False
        if not self._course.is_closing:
            self._start(member)

    def _start(self, member: Member) -> None:
        try:
            self._members.start(member)
        except ProcessError as error:
            self._fail(error)
