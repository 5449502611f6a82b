"""A run as whoever looks at it from outside may use it: in values that JSON can hold."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np

from penstock.core.command import WorkerCount
from penstock.core.map_reader import MapDocument
from penstock.core.parameter import Parameter
from penstock.core.parameters import Change, Parameters
from penstock.core.run import Outcome
from penstock.core.trigger_map import TriggerMap
from penstock.engines.alarming import Alarming
from penstock.engines.handle import Grown
from penstock.errors import StateError
from penstock.monitor.report import RunReport
from penstock.services.journal import JournalWish
from penstock.services.watching import Watching

__all__ = ["Controlled", "ServedRun"]


class Controlled(Protocol):
    """What of a run is used here."""

    parameters: Parameters
    watching: Watching
    maps: dict[str, TriggerMap]
    alarms: Alarming

    def ask(self, then: Callable[[RunReport], None]) -> None:
        """Have a fresh report brought."""

    def set(self, values: Mapping[str, Any], then: Callable[[Change], None], who: str = "") -> None:
        """Change parameters."""

    def scale(self, stage: str, workers: WorkerCount) -> None:
        """Change the number of workers."""

    def extend(
        self,
        join: str,
        document: MapDocument,
        then: Callable[[Grown], None],
        *,
        is_last: bool = False,
    ) -> None:
        """Append to an open trigger map."""

    def hold(self, name: str) -> None:
        """Take nothing in."""

    def release(self, name: str) -> None:
        """Take in again."""

    def discard(self, then: Callable[[int], None]) -> None:
        """Give up what waits."""

    def restart(self, worker: str) -> None:
        """Replace a worker."""

    def drain(self, reason: str = ..., *, outcome: Outcome | None = ...) -> None:
        """Read nothing more."""

    def abort(self, reason: str) -> None:
        """Give everything up."""


class ServedRun:
    """Status, parameters and control of one run."""

    def __init__(self, run: Controlled) -> None:
        self._run = run

    def ask_status(self, then: Callable[[Any], None]) -> None:
        """Have a fresh report brought."""
        self._run.ask(lambda report: then(msgspec.to_builtins(report)))

    def notices(self, level: str, most: int) -> Any:  # what JSON can hold
        """Return the last notices; also when the run has ended."""
        return msgspec.to_builtins(self._run.watching.notices(level, most))

    def feedback(self, after: int, run: str) -> Any:  # what JSON can hold
        """Return what user code has said back to the scan, with numbers above this one; also when the run has ended."""
        book = self._run.watching.feedback
        if run not in ("", book.run):
            raise StateError(f"the run {run} is over; this is {book.run}")
        return msgspec.to_builtins(book.since(after))

    def journal(self, wish: JournalWish) -> Any:  # what JSON can hold
        """Return entries of the journal, the newest last; also when the run has ended."""
        journal = self._run.watching.journal
        return {
            "run": self._run.watching.feedback.run, "last": journal.told, "entries": _plain(journal.search(wish)),
        }  # fmt: skip

    def history(self, names: Sequence[str] | None, since_s: float | None, most: int) -> Any:  # what JSON can hold
        """Return how numbers were; also when the run has ended."""
        return self._run.watching.past(names, since_s=since_s, most=most)

    def describe_parameters(self) -> Any:  # what JSON can hold
        """Return every parameter with its value and the revision that holds for events yet to come."""
        latest = self._run.parameters.latest
        described = [_described(parameter, latest[parameter.address]) for parameter in self._run.parameters]
        return {"revision": latest.revision, "parameters": described}

    def parameter_changes(self, most: int) -> Any:  # what JSON can hold
        """Return the last changes of parameters, the newest last, and with each what the values were before."""
        changes = self._run.parameters.history
        before: dict[str, Any] = {}
        found = []
        for change in changes:
            if change is not changes[0]:
                found.append({**_changed(change), "before": {name: _plain(before[name]) for name in change.values}})
            before |= change.values
        return found[-most:]

    def set_parameters(self, values: Mapping[str, Any], who: str, then: Callable[[Any], None]) -> None:
        """Change parameters; the answer says from which event on."""
        self._run.set(values, lambda change: then(_changed(change)), who)

    def scale(self, stage: str, workers: WorkerCount) -> None:
        """Change the number of workers."""
        self._run.scale(stage, workers)

    def describe_maps(self) -> Any:  # what JSON can hold
        """Return every trigger map: its join, how many events it plans, and whether it may grow."""
        return [_described_map(join, found) for join, found in self._run.maps.items()]

    def extend_map(self, join: str, document: MapDocument, then: Callable[[Any], None], *, is_last: bool) -> None:
        """Append to an open trigger map; the answer says what it is then."""

        def tell(found: Grown) -> None:
            then(found if isinstance(found, StateError) else _described_map(join, found))

        self._run.extend(join, document, tell, is_last=is_last)

    def describe_alarms(self) -> Any:  # what JSON can hold
        """Return every alarm, the history of all, and how telling of them went."""
        return self._run.alarms.describe()

    def acknowledge_alarm(self, name: str, who: str) -> Any:  # what JSON can hold
        """Say that somebody knows of an alarm; return how it is then."""
        return self._run.alarms.acknowledge(name, who)

    def mute_alarm(self, name: str, for_s: float, who: str) -> Any:  # what JSON can hold
        """Tell nobody of an alarm for so long; return how it is then."""
        return self._run.alarms.mute(name, for_s, who)

    def end(self, reason: str, *, at_once: bool) -> None:
        """Stop the run."""
        (self._run.abort if at_once else self._run.drain)(reason)


def _changed(change: Change) -> dict[str, Any]:
    return {
        "revision": change.revision,
        "from_event": change.from_event,
        "values": {address: _plain(value) for address, value in change.values.items()},
        "who": change.who,
        "when": change.when.isoformat(),
    }


def _described_map(join: str, found: TriggerMap) -> dict[str, Any]:
    return {"join": join, "events": found.length, "open": found.is_open, "parts": list(found.part_names)}


def _described(parameter: Parameter, value: Any) -> dict[str, Any]:
    limits = {
        name: limit for name in ("ge", "gt", "le", "lt") if (limit := getattr(parameter.bounds, name)) is not None
    }
    return {
        "address": parameter.address,
        "type": inspect.formatannotation(parameter.type),
        "value": _plain(value),
        "default": _plain(parameter.default),
        "unit": parameter.unit,
        "section": parameter.section,
        "bounds": limits,
        "choices": [_plain(choice) for choice in parameter.choices],
        "doc": parameter.doc,
    }


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(
        value, enc_hook=lambda each: each.tolist() if isinstance(each, np.ndarray) else str(each)
    )
