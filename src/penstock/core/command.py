"""Commands: what may be wanted of a pipeline, what each can be aimed at, and in which state it makes sense.

Nothing is carried out here. What is wrong with a command is found before anybody is asked.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Literal

import msgspec

from penstock.core.states import State
from penstock.core.suggest import did_you_mean, listed
from penstock.errors import CommandError

__all__ = [
    "AUTO",
    "COMMANDS",
    "LONGEST_WORD",
    "MOST_SECONDS",
    "OF_ALARMS",
    "PIPELINE",
    "WHOLE",
    "Acknowledgement",
    "Aim",
    "Argument",
    "Command",
    "CommandKind",
    "Outcome",
    "Problem",
    "Reply",
    "WorkerCount",
    "allowed_now",
    "check_command",
    "check_name",
]

AUTO: Final = "auto"
"""Instead of a number of workers: as many as there is work for, within the limits of the stage."""
WorkerCount = int | Literal["auto"]
PIPELINE: Final = "pipeline"
WHOLE: Final = frozenset({"", PIPELINE, "all"})
"""Targets that mean everything, beside the name of the pipeline itself."""
LONGEST_WORD: Final = 200
"""Characters of an id, a target, or of who it is."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One wish."""

    name: str
    """Of the table ``COMMANDS``."""
    id: str = ""
    """The same id of the same ``who`` again gives the same reply, and does nothing twice; empty: one is made."""
    target: str = ""
    """``pipeline``, ``all``, a source, a stage, a worker or an alarm; empty is the pipeline."""
    arguments: dict[str, Any] = {}
    who: str = ""
    """Kept in the audit."""


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True, tag="acknowledgement", tag_field="type"):
    """A command has come, and will be answered."""

    id: str
    name: str


class Outcome(StrEnum):
    """What became of a command."""

    DONE = "done"
    REFUSED = "refused"
    """Nothing was done."""
    FAILED = "failed"
    """It was begun, and whether all of it was done is not known."""


class Problem(StrEnum):
    """Why something was not done, for programs."""

    NONE = ""
    MALFORMED = "malformed"
    """Not written as a command is."""
    UNKNOWN = "unknown"
    """No command, target or parameter has this name."""
    ARGUMENT = "argument"
    """An argument is missing or wrong, or what was asked refused it."""
    STATE = "state"
    """Not in the present state."""
    FORBIDDEN = "forbidden"
    """The token does not allow it."""
    BUSY = "busy"
    """Too many commands come; the same one may be sent again later, with the same id."""
    ENDED = "ended"
    """The run ended before it could answer."""
    BROKEN = "broken"
    """It raised something that nobody foresaw."""


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag="reply", tag_field="type"):
    """The one answer to a command."""

    id: str
    name: str
    target: str
    outcome: str
    """As in ``Outcome``."""
    text: str
    """What was done, or why not, in one line."""
    problem: str = ""
    """As in ``Problem``."""
    state: str = ""
    """Of the pipeline, when it was decided."""
    allowed: list[str] = []
    """Of a refusal: the commands that make sense in that state."""
    body: Any = None
    """What JSON can hold: of ``status`` the states, of ``set`` the revision and from which event on it holds, of
    ``alarms`` all of them and their history, of ``feedback`` a list of it, of what is done to one how it is then."""

    @property
    def is_done(self) -> bool:
        """Whether it was done."""
        return self.outcome == Outcome.DONE


class Aim(StrEnum):
    """Kinds of what a command can be aimed at."""

    PIPELINE = "pipeline"
    SOURCE = "source"
    STAGE = "stage"
    WORKER = "worker"
    ALARM = "alarm"


class Argument(msgspec.Struct, frozen=True):
    """One argument of a command."""

    type: str
    """``text``, ``number`` (a whole one, from 1), ``number or auto``, ``count`` (from 0), ``seconds`` (above 0) or
    ``object``."""
    doc: str
    is_required: bool = False


