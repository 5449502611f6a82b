"""What there is to measure of an analysis, in the fields of rta-dp's monitoring message, out of a report. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from penstock.compat.rtadp.messages import Measured, ProcessUse
from penstock.monitor.report import RunReport, StateReport

__all__ = ["Gauge", "Watched"]

INITIALISED, WAITING, PROCESSING, STOPPED = 0, 2, 8, 16
"""Codes of a worker. A fifth, 4, is that of one that waits for its turn to read, which nobody does here."""
_CODES: Final[Mapping[str, int]] = {
    "initialised": INITIALISED,
    "waiting": WAITING,
    "processing": PROCESSING,
    "finishing": PROCESSING,
    "degraded": PROCESSING,
    "stopped": STOPPED,
    "fault": STOPPED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """An analysis, by the names that its parts have in the pipeline."""

    stage: str
    group: str
    workers: int
    lanes: Mapping[str, str]
    """The producer of each lane, ``high`` and ``low``."""
    sinks: Mapping[str, str]
    """The sink of each lane that has one."""
    name: str = ""
    """By which messages call it."""


@dataclass(slots=True)
class _Count:
    total: int = 0
    last: int = 0
    at_s: float | None = None
    rate: float = 0.0

    def look(self, count: int, now_s: float) -> None:
        """Note a count, which begins anew where a worker took another's place."""
        new = count - self.last if count >= self.last else count
        self.last = count
        self.total += new
        if self.at_s is not None and now_s > self.at_s:
            self.rate = new / (now_s - self.at_s)
        self.at_s = now_s


@dataclass(slots=True)
class Gauge:
    """One analysis from second to second."""

    watched: Watched
    _counts: dict[int, _Count] = field(default_factory=dict)

    def look(self, report: RunReport, begun: Mapping[str, int], now_s: float) -> None:
        """Take in what workers have done since the last time.

        Parameters
        ----------
        report
            How the run is.
        begun
            Items that each worker has begun, by its name; a stage with one worker in the main process has none there.
        now_s
            The time by any clock.
        """
        stage = self.watched.stage
        found = {
            int(number): count
            for name, count in begun.items()
            if (number := name.rpartition("-")[2]).isdecimal() and name == f"{stage}-{number}"
        }
        if not found:
            found = {0: sum(step.arrived for step in report.steps if step.stage == stage)}
        for number in {*range(self.watched.workers), *found}:
            self._counts.setdefault(number, _Count()).look(found.get(number, 0), now_s)

    def measured(
        self, report: RunReport, state: str, use: ProcessUse, *, is_data_stopped: bool, is_processing: bool
    ) -> Measured:
        """Return the fields of the message.

        Parameters
        ----------
        report
            That which was looked at last.
        state
            Of the analysis, in rta-dp's words.
        use
            What its process uses.
        """
        codes = {number: self._code(number, report, is_processing=is_processing) for number in sorted(self._counts)}
        others = [code for code in codes.values() if code != INITIALISED]
        watched = self.watched
        return Measured(
            workermanagerstatus=state,
            procinfo=use,
            queue_lp_size=_waiting(report, watched.lanes.get("low", ""), watched.stage),
            queue_hp_size=_waiting(report, watched.lanes.get("high", ""), watched.stage),
            stopdatainput=is_data_stopped,
            queue_lp_result_size=_waiting(report, "", watched.sinks.get("low", "")),
            queue_hp_result_size=_waiting(report, "", watched.sinks.get("high", "")),
            workersstatusinit=len(codes) - len(others),
            workersstatus=sum(others) / len(others) if others else 0.0,
            workersname=watched.group,
            worker_rates={str(number): round(self._counts[number].rate, 3) for number in codes},
            worker_tot_events={str(number): self._counts[number].total for number in codes},
            worker_status={str(number): code for number, code in codes.items()},
        )

    @property
    def name(self) -> str:
        """By which messages call the analysis."""
        return self.watched.name

    def _code(self, number: int, report: RunReport, *, is_processing: bool) -> int:
        name = f"{self.watched.stage}-{number}"
        known = [state.state for state in report.states if state.kind == "worker" and state.name == name]
        if known:
            return _CODES.get(known[0], PROCESSING)
        count = self._counts[number]
        if not is_processing:
            return WAITING if count.total else INITIALISED
        return PROCESSING if count.rate else WAITING


def state_of_stage(states: Sequence[StateReport], stage: str) -> str:
    """Return the state of a stage as the pipeline has it; empty if nothing is said of it."""
    return next((state.state for state in states if state.kind == "stage" and state.name == stage), "")


def _waiting(report: RunReport, producer: str, consumer: str) -> int:
    """Return how many items wait before a consumer, from one producer or from any."""
    return sum(
        edge.waiting
        for edge in report.edges
        if consumer and edge.consumer == consumer and producer in ("", edge.producer)
    )
