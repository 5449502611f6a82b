"""Hooks of a macro of Sardana that begin a run of a pipeline with a scan, obey what it says, and end it with the scan.

It imports nothing of Sardana: hooks are functions without arguments, and a macro is what has ``appendHook`` and
``stop``.
"""

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

from penstock.compat.scan_run import ScanRun
from penstock.core.feedback import Feedback

__all__ = ["ScanHooks"]

WHO: Final = "sardana"
TriggerMaps = Mapping[str, Mapping[str, Any]]


class ScanHooks:
    """Hooks of one scan, for the hook places ``pre-scan``, ``post-acq`` and ``post-scan``.

    In a macro::

        scan, _ = self.createMacro("ascan", motor, start, stop, intervals, integ_time)
        with ScanHooks("http://analysis:8400", trigger_maps=my_maps) as hooks:
            hooks.attach(scan)
            self.runMacro(scan)

    When the analysis says ``stop``, the scan is stopped after the acquisition that goes on, and its run is finished.
    A scan that fails, or is stopped by somebody, never comes to its ``post-scan`` hooks; then the end of the ``with``
    drains the run, which ends as aborted. The pipeline is one that stays: ``penstock run FILE --serve 8400 --stay``.

    Parameters
    ----------
    address, token
        Of the pipeline, as ``penstock.connect`` takes them.
    trigger_maps, values
        Make of the macro the trigger maps, by join, of those that come with the scan, and start values of parameters.
        A scan macro has ``nr_points`` and its parameters.
    must_run
        Whether a scan without its analysis is not to be made; otherwise that is an error in the log.
    events_per_point
        How many events of the pipeline a point of the scan makes, by which is known of which point ``next`` was said;
        0: not so many each time.
    settle_s
        How long to wait after each acquisition for what the analysis says about it, in s.
    """

    def __init__(
        self,
        address: str = "",
        token: str = "",
        *,
        trigger_maps: Callable[[Any], TriggerMaps] | None = None,
        values: Callable[[Any], Mapping[str, Any]] | None = None,
        must_run: bool = False,
        events_per_point: int = 1,
        settle_s: float = 0.0,
    ) -> None:
        self.analysis = ScanRun(address, token, who=WHO, must_run=must_run)
        """The run, how far it is, and what it says: for macros of one's own."""
        self._trigger_maps, self._values = trigger_maps, values
        self._events_per_point = events_per_point
        self._settle_s = settle_s
        self._macro: Any = None
        self._has_run = False
        self.acquisitions = 0
        """How many there were in this scan."""

    def attach(self, macro: Any) -> None:
        """Append these hooks to a scan macro, as ``createMacro`` returns it."""
        self._macro = macro
        for hook, place in (
            (self.pre_scan, "pre-scan"),
            (self.post_acq, "post-acq"),
            (self.post_scan, "post-scan"),
        ):
            macro.appendHook((hook, [place]))

    def pre_scan(self) -> None:
        """Begin a run.

        Raises
        ------
        PenstockError
            With ``must_run``, if none could be begun; it ends the scan.
        """
        macro = self._macro
        self.acquisitions = 0
        maps = self._trigger_maps(macro) if self._trigger_maps else {}
        values = self._values(macro) if self._values else {}
        self._has_run = self.analysis.begin(_name_of(macro), maps, values)

    def post_acq(self) -> None:
        """Stop the scan if the analysis wants that; what has been acquired is kept."""
        self.acquisitions += 1
        if self.wants(self._settle_s) == "stop" and self._macro is not None:
            self._macro.stop()

    def post_scan(self) -> None:
        """Finish the run."""
        self._end(is_good=True, reason="the scan has ended")

    def wants(self, wait_s: float = 0.0) -> str:
        """Return what the analysis wants: ``stop``, ``next``, which is returned once, or nothing.

        Parameters
        ----------
        wait_s
            How long to wait for it, in s.
        """
        return self.analysis.wants(None, wait_s)

    def measure_until(self, count: Callable[[], Any], most: int) -> str:
        """Acquire at one point again and again, until the analysis has enough of it; for macros of one's own.

        Parameters
        ----------
        count
            Makes one acquisition, such as ``lambda: self.mnt_grp.count(0.1)``.
        most
            How many at most.

        Returns
        -------
        str
            Why it ended: ``next``, ``stop``, or nothing if there were as many as there may be.
        """
        first = self.acquisitions * self._events_per_point if self._events_per_point else None
        for _ in range(most):
            count()
            self.acquisitions += 1
            if found := self.analysis.wants(first, self._settle_s):
                return found
        return ""

    @property
    def progress(self) -> dict[str, Any]:
        """How far the run is: events ``formed``, ``completed``, and the ``total``; empty if it cannot be asked."""
        return self.analysis.progress

    @property
    def feedback(self) -> list[Feedback]:
        """What the analysis has said in this run."""
        return self.analysis.heard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wanted_stop = self.analysis.stop is not None
        why = "the scan was stopped by its analysis" if wanted_stop else f"the scan did not end well: {error or kind}"
        self._end(is_good=wanted_stop, reason=why)

    def _end(self, *, is_good: bool, reason: str) -> None:
        if self._has_run:
            self._has_run = False
            self.analysis.end(is_good=is_good, reason=reason)


def _name_of(macro: Any) -> str:
    """Return a name for files and people: the number of the scan, where the macro's environment knows it."""
    try:
        return f"scan-{int(macro.getEnv('ScanID'))}"
    except Exception:  # noqa: BLE001 - a macro without that environment, or none of Sardana's
        return ""
