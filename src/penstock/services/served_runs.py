"""The runs that one program has served: what they were called, how they ended, and the last report of each."""

from collections import deque
from typing import Any, Final

import msgspec

from penstock.core.suggest import listed
from penstock.errors import ServiceError, StateError

__all__ = ["MOST_REPORT_BYTES", "MOST_RUNS", "ServedRuns"]

MOST_RUNS: Final = 1000
"""How many are remembered."""
MOST_REPORT_BYTES: Final = 16 << 20
"""Of last reports, together; the oldest are forgotten first."""


class ServedRuns:
    """Remembers runs, the newest last.

    Examples
    --------
    >>> runs = ServedRuns()
    >>> runs.begin("r1", "rings", "2026-11-26T14:00:00Z")
    >>> runs.finish("finished", 2.5, b'{"edges": []}')
    >>> runs.listed()[0]["outcome"], bytes(runs.report("r1"))
    ('finished', b'{"edges": []}')
    """

    def __init__(self) -> None:
        self._runs: deque[dict[str, Any]] = deque(maxlen=MOST_RUNS)
        self._reports: dict[str, bytes] = {}

    def __bool__(self) -> bool:
        return bool(self._runs)

    @property
    def names(self) -> frozenset[str]:
        """What they are called, all that are remembered."""
        return frozenset(each["run"] for each in self._runs)

    def begin(self, run: str, pipeline: str, began: str) -> None:
        """Remember that a run has begun; ``began`` is ISO 8601, UTC. An earlier one of the same name is forgotten."""
        if run in self.names:
            self._runs = deque((each for each in self._runs if each["run"] != run), maxlen=MOST_RUNS)
            self._reports.pop(run, None)
        self._runs.append({"run": run, "pipeline": pipeline, "outcome": "running", "began": began})

    def finish(self, outcome: str, duration_s: float, report: bytes) -> None:
        """Remember how the run has ended; ``report`` is JSON."""
        if not self._runs:
            return
        self._runs[-1] |= {"outcome": outcome, "duration_s": duration_s}
        self._reports[self._runs[-1]["run"]] = report
        while len(self._reports) > 1 and sum(map(len, self._reports.values())) > MOST_REPORT_BYTES:
            del self._reports[next(iter(self._reports))]

    def listed(self) -> list[dict[str, Any]]:
        """Return name, pipeline, outcome and times of each, and whether its report is ``kept``."""
        return [{**run, "kept": run["run"] in self._reports} for run in self._runs]

    def report(self, run: str) -> msgspec.Raw:
        """Return the last report of a run that has ended.

        Raises
        ------
        StateError
            If it has not.
        ServiceError
            If none of this name has left one here.
        """
        if (found := self._reports.get(run)) is not None:
            return msgspec.Raw(found)
        if any(each["run"] == run and each["outcome"] == "running" for each in self._runs):
            raise StateError(f"run {run} goes on; how it is now is its status")
        there_are = listed(list(self._reports), "and") or "those of none"
        raise ServiceError(f"no run {run!r:.120} has left a report here; kept are {there_are}")
