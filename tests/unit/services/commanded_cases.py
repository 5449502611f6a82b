"""A run that commands can be tried on: it notes what it is asked, and says how things are when the test lets it."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from penstock.core.alarm import AlarmRule
from penstock.core.command import Command, Reply, WorkerCount
from penstock.core.parameters import Change
from penstock.core.run import Outcome
from penstock.core.states import State
from penstock.core.timestamp import Timestamp
from penstock.errors import ParameterError, PenstockError
from penstock.monitor.report import RunReport, StateReport, books_of_nothing
from penstock.pipeline.plan import AlarmPlan, Element, Plan, SourcePlan, StagePlan
from penstock.services.alarm_desk import AlarmDesk
from penstock.services.control_desk import ControlDesk
from penstock.services.watching import Watching


def nothing() -> None:
    """What elements of a plan that never runs are made of."""


def _stage(name: str, kind: Any, source: str) -> StagePlan:
    return StagePlan(name=name, kind=kind, inputs=(("", source),), elements=(Element(name="x", target=nothing),))


def _alarm(name: str, when: str) -> AlarmPlan:
    return AlarmPlan(rule=AlarmRule(name=name, level="error", latch=True), when=when)


PLAN = Plan(
    name="demo",
    alarms={"hot": _alarm("hot", "run.in_flight < 1"), "fit": _alarm("fit", "fit.loss > 1")},  # as a stage is called
    sources={name: SourcePlan(name=name, element=Element(name=name, target=nothing)) for name in ("camera", "motors")},
    stages={
        "clean": _stage("clean", "steps", "camera"),
        "fit": _stage("fit", "map", "clean"),
        "image": _stage("image", "reduce", "fit"),
    },
)


class FakeRun:
    """Two sources, a stage of steps, one of two workers, and a reducer; its alarms are real."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.held: set[str] = set()
        self.state = State.PROCESSING
        self.of: dict[str, State] = {}
        """Of parts, where it is another one."""
        self.answers_at_once = True
        self.is_mute = False
        self.breaks: Exception | None = None
        self.waiting: list[Callable[[], None]] = []
        self.asked = 0
        self.watching = Watching(PLAN, "r1")
        self.alarms = AlarmDesk(PLAN, "r1", utc_ns=lambda: 10**9)

    def report(self) -> RunReport:
        states = [StateReport(name="demo", kind="pipeline", state=self.state, why="as the test says")]
        states += [self._part(name, "source") for name in PLAN.sources]
        for name in PLAN.stages:
            states.append(self._part(name, "stage"))
            states += [self._part(f"{name}-{k}", "worker", name) for k in range(2 if name == "fit" else 0)]
        return msgspec.structs.replace(books_of_nothing("demo", "r1"), states=states)

    def _part(self, name: str, kind: str, of: str = "") -> StateReport:
        is_held = name in self.held
        state = State.WAITING if is_held else self.of.get(name, State.PROCESSING)
        return StateReport(name=name, kind=kind, state=state, of=of, why="held" if is_held else "")

    def ask(self, then: Callable[[RunReport], None]) -> None:
        self.asked += 1
        if self.is_mute:
            return
        report = self.report()
        if self.answers_at_once:
            then(report)
        else:
            self.waiting.append(lambda: then(report))

    def answer(self) -> None:
        """Answer what was asked until now."""
        waiting, self.waiting = self.waiting, []
        for each in waiting:
            each()

    def set(self, values: Mapping[str, Any], then: Callable[[Change], None], who: str = "") -> None:
        if any(not name.startswith("fit.") for name in values):
            raise ParameterError(f'no parameter "{next(iter(values))}"; there are fit.roi')
        self._note(f"set {dict(values)} by {who}")
        change = Change(revision=1, from_event=7, values=values, who=who, when=Timestamp(0))
        if self.answers_at_once:
            then(change)
        else:
            self.waiting.append(lambda: then(change))

    def scale(self, stage: str, workers: WorkerCount) -> None:
        if PLAN.stages[stage].kind != "map":
            raise PenstockError(f"no map stage is called {stage!r}; there are fit")
        self._note(f"scale {stage} {workers}")

    def hold(self, name: str) -> None:
        self._note(f"hold {name}")
        self.held.add(name)

    def release(self, name: str) -> None:
        self._note(f"release {name}")
        self.held.discard(name)

    def discard(self, then: Callable[[int], None]) -> None:
        self._note("discard")
        then(25)

    def restart(self, worker: str) -> None:
        self._note(f"restart {worker}")

    def drain(self, reason: str = "", *, outcome: Outcome | None = Outcome.ABORTED) -> None:
        self._note(f"drain {reason} ({outcome})")

    def abort(self, reason: str) -> None:
        self._note(f"abort {reason}")

    def _note(self, what: str) -> None:
        if self.breaks is not None:
            raise self.breaks
        self.done.append(what)

    # Of those who look at a run otherwise.

    parameters: Any = None
    maps: Any = None


class Time:
    """Goes on when a test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Operator:
    """Whoever commands, at a desk with a run."""

    def __init__(self, *, begins: bool = True) -> None:
        self.time = Time()
        self.desk = ControlDesk(clock=self.time, utc=lambda: 0)
        self.run = FakeRun()
        if begins:
            self.desk.begin(self.run, PLAN, "r1")

    def ask(
        self,
        name: str,
        target: str = "",
        /,
        *,
        id: str = "",  # noqa: A002 - the glossary's word
        who: str = "",
        **arguments: Any,
    ) -> list[Reply]:
        """Command, and return the list in which the reply is, or will be."""
        found: list[Reply] = []
        command = Command(name=name, target=target, id=id, who=who, arguments=arguments)
        self.desk.take(command, found.append, door="test")
        return found

    def said(self, name: str, target: str = "", /, **more: Any) -> Reply:
        """Command, and return the reply, which is there at once."""
        (reply,) = self.ask(name, target, **more)
        return reply
