"""Who is to take part in a run of processes: every member as it would be made now, and what one leaves for the next."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from penstock.core.restart_budget import RestartBudget
from penstock.elements.sink import RunFacts
from penstock.pipeline.plan import Plan
from penstock.services.event_files import EventFiles
from penstock.services.members import Member
from penstock.services.plan_orders import is_view_sink, sink_order, source_order, stage_order
from penstock.services.recorded_run import RecordedRun
from penstock.services.view_sinks import ViewSinks
from penstock.wire.values import decode_value

__all__ = ["Roster"]


class Roster:
    """Makes the members of one run; it starts nobody.

    Parameters
    ----------
    plan
        Of the run.
    sinks, kept
        Where reducers publish, and where stages keep events.
    facts
        Returns what a sink may know of the run.
    values
        Start values of parameters that go before the pipeline's, by address.
    contexts
        What user code keeps between runs, by stage; it stays the caller's, and is filled.
    beat_s
        How often at least a source says that it lives, in s.
    is_logged
        Whether there is an event log.
    replay
        The run that is replayed or goes on.
    """

    def __init__(
        self,
        plan: Plan,
        sinks: ViewSinks,
        kept: EventFiles,
        facts: Callable[[str], RunFacts],
        *,
        values: Mapping[str, Any],
        contexts: dict[str, list[dict[str, Any]]],
        beat_s: float,
        is_logged: bool = False,
        replay: RecordedRun | None = None,
    ) -> None:
        self._plan, self._sinks, self._kept, self._facts = plan, sinks, kept, facts
        self._values, self._contexts = values, contexts
        self._beat_s, self._is_logged, self._replay = beat_s, is_logged, replay

    def everybody(self) -> list[Member]:
        """Return all who take part from the beginning, sources first.

        Raises
        ------
        CheckError, ResultTypeError
            If something of somebody cannot be had in another process.
        """
        plan = self._plan
        found = [
            Member(
                name=name,
                of=name,
                role="source",
                order=source_order(plan, source, beat_s=self._beat_s),
                budget=RestartBudget(source.restarts),
            )
            for name, source in plan.sources.items()
        ]
        for name, stage in plan.stages.items():
            own = self._contexts.setdefault(name, [])
            own.extend({} for _ in range(stage.most_workers - len(own)))
            found += [self.worker(name, k) for k in range(stage.workers)]
        found += [
            Member(name=name, of=name, role="sink", order=sink_order(plan, sink, self._facts(name)))
            for name, sink in plan.sinks.items()
            if not is_view_sink(plan, sink)
        ]
        return found

    def worker(self, stage: str, index: int) -> Member:
        """Return one process of a stage, with what its predecessor has left."""
        plan = self._plan.stages[stage]
        contexts = self._contexts[stage]
        order = stage_order(
            self._plan,
            plan,
            index,
            values=self._values,
            context=contexts[index] if index < len(contexts) else {},
            is_logged=self._is_logged,
            recorded=self._replay,
        )
        fds: tuple[int, ...] = ()
        if plan.kind == "reduce":
            fds = self._sinks.publish(stage)
        elif plan.keeps_events:
            fds = (self._kept.file(stage),)
        cpus = plan.cpus[index % len(plan.cpus)] if plan.cpus else ()
        budget = RestartBudget(plan.restarts)
        return Member(name=order.name, of=stage, role=plan.kind, order=order, fds=fds, cpus=cpus, budget=budget)

    def keep(self, member: Member, context: msgspec.Raw) -> None:
        """Keep what a member leaves for the next of its name, in this run or another."""
        index = int(member.name.rpartition("-")[2]) if member.role not in ("source", "sink") else -1
        contexts = self._contexts.get(member.of, [])
        if 0 <= index < len(contexts):
            contexts[index].update(decode_value(memoryview(context)))