class CommandKind(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of all commands of one name."""

    does: str
    """One line."""
    states: frozenset[State]
    """Of the pipeline, and of what is aimed at, in which it makes sense while there is a run."""
    aims: tuple[Aim, ...] = (Aim.PIPELINE,)
    arguments: Mapping[str, Argument] = {}
    is_without_run: bool = False
    """Whether it makes sense where no run goes on, too."""
    ends_run: bool = False
    """Such commands are taken however many others come."""
    is_looking: bool = False
    """Whether it changes nothing, so that viewers may."""


_GOING: Final = frozenset({State.INITIALISED, State.WAITING, State.PROCESSING, State.DEGRADED})
_HOLDABLE: Final = _GOING | {State.FAULT}
_RUN: Final = _HOLDABLE | {State.FINISHING}
_ALL: Final = frozenset(State)
_ANY_PLACE: Final = (Aim.PIPELINE, Aim.SOURCE, Aim.STAGE)
_REASON: Final = {"reason": Argument("text", "kept with the run")}

COMMANDS: Final[Mapping[str, CommandKind]] = {
    "start": CommandKind(
        does="lets stages and sources take in again what was held, stages first", states=_GOING, aims=_ANY_PLACE
    ),
    "stop": CommandKind(
        does="holds sources and stages, sources first: nothing more is taken in, and what is there is kept",
        states=_HOLDABLE, aims=_ANY_PLACE,
    ),
    "start-data": CommandKind(
        does="lets sources read again", states=_GOING, aims=(Aim.PIPELINE, Aim.SOURCE)
    ),
    "stop-data": CommandKind(
        does="holds sources: they read nothing more, stages go on with what has come",
        states=_HOLDABLE, aims=(Aim.PIPELINE, Aim.SOURCE),
    ),
    "start-processing": CommandKind(
        does="lets stages of steps and map take in again", states=_GOING, aims=(Aim.PIPELINE, Aim.STAGE)
    ),
    "stop-processing": CommandKind(
        does="holds stages of steps and map: what comes waits before them",
        states=_HOLDABLE, aims=(Aim.PIPELINE, Aim.STAGE),
    ),
    "drain": CommandKind(
        does="reads nothing more, brings out what has come and ends the run as aborted, as Ctrl-C does",
        states=_RUN, arguments=_REASON, ends_run=True,
    ),
    "reset": CommandKind(
        does="stops, and gives up what waits before stages and sinks; it is counted as aborted", states=_HOLDABLE
    ),
    "shutdown": CommandKind(
        does="gives everything up and ends the program, also one that stays",
        states=_RUN, arguments=_REASON, ends_run=True, is_without_run=True,
    ),
    "clean-shutdown": CommandKind(
        does="drains, and then ends the program, also one that stays",
        states=_RUN, arguments=_REASON, ends_run=True, is_without_run=True,
    ),
    "status": CommandKind(
        does="says the states of everything, how far the run is, the newest feedback, and how many commands came",
        states=_ALL, is_without_run=True,
        is_looking=True,
    ),
    "feedback": CommandKind(
        does="says what user code has said back to the scan; if there is none, it may wait for it",
        states=_ALL, is_without_run=True, is_looking=True,
        arguments={
            "after": Argument("count", "only with numbers above this one"),
            "wait_s": Argument("seconds", "for how many seconds to wait, at most 30"),
        },
    ),
    "arm": CommandKind(
        does="begins another run, when none goes on, where the program stays",
        states=frozenset(),
        arguments={
            "run": Argument("text", "its name; by default made of the time"),
            "existing": Argument("text", "what becomes of a name that another run has: refuse, as by default, or next"),
            "values": Argument("object", "start values of parameters"),
            "trigger_maps": Argument("object", "by join, for those whose map comes with the scan"),
        },
        is_without_run=True,
    ),
    "finish": CommandKind(
        does="reads nothing more, brings out what has come and ends the run as one that is complete",
        states=_RUN, arguments=_REASON, ends_run=True,
    ),
    "abort": CommandKind(
        does="gives up what is under way and ends the run", states=_RUN, arguments=_REASON, ends_run=True
    ),
    "set": CommandKind(
        does="changes parameters, all from one event on",
        states=_RUN, aims=(Aim.PIPELINE, Aim.STAGE),
        arguments={"values": Argument("object", "by address, or any shorter form that is clear", is_required=True)},
    ),
    "scale": CommandKind(
        does="lets a stage have so many workers, or lets them go by the load again",
        states=_HOLDABLE, aims=(Aim.STAGE,),
        arguments={"workers": Argument("number or auto", "how many, or auto", is_required=True)},
    ),
    "restart": CommandKind(
        does="replaces a worker; nothing that it has is lost", states=_RUN, aims=(Aim.WORKER,)
    ),
    "alarms": CommandKind(
        does="says how each alarm is, what has happened to them, and how telling of them went", states=_RUN,
        is_looking=True,
    ),
    "acknowledge": CommandKind(
        does="says that somebody knows of an alarm", states=_RUN, aims=(Aim.ALARM,)
    ),
    "mute": CommandKind(
        does="lets nobody be told of an alarm for so long; it is seen all the same",
        states=_RUN, aims=(Aim.ALARM,),
        arguments={"for_s": Argument("seconds", "for how many seconds", is_required=True)},
    ),
    "unmute": CommandKind(
        does="lets those be told of an alarm again who are to know", states=_RUN, aims=(Aim.ALARM,)
    ),
    "rotate-logs": CommandKind(
        does="closes the log file and begins another one", states=_ALL, is_without_run=True
    ),
}  # fmt: skip
"""All there are, in the order in which they are shown."""
OF_ALARMS: Final = frozenset({"acknowledge", "mute", "unmute"})
"""Those that make sense where a pipeline has alarms."""
MOST_SECONDS: Final = 31_536_000
"""Of an argument: a year."""


def check_name(name: str) -> CommandKind:
    """Return the kind of a command.

    Raises
    ------
    CommandError
        If none is called so.
    """
    kind = COMMANDS.get(name)
    if kind is None:
        remedy = did_you_mean(name, COMMANDS, otherwise=f"there are {listed(COMMANDS, 'and')}")
        raise CommandError(f"no command is called {_shown(name)}; {remedy}", problem=Problem.UNKNOWN)
    return kind


def check_command(command: Command) -> CommandKind:
    """Return the kind of a command that is right in itself, wherever it is sent.

    Raises
    ------
    CommandError
        If its name is unknown, a text of it is too long or cannot be shown, or an argument is wrong.
    """
    for what, text in (("id", command.id), ("target", command.target), ("who", command.who)):
        if len(text) > LONGEST_WORD or not text.isprintable():
            raise CommandError(
                f"{what} is {_shown(text)}; write at most {LONGEST_WORD} characters that can be printed",
                problem=Problem.MALFORMED,
            )
    kind = check_name(command.name)
    for name, value in command.arguments.items():
        _check_argument(command.name, kind, name, value)
    for name, argument in kind.arguments.items():
        if argument.is_required and name not in command.arguments:
            raise CommandError(f"{command.name} lacks {name}: {argument.doc}", problem=Problem.ARGUMENT)
    return kind


def allowed_now(state: State, *, has_run: bool, stays: bool, has_logs: bool, has_alarms: bool = True) -> list[str]:
    """Return the names of the commands that make sense now.

    Parameters
    ----------
    state
        Of the pipeline.
    has_run
        Whether a run goes on.
    stays
        Whether the program waits for another one.
    has_logs
        Whether there are logs to rotate.
    has_alarms
        Whether the pipeline has alarms.
    """
    found = []
    for name, kind in COMMANDS.items():
        fits = state in kind.states if has_run else kind.is_without_run and (stays or kind.states == _ALL)
        if fits and (has_logs or name != "rotate-logs") and (has_alarms or name not in OF_ALARMS):
            found.append(name)
    return found


def _check_argument(command: str, kind: CommandKind, name: str, value: Any) -> None:
    argument = kind.arguments.get(name)
    if argument is None:
        takes = f"it takes {listed(kind.arguments, 'and')}" if kind.arguments else "it takes none"
        raise CommandError(f"{command} has no argument {_shown(name)}; {takes}", problem=Problem.ARGUMENT)
    wants = {
        "text": (isinstance(value, str) and len(value) <= 500 and value.isprintable(), "a text of one line"),
        "count": (type(value) is int and 0 <= value < 1 << 63, "a whole number from 0"),
        "number": (type(value) is int and 1 <= value <= 1024, "a whole number from 1 to 1024"),
        "number or auto": (
            value == AUTO or (type(value) is int and 1 <= value <= 1024),
            "a whole number from 1 to 1024, or auto",
        ),
        "seconds": (
            type(value) in (int, float) and 0 < value <= MOST_SECONDS,
            f"seconds, above 0 and at most {MOST_SECONDS:,}",
        ),
        "object": (isinstance(value, dict), 'an object, {"name": value}'),
    }
    is_right, wanted = wants[argument.type]
    if not is_right:
        text = f"{name} of {command} is {_shown(value)}; {wanted} is wanted: {argument.doc}"
        raise CommandError(text, problem=Problem.ARGUMENT)


def _shown(value: object) -> str:
    """Return a value as text that a terminal can be given, however long or strange it is."""
    text = repr(value)
    return f"{text[:60]}…" if len(text) > 60 else text
