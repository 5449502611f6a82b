"""The alarms of a run at work: conditions are looked at with every report, and whoever is to know is told.

It is used from one thread. What is told goes out in threads of their own, so that no mail server holds a run up.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from penstock.core.alarm import AlarmChange, Alarms
from penstock.core.timestamp import Timestamp
from penstock.elements.sink import RunFacts
from penstock.elements.text_template import TextTemplate
from penstock.errors import PenstockError, SinkError
from penstock.monitor.metric_values import MetricValues
from penstock.monitor.report import RunReport
from penstock.pipeline.condition import LAST, Condition
from penstock.pipeline.plan import Element, Plan
from penstock.services.made import sink_of

__all__ = ["AlarmDesk"]

WAITING: Final = 1000
"""Changes that wait for one output; of more the oldest are given up, and counted."""
CLOSE_S: Final = 5.0
"""How long what waits may take to be told at the end."""


class AlarmDesk:
    """All alarms of one run.

    Parameters
    ----------
    plan
        Of the run.
    run
        Its name.
    utc_ns
        The time.
    """

    def __init__(self, plan: Plan, run: str, *, utc_ns: Callable[[], int] = time.time_ns) -> None:
        entries = {*plan.sources, *plan.stages, *plan.sinks}
        self._plan, self._run, self._utc_ns = plan, run, utc_ns
        self._conditions = {
            name: (
                Condition(alarm.when, entries),
                None if alarm.until is None else Condition(alarm.until, entries),
                None if alarm.text is None else TextTemplate(alarm.text),
            )
            for name, alarm in plan.alarms.items()
        }
        self.alarms = Alarms([alarm.rule for alarm in plan.alarms.values()])
        self._values = MetricValues(plan.sources, plan.stages, plan.sinks)
        self._outputs: list[tuple[Element, _Output]] = []
        self.on_change: Callable[[AlarmChange], None] = lambda _: None
        """Told of every change, also of those that nobody else is told of."""

    @property
    def reads_last(self) -> frozenset[str]:
        """The stages of whose last results something is asked."""
        conditions = [
            each for when, until, _ in self._conditions.values() for each in (when, until) if each is not None
        ]
        return frozenset(path[0] for each in conditions for path in each.names if len(path) > 1 and path[1] == LAST)

    def open(self, facts: RunFacts) -> None:
        """Open what is told of alarms.

        Raises
        ------
        SinkError
            If something cannot be opened.
        """
        for alarm in self._plan.alarms.values():
            for element in alarm.outputs:
                if not any(_is_same(element, other) for other, _ in self._outputs):
                    name = f"alarms.{alarm.rule.name}"
                    output = _Output(name, element)
                    output.open(facts)
                    self._outputs.append((element, output))

    def look(self, report: RunReport, last: Mapping[str, Any] | None = None) -> None:
        """Look at every condition.

        Parameters
        ----------
        report
            How the run is.
        last
            By stage, its last result, or its views.
        """
        now_ns = self._utc_ns()
        values = self._values.look(report, now_ns)
        for stage, result in (last or {}).items():
            if result is not None:
                values.setdefault(stage, {})[LAST] = result
        found = {name: self._found(name, values, now_ns) for name in self._conditions}
        for change in self.alarms.look(found, now_ns):
            self._tell(change)

    def acknowledge(self, name: str, who: str = "") -> Any:  # what JSON can hold
        """Say that somebody knows of an alarm; return how it is then.

        Raises
        ------
        UnknownAlarmError
            If none has this name.
        StateError
            If there is nothing to acknowledge.
        """
        change = self.alarms.acknowledge(name, self._utc_ns(), who)
        if change is not None:
            self._tell(change)
        return self._described(name)

    def mute(self, name: str, for_s: float, who: str = "") -> Any:  # what JSON can hold
        """Tell nobody of an alarm for so long, 0 s: tell again; raises if none has this name."""
        self._tell(self.alarms.mute(name, self._utc_ns(), for_s, who))
        return self._described(name)

    def describe(self) -> dict[str, Any]:
        """Return every alarm as it is, the history with the newest first, and how telling went."""
        return {
            "alarms": [self._described(alarm.rule.name) for alarm in self.alarms],
            "history": [_line(change) for change in reversed(self.alarms.history)],
            "outputs": [output.describe() for _, output in self._outputs],
        }

    def close(self) -> list[str]:
        """Tell what waits, and end; return what could not be told."""
        for _, output in self._outputs:
            output.end()
        return [trouble for _, output in self._outputs if (trouble := output.close())]

    def _found(self, name: str, values: Mapping[str, Any], now_ns: int) -> tuple[bool, bool, str]:
        when, until, template = self._conditions[name]
        is_met = when.look(values, now_ns)
        is_over = (None if is_met is None else not is_met) if until is None else until.look(values, now_ns)
        text = self._text(when, template, values) if is_met else ""
        return bool(is_met), bool(is_over), text

    def _text(self, when: Condition, template: TextTemplate | None, values: Mapping[str, Any]) -> str:
        said = when.said()
        plain = f"{when.text} ({said})" if said else when.text
        if template is None:
            return plain
        try:
            return template.fill(dict(values))
        except (LookupError, ValueError) as error:
            return f"{plain}; its text cannot be made: {error}"

    def _tell(self, change: AlarmChange) -> None:
        self.on_change(change)
        if not change.is_told:
            return
        item = {**_line(change), "pipeline": self._plan.name, "run": self._run}
        for element in self._plan.alarms[change.alarm].outputs:
            next(output for other, output in self._outputs if _is_same(element, other)).tell(item)

    def _described(self, name: str) -> dict[str, Any]:
        alarm, plan = self.alarms[name], self._plan.alarms[name]
        now_ns = self._utc_ns()
        return {
            **asdict(alarm.rule),
            "when": plan.when,
            "until": plan.until,
            "not_known": self._conditions[name][0].not_known,
            "state": str(alarm.state),
            "text": alarm.text,
            "raised": Timestamp(alarm.raised_ns).isoformat() if alarm.raised_ns else None,
            "acknowledged_by": alarm.acknowledged_by,
            "muted_until": Timestamp(alarm.muted_until_ns).isoformat() if alarm.is_muted(now_ns) else None,
            "muted_by": alarm.muted_by if alarm.is_muted(now_ns) else "",
            "times": alarm.times,
        }


class _Output:
    """One sink that is told of alarms, in a thread of its own."""

    def __init__(self, name: str, element: Element) -> None:
        self._name, self._element = name, element
        self._sink = sink_of(element, name)
        self._waiting: deque[dict[str, Any]] = deque()
        self._news = threading.Condition()
        self._has_ended = False
        self._told = self._given_up = 0
        self._trouble = ""
        self._thread = threading.Thread(target=self._live, name=f"penstock {name}", daemon=True)

    def open(self, facts: RunFacts) -> None:
        """Open the sink, and begin."""
        try:
            self._sink.open(facts)
        except PenstockError as error:
            raise SinkError(f"{self._name}: {self._element.name}: {error}") from error
        except Exception as error:  # a sink may be user code
            raise SinkError(f"{self._name}: {self._element.name}: {type(error).__name__}: {error}") from error
        self._thread.start()

    def tell(self, item: dict[str, Any]) -> None:
        """Have it told; never waits."""
        with self._news:
            self._waiting.append(item)
            if len(self._waiting) > WAITING:
                self._waiting.popleft()
                self._given_up += 1
            self._news.notify()

    def end(self) -> None:
        """Let it end when it has told what waits."""
        with self._news:
            self._has_ended = True
            self._news.notify()
        self._sink.hasten()

    def close(self) -> str:
        """Wait for that a while; return what went wrong."""
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            left = len(self._waiting)
            return f"{self._name}: {self._element.name} did not come to its end; {left} changes were not told"
        given_up = f"{self._given_up} changes were not told" if self._given_up else ""
        return "; ".join(text for text in (self._trouble, given_up) if text)

    def describe(self) -> dict[str, Any]:
        """Return how it went so far."""
        return {
            "output": self._element.name, "told": self._told, "waiting": len(self._waiting),
            "given_up": self._given_up, "trouble": self._trouble,
        }  # fmt: skip

    def _live(self) -> None:
        while (item := self._next()) is not None:
            try:
                self._sink.write(item)
                self._told += 1
            except Exception as error:  # noqa: BLE001 - a sink may be user code; others are told nevertheless
                self._given_up += 1
                self._note(error)
        try:
            self._sink.close(ended_well=True, outcome="finished")
        except Exception as error:  # noqa: BLE001 - likewise
            self._note(error)

    def _next(self) -> dict[str, Any] | None:
        with self._news:
            while not self._waiting and not self._has_ended:
                self._news.wait()
            return self._waiting.popleft() if self._waiting else None

    def _note(self, error: Exception) -> None:
        text = str(error) if isinstance(error, PenstockError) else f"{type(error).__name__}: {error}"
        self._trouble = f"{self._name}: {self._element.name}: {text}"


def _is_same(element: Element, other: Element) -> bool:
    """Whether two are written the same, so that one output serves both."""
    return (element.target, element.arguments) == (other.target, other.arguments)


def _line(change: AlarmChange) -> dict[str, Any]:
    return {
        "alarm": change.alarm, "what": change.what, "level": change.level, "text": change.text, "who": change.who,
        "when": Timestamp(change.when_ns).isoformat(), "told": change.is_told,
    }  # fmt: skip
