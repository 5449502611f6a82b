"""The desk of a pipeline: commands come to it from every door, are held against the states, done once, and answered.

It lives in the thread of the run, never waits, and keeps no socket. Whatever comes, the run goes on.
"""

import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Protocol

import msgspec

from penstock.core.allowance import Allowance
from penstock.core.answered import Answered, must_be_same
from penstock.core.command import (
    COMMANDS,
    LONGEST_WORD,
    OF_ALARMS,
    Aim,
    Command,
    CommandKind,
    Outcome,
    Problem,
    Reply,
    allowed_now,
    check_command,
)
from penstock.core.feedback import Feedback, feedback_in_one_line
from penstock.core.states import State
from penstock.core.suggest import listed
from penstock.errors import CommandError, ParameterError, PenstockError, StateError
from penstock.monitor.report import RunReport
from penstock.pipeline.plan import Plan
from penstock.services.command_acts import act
from penstock.services.command_audit import CommandAudit, CommandCounts, CommandRecord, Journal
from penstock.services.commanded import Commanded, Sight

__all__ = ["Asked", "ControlDesk", "Door"]

MOST_PENDING: Final = 100
"""Commands that wait for their answer at a time."""
AT_ONCE, A_SECOND = 100, 50
"""How many commands one caller may send."""
MOST_CALLERS: Final = 1000
"""Of whom it is known how much they have asked for."""
FRESH_S: Final = 0.1
"""So old may be what is known of the states, if nothing was commanded meanwhile."""
LATE_S: Final = 60.0
"""How long a run may take for an answer."""
LONGEST_LISTENING_S: Final = 30.0
"""How long somebody may wait for feedback."""
NO_RUN: Final = "no run goes on"
BUSY: Final = "busy: too many commands come; send it again later, with the same id"

