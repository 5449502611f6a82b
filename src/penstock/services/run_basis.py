"""What a run starts from: its plan, its start values and trigger maps, and what it takes of a recorded run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.core.timestamp import Timestamp
from penstock.core.trigger_map import TriggerMap
from penstock.errors import NotBuiltYetError, StateError
from penstock.pipeline.not_built import words_of_chains
from penstock.pipeline.plan import Plan
from penstock.services.recorded_run import RecordedRun
from penstock.services.resumed_run import resumable, resumed_plan

__all__ = ["RunBasis", "run_basis"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBasis:
    """What a run starts from."""

    plan: Plan
    """As it is run: of a replay, its sources give what was recorded."""
    run_id: str
    """That of a run that goes on; else as given, perhaps empty."""
    trigger_maps: Mapping[str, TriggerMap]
    """By join: those that were given, before those that were recorded."""
    values: dict[str, Any]
    """Start values of parameters that go before the pipeline's."""
    replay: RecordedRun | None
    """What is repeated."""
    goes_on: bool
    """Whether the run goes on behind what it repeats."""

    @property
    def is_replay(self) -> bool:
        """Whether nothing else is done but to repeat a run."""
        return self.replay is not None and not self.goes_on


def run_basis(
    plan: Plan,
    started: Timestamp,
    *,
    run_id: str = "",
    trigger_maps: Mapping[str, TriggerMap] | None = None,
    values: Mapping[str, Any] | None = None,
    event_log: Path | str | None = None,
    replay: RecordedRun | None = None,
    resume: RecordedRun | None = None,
    in_processes: bool = False,
) -> RunBasis:
    """Return what a run of a plan starts from, unless it cannot run.

    Parameters
    ----------
    started
        Now.
    in_processes
        Whether other processes are to read what was recorded.

    Raises
    ------
    NotBuiltYetError
        If the plan asks for something that is not there.
    StateError
        If what is to be repeated cannot be.
    CheckError, ParameterError
        If the plan does not fit what was recorded, or the values do not.
    """
    if plan.planned:
        raise NotBuiltYetError("this pipeline cannot run yet:\n" + "\n".join(plan.planned))
    if words := words_of_chains(plan):
        raise NotBuiltYetError(f"only the engine chains knows what this asks for: {'; '.join(words)}")
    given = dict(values or {})
    if resume is not None:
        if event_log is not None:
            raise StateError("the event log of a run that is resumed goes on where it is; leave event_log out")
        replay, run_id = resumable(resume, plan, started.ns), resume.run
    if replay is not None:
        if in_processes and not replay.store_name:
            raise StateError(f"the store of run {replay.run} is in this process alone; replay it inline")
        plan = replay.plan(plan) if resume is None else resumed_plan(replay, plan)
        trigger_maps = {**replay.maps, **(trigger_maps or {})}
        replay, given = replay.with_values(plan, given, started)
    return RunBasis(
        plan=plan,
        run_id=run_id,
        trigger_maps=trigger_maps or {},
        values=given,
        replay=replay,
        goes_on=resume is not None,
    )
