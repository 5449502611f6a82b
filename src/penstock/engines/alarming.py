"""The alarms of a run in its engine: looked at about once a second, with the report that is made anyway."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from penstock.core.alarm import AlarmChange
from penstock.core.timestamp import NS_PER_S
from penstock.elements.sink import RunFacts
from penstock.errors import StateError
from penstock.monitor.report import AlarmReport, RunReport
from penstock.pipeline.plan import Plan
from penstock.services.alarm_desk import AlarmDesk
from penstock.views.array_view import ArrayView

__all__ = ["Alarming", "small_views"]

EVERY_NS: Final = NS_PER_S
MOST_OF_VIEW: Final = 64
"""Elements of a view that a condition may read; a whole image is not copied every second."""

Last = Callable[[str], Any]
"""Returns the last result of a stage, or its views; ``None`` if there is none yet."""


class Alarming:
    """All alarms of one run, or none.

    Parameters
    ----------
    plan
        Of the run.
    run
        Its name.
    utc_ns
        The time.
    last
        Asked for the stages that conditions read.
    """

    def __init__(self, plan: Plan, run: str, *, utc_ns: Callable[[], int], last: Last) -> None:
        self._desk = AlarmDesk(plan, run, utc_ns=utc_ns) if plan.alarms else None
        self._utc_ns, self._last = utc_ns, last
        self._looked_ns = 0

    @property
    def reads_last(self) -> frozenset[str]:
        """The stages of whose results something is asked."""
        return frozenset() if self._desk is None else self._desk.reads_last

    @property
    def are_there(self) -> bool:
        """Whether there are any."""
        return self._desk is not None

    def on_change(self, call: Callable[[AlarmChange], None]) -> None:
        """Have somebody told of every change."""
        if self._desk is not None:
            self._desk.on_change = call

    def open(self, facts: RunFacts) -> None:
        """Open what is told of them.

        Raises
        ------
        SinkError
            If something cannot be opened.
        """
        if self._desk is not None:
            self._desk.open(facts)

    @property
    def is_due(self) -> bool:
        """Whether it is time to look."""
        return self._desk is not None and self._utc_ns() - self._looked_ns >= EVERY_NS

    def look(self, report: RunReport) -> None:
        """Look at every condition."""
        if self._desk is not None:
            self._looked_ns = self._utc_ns()
            self._desk.look(report, {stage: self._last(stage) for stage in self._desk.reads_last})

    def reports(self) -> list[AlarmReport]:
        """Say how each is."""
        if self._desk is None:
            return []
        return [
            AlarmReport(
                name=each["name"], level=each["level"], state=each["state"], text=each["text"], raised=each["raised"],
                muted_until=each["muted_until"], acknowledged_by=each["acknowledged_by"], times=each["times"],
            )
            for each in self._desk.describe()["alarms"]
        ]  # fmt: skip

    def describe(self) -> Any:  # what JSON can hold
        """Return every alarm, the history, and how telling went."""
        return {"alarms": [], "history": [], "outputs": []} if self._desk is None else self._desk.describe()

    def acknowledge(self, name: str, who: str) -> Any:  # what JSON can hold
        """Say that somebody knows of one; raises as ``AlarmDesk``."""
        return self._there.acknowledge(name, who)

    def mute(self, name: str, for_s: float, who: str) -> Any:  # what JSON can hold
        """Tell nobody of one for so long; raises as ``AlarmDesk``."""
        return self._there.mute(name, for_s, who)

    def close(self) -> list[str]:
        """Tell what waits, and end; return what could not be told."""
        return [] if self._desk is None else self._desk.close()

    @property
    def _there(self) -> AlarmDesk:
        if self._desk is None:
            raise StateError("this pipeline has no alarms")
        return self._desk


def small_views(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return copies of the views of a reducer that have few elements, and all values that are none."""
    found: dict[str, Any] = {}
    for name, leaf in tree.items():
        value = leaf.array if isinstance(leaf, ArrayView) else leaf
        if isinstance(value, Mapping):
            found[name] = small_views(value)
        elif not isinstance(value, np.ndarray):
            found[name] = value
        elif value.size <= MOST_OF_VIEW:
            found[name] = value.item() if value.size == 1 else value.copy()
    return found
