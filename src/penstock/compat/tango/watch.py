"""Looks at a pipeline again and again over HTTP, also when it goes and comes back; nothing of Tango here."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from penstock.client import Connection, connect
from penstock.errors import PenstockError, ServiceError, StateError
from penstock.monitor.report import RunReport, books_of_nothing, report_before

__all__ = ["Seen", "Watch"]

PATIENCE_S: Final = 2.0
"""For an answer: Tango's clients wait for 3 s."""
SHARE: Final = 0.1
"""Of the time, at most, goes into asking for parameters, which may be large arrays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How a pipeline was when it was looked at."""

    why: str = ""
    """Why nothing is known; empty if it answers."""
    report: RunReport | None = None
    states: Mapping[str, Any] = field(default_factory=dict)
    parameters: Sequence[Mapping[str, Any]] = ()
    """As ``connection.parameters.describe()`` has them; between two runs, as they were last."""
    asked_s: float = 0.0
    """When they were asked for, as ``time.monotonic`` says it."""
    heard: Sequence[Any] = ()
    """Feedback, the newest last."""


class Watch:
    """Looks at one pipeline.

    Parameters
    ----------
    address, token
        As ``penstock.connect`` takes them.
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        self.address = address
        self._token = token
        self._connection: Connection | None = None
        self._parameters: list[dict[str, Any]] = []
        self._due_s = self._asked_s = 0.0
        self._heard: list[Any] = []
        self._run = ""

    @property
    def connection(self) -> Connection:
        """The pipeline.

        Raises
        ------
        ServiceError
            If it does not answer.
        """
        if self._connection is None:
            raise ServiceError(f"nobody answers at {self.address}; is the pipeline running, and is this its address?")
        return self._connection

    def look(self) -> Seen:
        """Return how it is; it never raises."""
        try:
            if self._connection is None:
                self._connection = connect(self.address, token=self._token, timeout_s=PATIENCE_S)
                self._due_s = 0.0
            return self._look(self._connection)
        except (PenstockError, msgspec.ValidationError) as error:
            self.close()
            return Seen(why=str(error))
        except (TypeError, ValueError, KeyError):
            self.close()
            return Seen(why=f"whoever answers at {self.address} is no pipeline; is this the address it printed?")

    def refresh(self) -> None:
        """Ask for the parameters again at the next look."""
        self._due_s = 0.0

    def close(self) -> None:
        """Let go of the pipeline, until the next look."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _look(self, connection: Connection) -> Seen:
        report, states = self._report(connection)
        if report.run != self._run:
            self._run, self._heard, self._due_s = report.run, [], 0.0
        self._ask_parameters(connection)
        self._hear(connection)
        return Seen(report=report, states=states, parameters=self._parameters, asked_s=self._asked_s, heard=self._heard)

    def _report(self, connection: Connection) -> tuple[RunReport, dict[str, Any]]:
        """Return report and states; before the first run, a report of nothing."""
        until = time.monotonic() + PATIENCE_S
        while True:
            # In this order: where the states say that a run has ended, the report says how.
            states = connection.states
            try:
                return msgspec.convert(connection.status, RunReport), states
            except StateError:  # none has begun, or one has just ended
                if "arm" in states["allowed"] and not states["run"]:
                    return report_before(states), states
                if time.monotonic() > until:
                    report = books_of_nothing(str(states["pipeline"]), str(states["run"]))
                    return msgspec.structs.replace(report, outcome=""), states
                time.sleep(0.05)

    def _ask_parameters(self, connection: Connection) -> None:
        began_s = time.monotonic()
        if began_s < self._due_s:
            return
        try:
            self._parameters = connection.parameters.describe()
        except StateError:  # no run goes on
            return
        self._asked_s = began_s
        self._due_s = began_s + (time.monotonic() - began_s) / SHARE

    def _hear(self, connection: Connection) -> None:
        after = self._heard[-1].number if self._heard else 0
        self._heard = [*self._heard, *connection.feedback(after=after)][-1:]
