"""A subscriber of a RunEngine that begins and ends a run of a pipeline with each scan, and plans that obey it.

It imports nothing of Bluesky before a plan is made: what a RunEngine gives to its subscribers is a name and a document.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from penstock.compat.scan_run import ScanRun
from penstock.core.feedback import Feedback

__all__ = ["Scans"]

_GOOD: Final = "success"
WHO: Final = "bluesky"
PRIMARY: Final = "primary"
CHECKPOINT: Final = "checkpoint"
"""The message by which plans say that they may be interrupted here: before each point."""
LOOK_S: Final = 0.02
"""How often a plan that waits for the analysis looks whether it has said something."""

Document = Mapping[str, Any]
TriggerMaps = Mapping[str, Mapping[str, Any]]
Plan = Generator[Any, Any, Any]
"""Of messages of Bluesky."""


class Scans:
    """Begin a run of a pipeline with each scan of a RunEngine, and let it end with the scan.

    ``RE.subscribe(Scans("http://analysis:8400"))`` does so for all scans, ``scans.around(plan)`` for one. The pipeline
    is one that stays: ``penstock run FILE --serve 8400 --stay``; a run that goes on when a scan begins is finished
    first. With a scan that succeeds its run is finished: what has come is brought out. With one that fails or is
    aborted it is drained, and ends as aborted.

    What the analysis says back is obeyed by ``scans.obeying(plan)``, which ends a plan well at ``stop``, and
    ``scans.measure_until(devices, most=20)``, which measures at one point until ``next``.

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
    events_per_reading
        How many events of the pipeline a reading of the scan makes, by which is known of which point ``next`` was
        said; 0: not so many each time, then the one that comes while a point is measured is taken to be about it.
    """

    def __init__(
        self,
        address: str = "",
        token: str = "",
        *,
        trigger_maps: Callable[[Document], TriggerMaps] | None = None,
        values: Callable[[Document], Mapping[str, Any]] | None = None,
        must_run: bool = False,
        events_per_reading: int = 1,
    ) -> None:
        self._analysis = ScanRun(address, token, who=WHO, must_run=must_run)
        self._trigger_maps, self._values = trigger_maps, values
        self._events_per_reading = events_per_reading
        self._scan = ""
        """The uid of the scan that has a run."""
        self._primary: set[str] = set()
        """Descriptors of what is read at points."""
        self.readings = 0
        """How many the scan has made so far, of its primary stream."""

    @property
    def run(self) -> str:
        """The name of the last run that was begun."""
        return self._analysis.run

    @property
    def feedback(self) -> list[Feedback]:
        """What the analysis has said in this run."""
        return self._analysis.heard()

    def __call__(self, name: str, document: Document) -> None:
        """Take a document; as a RunEngine calls its subscribers.

        Raises
        ------
        PenstockError
            With ``must_run``, if no run could be begun.
        """
        if name == "start" and not self._scan:  # a scan within a scan is a part of it
            self._begin(document)
        elif name == "descriptor" and document.get("name") == PRIMARY and document.get("run_start") == self._scan:
            self._primary.add(str(document.get("uid", "")))
        elif name == "event" and document.get("descriptor") in self._primary:
            self.readings += 1
        elif name == "event_page" and document.get("descriptor") in self._primary:
            self.readings += len(document.get("seq_num", ()))
        elif name == "stop" and self._scan and document.get("run_start") == self._scan:
            self._scan = ""
            status = str(document.get("exit_status", _GOOD))
            why = f", {document['reason']}" if document.get("reason") else ""
            self._analysis.end(is_good=status == _GOOD, reason=f"the scan: {status}{why}")

    def around(self, plan: Iterable[Any]) -> Iterator[Any]:
        """Return a plan that subscribes this for as long as another one takes; for a RunEngine."""
        from bluesky import preprocessors

        subscribed: Any = preprocessors.subs_wrapper
        found: Iterator[Any] = subscribed(plan, self)
        return found

    def obeying(self, plan: Plan) -> Plan:
        """Return a plan that goes through another one, and ends it well when the analysis says ``stop``.

        It looks at each checkpoint, which plans have before each point, so no move or reading is cut in two. The plan
        cleans up as it does when somebody stops it: its scan is closed as a success, devices are unstaged. This must be
        subscribed, as by ``scans.around(scans.obeying(plan))``.
        """
        from bluesky import utils

        ensured: Any = utils.ensure_generator
        inner: Plan = ensured(plan)
        answer: Any = None
        was_told = False
        error: BaseException | None = None
        while True:
            try:
                if error is not None:
                    raised, error = error, None
                    message = inner.throw(raised)
                else:
                    message = inner.send(answer)
                if not was_told and message.command == CHECKPOINT and self.stop is not None:
                    was_told = True
                    message = inner.throw(utils.RequestStop())
            except StopIteration as end:
                return end.value
            except utils.RequestStop:
                if was_told:
                    return None
                raise
            try:
                answer = yield message
            except GeneratorExit:
                inner.close()
                raise
            except BaseException as thrown:  # noqa: BLE001 - whatever the RunEngine throws is the plan's
                error = thrown

    @property
    def stop(self) -> Feedback | None:
        """What the analysis has said when it wants the scan to stop; ``None`` as long as it does not."""
        return self._analysis.stop

    def measure_until(self, devices: Sequence[Any], name: str = PRIMARY, *, most: int, settle_s: float = 0.0) -> Plan:
        """Return a plan that reads devices at one point again and again, until the analysis has enough of it.

        With ``functools.partial(scans.measure_until, most=20)`` as ``take_reading`` of ``one_nd_step`` of
        ``bluesky.plan_stubs``, each point of a scan is measured so.

        Parameters
        ----------
        devices
            As ``bluesky.plan_stubs.trigger_and_read`` takes them, also triggered by it.
        name
            Of the stream of documents.
        most
            How many readings at most.
        settle_s
            How long to wait after each for what the analysis says about it, in s. Without it, one more may be made
            than it wanted.

        Returns
        -------
        Plan
            Its value is why it ended: ``next``, ``stop``, or nothing if there were as many as there may be.

        Raises
        ------
        ValueError
            If no reading may be made.
        """
        from bluesky import plan_stubs

        if most < 1:
            raise ValueError(f"most is {most}: at least 1 reading is made at each point")
        first = self.readings * self._events_per_reading if self._events_per_reading else None
        if first is None:
            self._analysis.wants()  # of points before
        found = ""
        for _ in range(most):
            yield from plan_stubs.trigger_and_read(devices, name)
            found = yield from self._wanted(first, settle_s)
            if found:
                break
        return found

    def _wanted(self, first: int | None, settle_s: float) -> Plan:
        """Return, as the value of a plan, what the analysis wants; the RunEngine has other things to do meanwhile."""
        from bluesky import plan_stubs

        left_s = settle_s
        while not (found := self._analysis.wants(first)) and left_s > 0:
            yield from plan_stubs.sleep(min(LOOK_S, left_s))
            left_s -= LOOK_S
        return found

    def _begin(self, start: Document) -> None:
        self._primary, self.readings = set(), 0
        maps = self._trigger_maps(start) if self._trigger_maps else {}
        values = self._values(start) if self._values else {}
        if self._analysis.begin(_name_of(start), maps, values):
            self._scan = str(start.get("uid", ""))


def _name_of(start: Document) -> str:
    """Return a name for files and people: the scan's number, and the beginning of what makes it the only one."""
    return "-".join(["scan", *(str(start[key])[:8] for key in ("scan_id", "uid") if start.get(key))])
