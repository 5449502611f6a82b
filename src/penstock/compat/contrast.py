"""What Contrast's scans call when they are patched: a run of a pipeline is begun, obeyed and ended with each of them.

It imports nothing of Contrast: a scan class is one that has the methods which Contrast leaves empty for this.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from penstock.compat.scan_run import ScanRun
from penstock.core.feedback import NEXT, STOP, Feedback

__all__ = ["ScanHooks"]

WHO: Final = "contrast"
PLACES: Final = ("_before_scan", "_before_move", "_while_acquiring", "_after_scan")
TriggerMaps = Mapping[str, Mapping[str, Any]]


class ScanHooks:
    """Begin a run of a pipeline with each scan of a class, and let it end with the scan.

    In the file of a beamline::

        from contrast.scans import SoftwareScan
        from penstock.compat.contrast import ScanHooks

        ScanHooks("http://analysis:8400").patch(SoftwareScan)

    What the methods did before they still do. When the analysis says ``stop``, the scan ends before its next move, as
    it does with Ctrl-C, and its run is finished. A scan that fails, or ends before its last position without the
    analysis having wanted that, drains its run, which ends as aborted. The pipeline is one that stays:
    ``penstock run FILE --serve 8400 --stay``.

    Parameters
    ----------
    address, token
        Of the pipeline, as ``penstock.connect`` takes them.
    trigger_maps, values
        Make of the scan the trigger maps, by join, of those that come with the scan, and start values of parameters;
        called with the scan and how many points it has.
    must_run
        Whether a scan without its analysis is not to be made; otherwise that is an error in the log.
    events_per_point
        How many events of the pipeline a point of the scan makes, by which is known of which point ``next`` was said;
        0: not so many each time.
    on_next
        Called with the scan when the analysis has enough of the point that is being acquired, so that the detectors
        may be stopped.
    """

    def __init__(
        self,
        address: str = "",
        token: str = "",
        *,
        trigger_maps: Callable[[Any, int], TriggerMaps] | None = None,
        values: Callable[[Any, int], Mapping[str, Any]] | None = None,
        must_run: bool = False,
        events_per_point: int = 1,
        on_next: Callable[[Any], object] | None = None,
    ) -> None:
        self.analysis = ScanRun(address, token, who=WHO, must_run=must_run)
        """The run, how far it is, and what it says."""
        self._trigger_maps, self._values = trigger_maps, values
        self._events_per_point = events_per_point
        self._on_next = on_next
        self._points = self._moves = 0

    def patch(self, scan_class: type) -> None:
        """Let scans of a class, and of those made of it, call these hooks.

        Raises
        ------
        TypeError
            If it has none of the methods by which Contrast's scans can be hooked.
        """
        missing = [name for name in PLACES if not callable(getattr(scan_class, name, None))]
        if missing:
            raise TypeError(
                f"{scan_class.__name__} has no {', '.join(missing)}; give the class that scans are made of, "
                "contrast.scans.SoftwareScan"
            )
        for name in PLACES:
            setattr(scan_class, name, self._joined(getattr(scan_class, name), getattr(self, name[1:])))

    def before_scan(self, scan: Any) -> None:
        """Begin a run.

        Raises
        ------
        PenstockError
            With ``must_run``, if none could be begun; it ends the scan.
        """
        self._points = sum(1 for _ in scan._generate_positions())  # which makes them anew each time
        self._moves = 0
        maps = self._trigger_maps(scan, self._points) if self._trigger_maps else {}
        values = self._values(scan, self._points) if self._values else {}
        self.analysis.begin(f"scan-{scan.scannr}", maps, values)

    def before_move(self, _: Any) -> None:
        """End the scan if the analysis wants that.

        Raises
        ------
        KeyboardInterrupt
            By which a scan of Contrast ends well.
        """
        if self.analysis.wants(self._first_event) == STOP:
            raise KeyboardInterrupt
        self._moves += 1

    def while_acquiring(self, scan: Any) -> None:
        """Say that the analysis has enough of this point, to whoever wants to know."""
        if self._on_next is not None and self.analysis.wants(self._first_event) == NEXT:
            self._on_next(scan)

    def after_scan(self, _: Any) -> None:
        """End the run."""
        error = sys.exception()
        was_wanted = self.analysis.stop is not None
        is_whole = error is None and self._moves >= self._points
        why = "was stopped by its analysis" if was_wanted else "has ended" if is_whole else "did not come to its end"
        self.analysis.end(is_good=was_wanted or is_whole, reason=f"the scan {why}{f': {error!r}' if error else ''}")

    @property
    def progress(self) -> dict[str, Any]:
        """How far the run is: events ``formed``, ``completed``, and the ``total``; empty if it cannot be asked."""
        return self.analysis.progress

    @property
    def feedback(self) -> list[Feedback]:
        """What the analysis has said in this run."""
        return self.analysis.heard()

    @property
    def _first_event(self) -> int | None:
        """Of the present point."""
        return max(0, self._moves - 1) * self._events_per_point if self._events_per_point else None

    @staticmethod
    def _joined(before: Callable[[Any], Any], hook: Callable[[Any], None]) -> Callable[[Any], Any]:
        def call(scan: Any) -> Any:
            hook(scan)
            return before(scan)

        return call