Answer = Callable[[Reply], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A command that came by a door in another thread."""

    command: Command
    may_turn: bool
    caller: str
    answer: Answer


class Door(Protocol):
    """A door in another thread."""

    name: str
    counts: CommandCounts

    @property
    def pollable(self) -> int:
        """A descriptor that can be read when a command waits."""

    def waiting(self) -> Iterable[Asked]:
        """Take what has come."""


@dataclass(slots=True)
class _Pending:
    command: Command
    kind: CommandKind
    door: str
    began_s: float
    answers: list[Answer] = field(default_factory=list)
    sight: Sight | None = None
    """When it was decided."""
    is_answered: bool = False


class ControlDesk:
    """Takes commands, and answers each of them exactly once.

    Parameters
    ----------
    clock
        Monotonic, in s.
    utc
        Nanoseconds since 1970.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        utc: Callable[[], int] = time.time_ns,
    ) -> None:
        self.audit = CommandAudit()
        self.counts = CommandCounts()
        self.door: Door | None = None
        """One in another thread, if there is any."""
        self.is_shut_down = False
        """Whether the program is to end."""
        self.was_told_to_end = False
        """Whether a command has ended a run or the program: whoever sent it waits for the answer."""
        self._clock, self._utc = clock, utc
        self._run: Commanded | None = None
        self._sight: Sight | None = None
        self._seen_s = 0.0
        self._is_stale = True
        self._is_ending = False
        self._answered = Answered()
        self._pending: dict[tuple[str, str], _Pending] = {}
        self._callers: OrderedDict[str, Allowance] = OrderedDict()
        self._arm: Callable[[Mapping[str, Any]], None] | None = None
        self._stays = self._has_logs = False
        self._looking: list[tuple[int, Callable[[Sight], None]]] = []
        """Who waits to see how things are, and after how many changes."""
        self._changes = 0
        self._is_asking = False
        self._speaking: Commanded | None = None
        """The run, also when it has ended, for what its user code has said back to the scan."""
        self._listening: list[tuple[int, float, Callable[[str, Any], None]]] = []
        """Who waits for feedback: with numbers above which, and until when."""

    @property
    def pollable(self) -> int | None:
        """A descriptor that can be read when ``poll`` has something to do; ``None`` if nobody comes that way."""
        return None if self.door is None else self.door.pollable

    def write_to(self, journal: Journal, *, has_files: bool) -> None:
        """Have what is commanded written into a journal, too; one that has files can be rotated by a command."""
        self.audit.journal, self._has_logs = journal, has_files

    # The life of runs.

    def introduce(self, plan: Plan) -> None:
        """Say which pipeline it is, before its first run."""
        if self._sight is None:
            self._sight = Sight.without_run(plan, State.INITIALISED)

    def begin(self, run: Commanded, plan: Plan, name: str) -> None:
        """Say that a run begins."""
        self._run = self._speaking = run
        self._sight = Sight.without_run(plan, State.INITIALISED, name)
        self._is_stale, self._is_ending, self._is_asking = True, False, False

    def finish(self, report: RunReport) -> None:
        """Say how a run has ended; whoever waits for an answer of it gets one."""
        if self._run is None:
            return
        self._run, self._looking = None, []
        self.tell_feedback(is_last=True)
        if self._sight is not None:
            ended = Sight.of(self._sight.plan, report)
            self._sight = ended if ended.state is State.STOPPED else self._stopped(ended)
        for pending in list(self._pending.values()):
            self._fail(pending, "the run ended before it could answer", Problem.ENDED)

    def stay(self, arm: Callable[[Mapping[str, Any]], None] | None) -> None:
        """Say that the program waits for another run, which ``arm`` begins, or raises why not."""
        self._arm, self._stays = arm, True

    def leave(self) -> None:
        """Say that it does not wait any more."""
        self._arm, self._stays = None, False

    # Commands.

    def take(
        self, command: Command, then: Answer, *, door: str, caller: str | None = None, may_turn: bool = True
    ) -> None:
        """Take a command; ``then`` is called once with the reply, now or later.

        Parameters
        ----------
        door
            By which it comes.
        caller
            Who may only ask for so much; ``None`` may ask for anything.
        may_turn
            Whether the sender may do more than look.
        """
        self.counts.received += 1
        now_s = self._clock()
        try:
            kind = check_command(command)
            if self._sight is None:
                raise CommandError(f"{command.name} is refused: nothing has begun yet", problem=Problem.STATE)
        except CommandError as error:
            self._turn_away(command, then, str(error), error.problem)
            return
        if not (may_turn or kind.is_looking):
            text = "this token is a viewer's; to turn things, an operator's is needed"
            self._turn_away(command, then, text, Problem.FORBIDDEN)
            return
        if not command.id:
            command = msgspec.structs.replace(command, id=uuid.uuid4().hex)
        try:
            if self._is_repeated(command, then, now_s):
                self.counts.repeated += 1
                return
        except CommandError as error:
            self._turn_away(command, then, str(error), error.problem)
            return
        if not kind.ends_run and (len(self._pending) >= MOST_PENDING or not self._may_ask(caller, now_s)):
            self._turn_away(command, then, BUSY, Problem.BUSY)
            return
        pending = _Pending(command, kind, door, now_s, [then])
        self._pending[command.who, command.id] = pending
        if command.name in ("abort", "shutdown"):  # of a run, too, that does not say any more how it is
            self._decide(pending, self._known())
        else:
            self._look(partial(self._decide, pending))

    def witness(self, command: Command, *, door: str) -> None:
        """Keep a command that was done by another path."""
        if self._run is not None:
            self._changes += 1
            self._is_stale = True
            self.was_told_to_end |= COMMANDS[command.name].ends_run
        reply = Reply(id=command.id, name=command.name, target=command.target, outcome=Outcome.DONE, text="")
        self.audit.add(command, reply, door=door, took_s=0.0, utc_ns=self._utc())

    def poll(self) -> None:
        """Take what has come by a door in another thread, and wait for nothing for ever."""
        if self.door is not None:
            for asked in self.door.waiting():
                self.take(
                    asked.command, asked.answer, door=self.door.name, caller=asked.caller, may_turn=asked.may_turn
                )
        if self._listening:
            self.tell_feedback()
        if self._pending:
            self._give_up_late()

    def tell_feedback(self, *, is_last: bool = False) -> None:
        """Answer those who wait for feedback if there is any, or if they have waited long enough."""
        listening, self._listening = self._listening, []
        now_s = self._clock()
        for after, until_s, told in listening:
            found = self._said_since(after)
            if found or is_last or now_s >= until_s:
                told(feedback_in_one_line(found), msgspec.to_builtins(found))
            else:
                self._listening.append((after, until_s, told))

    def look(self, then: Callable[[Any], None]) -> None:
        """Have the states brought, as the command ``status`` has them; this is no command and is not counted.

        Raises
        ------
        StateError
            If nothing has begun yet.
        """
        if self._sight is None:
            raise StateError("nothing has begun yet")
        self._look(lambda sight: then(self._status(sight)))

    def records(self) -> list[CommandRecord]:
        """Return who commanded what, the newest last."""
        return self.audit.records()

    # Inside.

    def _is_repeated(self, command: Command, then: Answer, now_s: float) -> bool:
        """Answer what was answered before, or when it is; return whether it was asked before."""
        pending = self._pending.get((command.who, command.id))
        if pending is not None:
            must_be_same(pending.command, command)
            if len(pending.answers) < MOST_PENDING:
                pending.answers.append(then)
            else:
                self._turn_away(command, then, BUSY, Problem.BUSY)
            return True
        reply = self._answered.find(command, now_s)
        if reply is not None:
            then(reply)
        return reply is not None

    def _may_ask(self, caller: str | None, now_s: float) -> bool:
        if caller is None:
            return True
        allowance = self._callers.pop(caller, None) or Allowance(AT_ONCE, A_SECOND)
        self._callers[caller] = allowance  # behind all others: those that are silent for long are forgotten
        if len(self._callers) > MOST_CALLERS:
            self._callers.popitem(last=False)
        return allowance.take(now_s)

    def _look(self, then: Callable[[Sight], None]) -> None:
        """Bring how things are, at once if that is known."""
        run = self._run
        if run is None or (not self._is_stale and self._clock() - self._seen_s < FRESH_S):
            then(self._known())
            return
        self._looking.append((self._changes, then))
        if not self._is_asking:
            self._ask(run)

    def _ask(self, run: Commanded) -> None:
        self._is_asking = True
        changes = self._changes

        def see(report: RunReport) -> None:
            if self._run is not run or self._sight is None:
                return
            self._sight = Sight.of(self._sight.plan, report)
            self._seen_s, self._is_asking, self._is_stale = self._clock(), False, changes != self._changes
            ready = [then for since, then in self._looking if since <= changes]
            self._looking = [each for each in self._looking if each[0] > changes]
            for then in ready:
                then(self._known())
            if self._looking and self._run is run and not self._is_asking:  # who came after the last change
                self._ask(run)

        try:
            run.ask(see)
        except PenstockError:  # it cannot say; what was known before must do
            self._is_asking = False
            looking, self._looking = self._looking, []
            for _, then in looking:
                then(self._known())

    def _known(self) -> Sight:
        assert self._sight is not None  # nothing is taken before
        is_going = self._sight.state not in (State.FINISHING, State.STOPPED, State.FAULT)
        return self._with_state(self._sight, State.FINISHING) if self._is_ending and is_going else self._sight

    def _stopped(self, sight: Sight) -> Sight:
        return self._with_state(sight, State.STOPPED)

    def _with_state(self, sight: Sight, state: State) -> Sight:
        first = msgspec.structs.replace(sight.states[0], state=str(state))
        return replace(sight, states=(first, *sight.states[1:]))

    def _decide(self, pending: _Pending, sight: Sight) -> None:
        """Do it, or say why not."""
        if pending.is_answered:
            return
        pending.sight = sight
        try:
            self._obey(pending, sight)
        except CommandError as error:
            self._refuse(pending, str(error), Problem(error.problem))
        except PenstockError as error:
            text = str(error)
            is_unknown = isinstance(error, ParameterError) and text.startswith("no parameter")
            is_unknown = is_unknown or text.startswith(("no source or stage is called", "no worker is called"))
            is_unknown = is_unknown or text.startswith(("no map stage", "no stage"))
            self._refuse(pending, text, Problem.UNKNOWN if is_unknown else Problem.ARGUMENT)
        except Exception as error:  # noqa: BLE001 - no command may end a run by a mistake of ours or of user code
            self._fail(pending, f"{pending.command.name} broke: {error!r}", Problem.BROKEN)

    def _obey(self, pending: _Pending, sight: Sight) -> None:
        command, kind, run = pending.command, pending.kind, self._run
        self._must_be_allowed(command, kind, sight)
        aim, name = sight.aimed(command.name, kind, command.target)
        if aim is not Aim.ALARM:
            self._must_fit(command, kind, sight, name)

        def told(text: str, body: Any) -> None:
            self._answer(pending, Outcome.DONE, text, body=body)

        match command.name:
            case "status":
                told(_in_one_line(sight), self._status(sight))
            case "feedback":
                after, wait_s = command.arguments.get("after", 0), command.arguments.get("wait_s", 0.0)
                self._listening.append((after, self._clock() + min(wait_s, LONGEST_LISTENING_S), told))
                self.tell_feedback(is_last=run is None)
            case "arm":
                assert self._arm is not None
                self._arm(command.arguments)
                told("another run begins", None)
            case "rotate-logs":
                assert self.audit.journal is not None
                self.audit.journal.rotate()
                told("another log file has begun", None)
            case _ if run is None:
                self.is_shut_down = self.was_told_to_end = True
                told("the program ends", None)
            case _:
                if not kind.is_looking:
                    self._note(command, kind)
                act(command, aim, name, run, sight, told)

    def _said_since(self, after: int) -> list[Feedback]:
        return [] if self._speaking is None else self._speaking.watching.feedback.since(after)

    def _said_last(self) -> Feedback | None:
        book = None if self._speaking is None else self._speaking.watching.feedback
        return None if book is None or not book.count else book.since(book.count - 1)[-1]

    def _note(self, command: Command, kind: CommandKind) -> None:
        self._changes += 1
        self._is_stale = True
        if kind.ends_run:
            self._is_ending = self.was_told_to_end = True
        if command.name in ("shutdown", "clean-shutdown"):
            self.is_shut_down = True

    def _must_be_allowed(self, command: Command, kind: CommandKind, sight: Sight) -> None:
        allowed = self._allowed(sight)
        # What is broken need not keep others from going on.
        is_aside = sight.state is State.FAULT and not sight.is_whole(command.target) and State.FAULT not in kind.states
        if command.name in allowed or is_aside:
            return
        if command.name == "rotate-logs":
            raise CommandError("this pipeline writes no logs", problem=Problem.STATE)
        if command.name in OF_ALARMS and not sight.plan.alarms:
            raise CommandError("this pipeline has no alarms", problem=Problem.STATE)
        if command.name == "arm":
            why = (
                "a run goes on; another one can begin when it has ended"
                if self._run is not None
                else "no other run can be begun here; penstock run --stay allows it, when one has ended"
            )
            raise CommandError(f"arm is refused: {why}", problem=Problem.STATE)
        first = sight.states[0]
        why = f", {first.why}" if first.why else ""
        why += f"; {NO_RUN}" if self._run is None and kind.states else ""
        raise CommandError(f"{command.name} is refused: {first.name} is {first.state}{why}", problem=Problem.STATE)

    def _must_fit(self, command: Command, kind: CommandKind, sight: Sight, name: str) -> None:
        """Refuse what makes no sense in the state of what it is aimed at."""
        found = sight.thing(name) if name else None
        if found is not None and State(found.state) not in kind.states and command.name != "restart":
            why = f", {found.why}" if found.why else ""
            raise CommandError(f"{command.name} is refused: {name} is {found.state}{why}", problem=Problem.STATE)

    def _allowed(self, sight: Sight) -> list[str]:
        has_run = self._run is not None
        names = allowed_now(
            sight.state, has_run=has_run, stays=self._stays, has_logs=self._has_logs, has_alarms=bool(sight.plan.alarms)
        )
        return [name for name in names if name != "arm" or self._arm is not None]

    def _status(self, sight: Sight) -> dict[str, Any]:
        counts = self.counts if self.door is None else self.counts + self.door.counts
        return {
            "pipeline": sight.plan.name,
            "run": sight.run,
            "state": str(sight.state),
            "states": [msgspec.to_builtins(each) for each in sight.states],
            "progress": msgspec.to_builtins(sight.progress),
            "feedback": msgspec.to_builtins(self._said_last()),
            "load": msgspec.to_builtins(sight.load),
            "allowed": self._allowed(sight),
            "commands": msgspec.to_builtins(counts),
        }

    # Answers.

    def _turn_away(self, command: Command, then: Answer, text: str, problem: str) -> None:
        """Answer what is not even looked at; it is counted, and not kept."""
        match problem:
            case Problem.FORBIDDEN:
                self.counts.forbidden += 1
            case Problem.BUSY:
                self.counts.busy += 1
            case _:
                self.counts.malformed += 1
        then(
            Reply(
                id=command.id[:LONGEST_WORD], name=command.name[:LONGEST_WORD], target=command.target[:LONGEST_WORD],
                outcome=Outcome.REFUSED, text=text, problem=problem,
            )
        )  # fmt: skip

    def _refuse(self, pending: _Pending, text: str, problem: Problem) -> None:
        allowed: list[str] = []
        if problem is Problem.STATE and pending.sight is not None:
            allowed = self._allowed(pending.sight)
            text = f"{text}; allowed now: {listed(allowed, 'and')}"
        self._answer(pending, Outcome.REFUSED, text, problem=problem, allowed=allowed)

    def _fail(self, pending: _Pending, text: str, problem: Problem) -> None:
        self._answer(pending, Outcome.FAILED, text, problem=problem)

    def _answer(
        self,
        pending: _Pending,
        outcome: Outcome,
        text: str,
        *,
        problem: Problem = Problem.NONE,
        allowed: list[str] | None = None,
        body: Any = None,
    ) -> None:
        if pending.is_answered:  # too late
            return
        pending.is_answered = True
        command, now_s = pending.command, self._clock()
        self._pending.pop((command.who, command.id), None)
        reply = Reply(
            id=command.id, name=command.name, target=command.target, outcome=outcome, text=text, problem=problem,
            state="" if pending.sight is None else str(pending.sight.state), allowed=allowed or [], body=body,
        )  # fmt: skip
        match outcome:
            case Outcome.DONE:
                self.counts.done += 1
            case Outcome.REFUSED:
                self.counts.refused += 1
            case Outcome.FAILED:
                self.counts.failed += 1
        if not pending.kind.is_looking:
            self._answered.keep(command, reply, now_s)
            took_s = now_s - pending.began_s
            self.audit.add(command, reply, door=pending.door, took_s=took_s, utc_ns=self._utc())
        for then in pending.answers:
            then(reply)

    def _give_up_late(self) -> None:
        now_s = self._clock()
        for pending in list(self._pending.values()):  # in the order in which they came
            if now_s - pending.began_s < LATE_S:
                return
            self._fail(pending, f"the run has not answered within {LATE_S:g} s", Problem.ENDED)


def _in_one_line(sight: Sight) -> str:
    first = sight.states[0]
    return f"{first.name} is {first.state}{f', {first.why}' if first.why else ''}"
