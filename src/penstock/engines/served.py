"""A run as whoever looks at it from outside may use it: in values that JSON can hold."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from penstock.core.parameter import Parameter
from penstock.core.parameters import Change, Parameters
from penstock.monitor.report import RunReport

__all__ = ["Controlled", "ServedRun"]


class Controlled(Protocol):
    """What of a run is used here."""

    parameters: Parameters

    def ask(self, then: Callable[[RunReport], None]) -> None:
        """Have a fresh report brought."""

    def set(self, values: Mapping[str, Any], then: Callable[[Change], None], who: str = "") -> None:
        """Change parameters."""

    def scale(self, stage: str, workers: int) -> None:
        """Change the number of workers."""

    def drain(self, reason: str = ...) -> None:
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

    def describe_parameters(self) -> Any:  # what JSON can hold
        """Return every parameter with its value and the revision that holds for events yet to come."""
        latest = self._run.parameters.latest
        described = [_described(parameter, latest[parameter.address]) for parameter in self._run.parameters]
        return {"revision": latest.revision, "parameters": described}

    def set_parameters(self, values: Mapping[str, Any], who: str, then: Callable[[Any], None]) -> None:
        """Change parameters; the answer says from which event on."""

        def tell(change: Change) -> None:
            then(
                {
                    "revision": change.revision,
                    "from_event": change.from_event,
                    "values": {address: _plain(value) for address, value in change.values.items()},
                    "who": change.who,
                    "when": change.when.isoformat(),
                }
            )

        self._run.set(values, tell, who)

    def scale(self, stage: str, workers: int) -> None:
        """Change the number of workers."""
        self._run.scale(stage, workers)

    def end(self, reason: str, *, at_once: bool) -> None:
        """Stop the run."""
        (self._run.abort if at_once else self._run.drain)(reason)


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
        "bounds": limits,
        "choices": [_plain(choice) for choice in parameter.choices],
        "doc": parameter.doc,
    }


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, enc_hook=str)
