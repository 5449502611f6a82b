"""A subscriber of a RunEngine that begins a run of a pipeline with each scan, and lets it end with the scan.

It imports nothing of Bluesky: what a RunEngine gives to its subscribers is a name and a document.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from penstock.client import Connection, connect
from penstock.errors import PenstockError, StateError

__all__ = ["Scans"]

_LOG: Final = logging.getLogger(__name__)
_GOOD: Final = "success"
RUNNING: Final = "running"
WHO: Final = "bluesky"
PATIENCE_S: Final = 30.0

Document = Mapping[str, Any]
TriggerMaps = Mapping[str, Mapping[str, Any]]


class Scans:
    """Begin a run of a pipeline with each scan of a RunEngine, and let it end with the scan.

    ``RE.subscribe(Scans("http://analysis:8400"))`` does so for all scans, ``scans.around(plan)`` for one. The pipeline
    is one that stays: ``penstock run FILE --serve 8400 --stay``; a run that goes on when a scan begins is finished
    first. With a scan that succeeds its run is finished: what has come is brought out. With one that fails or is
    aborted it is drained, and ends as aborted.

    An analysis that cannot be reached must not cost beam time: that is an error in the log, and the scan goes on; with
    ``must_run`` it ends the scan.

    Parameters
    ----------
    address, token
        Of the pipeline, as ``penstock.connect`` takes them.
    trigger_maps
        Makes of a scan's start document the trigger maps, by join, of those that come with the scan. It has
        ``num_points``, and whatever metadata the plan was given.
    values
        Makes of it start values of parameters.
    must_run
        Whether a scan without its analysis is not to be made.
    """

    def __init__(
        self,
        address: str = "",
        token: str = "",
        *,
        trigger_maps: Callable[[Document], TriggerMaps] | None = None,
        values: Callable[[Document], Mapping[str, Any]] | None = None,
        must_run: bool = False,
    ) -> None:
        self._address, self._token = address, token
        self._trigger_maps, self._values = trigger_maps, values
        self._must_run = must_run
        self._scan = ""
        """The uid of the scan that has a run."""
        self.run = ""
        """The name of the last run that was begun."""

    def __call__(self, name: str, document: Document) -> None:
        """Take a document; as a RunEngine calls its subscribers.

        Raises
        ------
        PenstockError
            With ``must_run``, if no run could be begun.
        """
        if name == "start" and not self._scan:  # a scan within a scan is a part of it
            try:
                self._begin(document)
            except PenstockError as error:
                if self._must_run:
                    raise
                _LOG.error("the scan %s has no analysis: %s", document.get("scan_id", ""), error)
        elif name == "stop" and self._scan and document.get("run_start") == self._scan:
            self._scan = ""
            try:
                self._end(document)
            except PenstockError as error:  # the scan is over; it has nothing to lose
                _LOG.error("the run %s of the analysis was not ended: %s", self.run, error)

    def around(self, plan: Iterable[Any]) -> Iterator[Any]:
        """Return a plan that subscribes this for as long as another one takes; for a RunEngine."""
        from bluesky import preprocessors

        subscribed: Any = preprocessors.subs_wrapper
        found: Iterator[Any] = subscribed(plan, self)
        return found

    def _begin(self, start: Document) -> None:
        with self._connected() as run:
            self._end_other(run)
            maps = self._trigger_maps(start) if self._trigger_maps else {}
            values = self._values(start) if self._values else {}
            self.run = run.start(maps, values, run=_name_of(start))
        self._scan = str(start.get("uid", ""))

    def _end(self, stop: Document) -> None:
        status = str(stop.get("exit_status", _GOOD))
        reason = f"the scan: {status}" + (f", {stop['reason']}" if stop.get("reason") else "")
        with self._connected() as run:
            if run.run != self.run:
                return  # it has ended by itself, and another one goes on
            reply = run.command(
                "finish" if status == _GOOD else "drain", reason=" ".join(reason.split())[:200], who=WHO
            )
        if reply.outcome != "done":
            _LOG.info("the run %s had ended before its scan: %s", self.run, reply.text)

    def _end_other(self, run: Connection) -> None:
        """Finish the run that goes on, such as the one a program that stays begins with."""
        if run.status["outcome"] != RUNNING:
            return
        _LOG.info("the run %s of the analysis is finished, as a scan begins", run.run)
        run.command("finish", reason="a scan begins", who=WHO)
        until = time.monotonic() + PATIENCE_S
        while run.status["outcome"] == RUNNING:
            if time.monotonic() > until:
                raise StateError(f"the run {run.run} goes on, and has not ended within {PATIENCE_S:g} s")
            time.sleep(0.05)

    def _connected(self) -> Connection:
        return connect(*([self._address] if self._address else []), token=self._token or None)


def _name_of(start: Document) -> str:
    """Return a name for files and people: the scan's number, and the beginning of what makes it the only one."""
    return "-".join(["scan", *(str(start[key])[:8] for key in ("scan_id", "uid") if start.get(key))])
