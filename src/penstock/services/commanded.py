"""A run as commands see it: what can be asked of it, and the names and states of what is in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from penstock.core.command import WHOLE, Aim, CommandKind, Problem, WorkerCount
from penstock.core.feedback import FeedbackBook
from penstock.core.parameters import Change
from penstock.core.run import Outcome
from penstock.core.states import State
from penstock.core.suggest import did_you_mean, listed
from penstock.errors import CommandError
from penstock.monitor.report import LoadReport, ProgressReport, RunReport, StateReport
from penstock.pipeline.plan import Plan

__all__ = ["HELD", "Alarmed", "Commanded", "Heard", "Sight"]

HELD = "held"
"""Why something waits that was told to take nothing in."""


class Alarmed(Protocol):
    """What of a run's alarms is used here, from the run's own thread; all of it returns what JSON can hold."""

    def describe(self) -> Any:
        """Return every alarm, and the history."""

    def acknowledge(self, name: str, who: str) -> Any:
        """Say that somebody knows of one."""

    def mute(self, name: str, for_s: float, who: str) -> Any:
        """Tell nobody of one for so long, 0 s: tell again."""


class Heard(Protocol):
    """What of what is noticed of a run is used here."""

    feedback: FeedbackBook


class Commanded(Protocol):
    """What of a run is used here, all of it from the run's own thread; nothing of it waits."""

    @property
    def watching(self) -> Heard:
        """What its user code says."""

    @property
    def alarms(self) -> Alarmed:
        """Those of the run."""

    def ask(self, then: Callable[[RunReport], None]) -> None:
        """Have a fresh report brought."""

    def set(self, values: Mapping[str, Any], then: Callable[[Change], None], who: str = "") -> None:
        """Change parameters."""

    def scale(self, stage: str, workers: WorkerCount) -> None:
        """Change the number of workers."""

    def hold(self, name: str) -> None:
        """Let a source or stage take nothing more in; again: nothing."""

    def release(self, name: str) -> None:
        """Let it take in again; again: nothing."""

    def discard(self, then: Callable[[int], None]) -> None:
        """Give up all that waits before stages and sinks."""

    def restart(self, worker: str) -> None:
        """Replace a worker."""

    def drain(self, reason: str = ..., *, outcome: Outcome | None = ...) -> None:
        """Read nothing more, bring out what has come, and end; without an outcome, as one that is complete."""

    def abort(self, reason: str) -> None:
        """Give everything up."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Who is in a run, and how they are."""

    plan: Plan
    run: str
    states: tuple[StateReport, ...]
    """The pipeline first."""
    progress: ProgressReport | None = None
    load: tuple[LoadReport, ...] = ()

    @classmethod
    def of(cls, plan: Plan, report: RunReport) -> "Sight":
        """Return what a report says."""
        if report.states:
            return cls(plan, report.run, tuple(report.states), report.progress, tuple(report.load))
        # Of an engine that says nothing of its parts.
        state = State.PROCESSING if report.outcome == "running" else State.STOPPED
        return cls(plan, report.run, (StateReport(name=plan.name, kind=Aim.PIPELINE, state=state),))

    @classmethod
    def without_run(cls, plan: Plan, state: State, run: str = "") -> "Sight":
        """Return what there is to be seen where no run goes on."""
        return cls(plan, run, (StateReport(name=plan.name, kind=Aim.PIPELINE, state=state),))

    @property
    def state(self) -> State:
        """Of the pipeline."""
        return State(self.states[0].state)

    def processing(self) -> list[str]:
        """Return the stages of steps and map, and whoever else of the stages is held."""
        return [name for name, stage in self.plan.stages.items() if stage.kind != "reduce" or self.is_held(name)]

    def releasable(self) -> list[str]:
        """Return the stages of steps and map, and whoever else of the stages is held, or may be."""
        return [name for name, stage in self.plan.stages.items() if stage.kind != "reduce" or self.may_be_held(name)]

    def is_held(self, name: str) -> bool:
        """Whether something takes nothing in until it is released."""
        found = self.thing(name)
        return found is not None and found.why.startswith(HELD)

    def may_be_held(self, name: str) -> bool:
        """Whether something is held, or so new that it does not say."""
        found = self.thing(name)
        return self.is_held(name) or (found is not None and found.state == State.INITIALISED)

    def thing(self, name: str) -> StateReport | None:
        """Return what is known of a source, stage or worker."""
        return next((each for each in self.states[1:] if each.name == name), None)

    def workers(self, stage: str = "") -> list[str]:
        """Return the workers, of all stages or of one."""
        return [each.name for each in self.states if each.kind == Aim.WORKER and stage in ("", each.of)]

    def is_whole(self, target: str) -> bool:
        """Whether a target means all of the pipeline."""
        return target in WHOLE or target == self.plan.name

    def aimed(self, command: str, kind: CommandKind, target: str) -> tuple[Aim, str]:
        """Return what a target is, and its name; of the pipeline an empty one.

        Raises
        ------
        CommandError
            If there is no such, or the command is not for it.
        """
        is_alarm = Aim.ALARM in kind.aims and target in self.plan.alarms  # which may be called "all", too
        if self.is_whole(target) and not is_alarm:
            if Aim.PIPELINE in kind.aims:
                return Aim.PIPELINE, ""
            raise CommandError(f"{command} needs a target: {self._choice(kind)}", problem=Problem.ARGUMENT)
        aim = self._aim_of(target, kind)
        if aim is None:
            raise CommandError(self._unknown(target, kind), problem=Problem.UNKNOWN)
        if aim not in kind.aims:
            raise CommandError(
                f"{command} is not for a {aim}, which {target} is; {self._choice(kind, target)}",
                problem=Problem.ARGUMENT,
            )
        return aim, target

    def _aim_of(self, target: str, kind: CommandKind) -> Aim | None:
        if Aim.ALARM in kind.aims:  # a stage may have the same name
            return Aim.ALARM if target in self.plan.alarms else None
        if target in self.plan.sources:
            return Aim.SOURCE
        if target in self.plan.stages:
            return Aim.STAGE
        knows_workers = bool(self.workers())
        if target in self.workers() or (Aim.WORKER in kind.aims and not knows_workers):
            return Aim.WORKER  # whoever is asked says that there is none
        return None

    def _unknown(self, target: str, kind: CommandKind) -> str:
        known = self._names(kind)
        if Aim.PIPELINE in kind.aims:
            known = [*known, "pipeline"]
        remedy = did_you_mean(target, known, otherwise=self._choice(kind))
        return f"no {listed(kind.aims)} is called {target!r}; {remedy}"

    def _choice(self, kind: CommandKind, stage: str = "") -> str:
        """Say what a command could be aimed at; if it is for workers, those of a stage."""
        names = (self.workers(stage) if Aim.WORKER in kind.aims else []) or self._names(kind)
        if kind.aims == (Aim.PIPELINE,):
            return "leave the target out"
        whole = ["the pipeline"] if Aim.PIPELINE in kind.aims else []
        return f"there are {listed([*whole, *names], 'and')}" if names or whole else f"there is no {listed(kind.aims)}"

    def _names(self, kind: CommandKind) -> list[str]:
        names = list(self.plan.sources) if Aim.SOURCE in kind.aims else []
        names += list(self.plan.stages) if Aim.STAGE in kind.aims else []
        names += list(self.plan.alarms) if Aim.ALARM in kind.aims else []
        return names + (self.workers() if Aim.WORKER in kind.aims else [])
