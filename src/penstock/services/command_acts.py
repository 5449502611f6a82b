"""What each command does to a run that goes on. Whether it may is asked before, and somewhere else."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import numpy as np

from penstock.core.alarm import AlarmState, in_one_line
from penstock.core.command import AUTO, Aim, Command
from penstock.core.parameters import Change
from penstock.core.run import Outcome
from penstock.core.suggest import listed
from penstock.services.commanded import Commanded, Sight

__all__ = ["Told", "act"]

Told = Callable[[str, Any], None]
"""Given what was done, in one line, and the body of the reply."""

ON_COMMAND: Final = "on command"


def act(command: Command, aim: Aim, name: str, run: Commanded, sight: Sight, told: Told) -> None:
    """Do what a command of a run says; ``told`` is called when it is done, now or later.

    Parameters
    ----------
    aim, name
        What it is aimed at, as `Sight.aimed` found it.

    Raises
    ------
    PenstockError
        If the run refuses it; then nothing was done.
    """
    _ACTS[command.name](_Act(command, aim, name, run, sight, told))


class _Act:
    """One command on its way through."""

    def __init__(self, command: Command, aim: Aim, name: str, run: Commanded, sight: Sight, told: Told) -> None:
        self._command, self._aim, self._name = command, aim, name
        self._run, self._sight, self._told = run, sight, told

    def start(self) -> None:
        self._release([*self._sight.releasable(), *self._sight.plan.sources])

    def start_data(self) -> None:
        self._release(self._sight.plan.sources)

    def start_processing(self) -> None:
        self._release(self._sight.releasable())

    def stop(self) -> None:
        self._hold([*self._sight.plan.sources, *self._sight.processing()])

    def stop_data(self) -> None:
        self._hold(self._sight.plan.sources)

    def stop_processing(self) -> None:
        self._hold(self._sight.processing())

    def reset(self) -> None:
        for name in (*self._sight.plan.sources, *self._sight.processing()):
            self._run.hold(name)
        self._run.discard(lambda count: self._told(f"everything is held, and {_items(count)} given up", None))

    def drain(self) -> None:
        self._bring_out(Outcome.ABORTED, "reads nothing more and brings out what has come")

    def finish(self) -> None:
        self._bring_out(None, "reads nothing more and brings out what has come, to be complete")

    def clean_shutdown(self) -> None:
        self._bring_out(Outcome.ABORTED, "brings out what has come; then the program ends")

    def abort(self) -> None:
        self._run.abort(self._reason("aborted"))
        self._told("gives up what is under way and ends", None)

    def shutdown(self) -> None:
        self._run.abort(self._reason("shut down"))
        self._told("gives up what is under way; then the program ends", None)

    def set(self) -> None:
        values = self._command.arguments["values"]
        if self._aim is Aim.STAGE:
            values = {f"{self._name}.{key}": value for key, value in values.items()}
        self._run.set(values, self._tell_change, self._command.who)

    def scale(self) -> None:
        workers = self._command.arguments["workers"]
        self._run.scale(self._name, workers)
        many = f"{workers} worker{'' if workers == 1 else 's'}"
        self._told(f"{self._name} shall have {'as many as there is work for' if workers == AUTO else many}", None)

    def restart(self) -> None:
        self._run.restart(self._name)
        self._told(f"{self._name} is replaced", None)

    def alarms(self) -> None:
        found = self._run.alarms.describe()
        self._told(in_one_line(found["alarms"]), found)

    def acknowledge(self) -> None:
        found = self._run.alarms.acknowledge(self._name, self._command.who)
        by = f" by {found['acknowledged_by']}" if found["acknowledged_by"] else ""
        is_over = "; its condition does not hold any more" if found["state"] == AlarmState.NORMAL else ""
        self._told(f"{self._name} is acknowledged{by}{is_over}", found)

    def mute(self) -> None:
        found = self._run.alarms.mute(self._name, self._command.arguments["for_s"], self._command.who)
        self._told(f"nobody is told of {self._name} until {found['muted_until']}", found)

    def unmute(self) -> None:
        found = self._run.alarms.mute(self._name, 0.0, self._command.who)
        self._told(f"{self._name} is told of", found)

    def _release(self, whole: Iterable[str]) -> None:
        names = self._names(whole)
        were_held = [name for name in names if self._sight.is_held(name)]
        for name in names:
            self._run.release(name)
        may_be = [name for name in names if self._sight.may_be_held(name)]
        nothing = "whatever was held goes on as soon as it is there" if may_be else "nothing was held"
        self._told(f"{listed(were_held, 'and')} released" if were_held else nothing, None)

    def _hold(self, whole: Iterable[str]) -> None:
        names = self._names(whole)
        were_held = {name for name in names if self._sight.is_held(name)}
        for name in names:
            self._run.hold(name)
        again = "already " if were_held.issuperset(names) else ""
        self._told(f"{listed(names, 'and')} {again}held" if names else "there is nothing to hold", None)

    def _names(self, whole: Iterable[str]) -> list[str]:
        return list(whole) if self._aim is Aim.PIPELINE else [self._name]

    def _bring_out(self, outcome: Outcome | None, text: str) -> None:
        for name in self._sight.plan.stages:
            if self._sight.may_be_held(name):  # what waits before it would never come out
                self._run.release(name)
        if outcome is None:
            self._run.drain(self._reason("finished"), outcome=None)
        else:
            self._run.drain(self._reason("drained"))
        self._told(text, None)

    def _reason(self, what: str) -> str:
        by = f" by {self._command.who}" if self._command.who else ""
        return str(self._command.arguments.get("reason") or f"{what} {ON_COMMAND}{by}")

    def _tell_change(self, change: Change) -> None:
        values = {address: msgspec.to_builtins(value, enc_hook=_said) for address, value in change.values.items()}
        body = {
            "revision": change.revision, "from_event": change.from_event, "values": values, "who": change.who,
            "when": change.when.isoformat(),
        }  # fmt: skip
        told = ", ".join(
            f"{address} = {value if isinstance(change.values[address], np.ndarray) else repr(value)}"
            for address, value in values.items()
        )
        # Where items have no numbers, as in chains, a change names none.
        since = f"event {change.from_event}" if change.from_event else "what comes next"
        self._told(f"{told or 'nothing'} from {since} on, revision {change.revision}", body)


def _said(value: Any) -> str:
    """Return in a line what is no plain value; an array may be large, and is not repeated."""
    return f"array of {value.dtype} {value.shape}" if isinstance(value, np.ndarray) else str(value)


_ACTS: Final[dict[str, Callable[[_Act], None]]] = {
    "start": _Act.start,
    "stop": _Act.stop,
    "start-data": _Act.start_data,
    "stop-data": _Act.stop_data,
    "start-processing": _Act.start_processing,
    "stop-processing": _Act.stop_processing,
    "drain": _Act.drain,
    "reset": _Act.reset,
    "shutdown": _Act.shutdown,
    "clean-shutdown": _Act.clean_shutdown,
    "finish": _Act.finish,
    "abort": _Act.abort,
    "set": _Act.set,
    "scale": _Act.scale,
    "restart": _Act.restart,
    "alarms": _Act.alarms,
    "acknowledge": _Act.acknowledge,
    "mute": _Act.mute,
    "unmute": _Act.unmute,
}


def _items(count: int) -> str:
    return f"{count:,} item{'' if count == 1 else 's'}"
