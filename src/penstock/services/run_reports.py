"""The report of a run of processes, as its supervisor writes it: the event builder's books, and what only it knows."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from penstock.core.parameters import Parameters
from penstock.core.run import Outcome, RunState
from penstock.monitor.report import RunReport
from penstock.services.course import Course
from penstock.services.file_reports import file_reports
from penstock.services.last_books import LastBooks
from penstock.services.members import Members
from penstock.services.process_reports import ProcessReports
from penstock.services.run_states import RunStates
from penstock.services.sink_books import as_ledger, change_told
from penstock.services.user_calls import Failure
from penstock.services.view_sinks import ViewSinks

__all__ = ["RunReports"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReports:
    """Writes down how a run is, or how it ended; alarms and notices are others' to add."""

    state: RunState
    course: Course
    books: LastBooks
    states: RunStates
    used: ProcessReports
    sinks: ViewSinks
    failures: list[Failure]
    started: str
    """When the run was, as ISO 8601 has it."""
    began_s: float
    """The same on the monotonic clock."""

    def write(self, members: Members | None) -> RunReport:
        """Return how things are, as far as that is known since the event builder was last asked."""
        has_ended = self.state.outcome is not Outcome.RUNNING
        books = self.books.as_report(has_ended=has_ended)
        now_s = time.monotonic()
        self.used.read({} if members is None else members.by_name)
        states = self.states.of_processes(members, self.books.said)
        return msgspec.structs.replace(
            books,
            outcome=str(self.state.outcome),
            exit_code=self.state.exit_code if has_ended else 0,
            reasons=list(self.state.reasons),
            started=self.started,
            duration_s=(self.course.ended_s or now_s) - self.began_s,
            outputs={**books.outputs, **self.sinks.paths},
            failures=[*(asdict(failure) for failure in self.failures), *books.failures],
            processes=self.used.reports(members or (), {name: state for name, (state, _) in states.items()}),
            files=file_reports(members or ()),
            states=self.states.reports(members, self.books.said, states, now_s),
        )

    def note_books(self, raw: msgspec.Raw, members: Members | None) -> None:
        """Take books that nobody asked for, and see since when everything is as it is."""
        now_s = time.monotonic()
        self.books.take(raw, now_s)
        processes = self.states.of_processes(members, self.books.said)
        self.states.reports(members, self.books.said, processes, now_s)

    def told(self, parameters: Parameters) -> Mapping[str, Any]:
        """Return the books as a sink that tells all gets them when it is closed."""
        changes = [change_told(change) for change in parameters.history]
        edges = self.books.as_report(has_ended=self.state.outcome is not Outcome.RUNNING).edges
        return {"ledger": as_ledger(edges), "parameters": changes}
