"""From a plan to what each process is to be: everything by name and by value, nothing that lives in this process."""

from collections.abc import Mapping
from typing import Any

from penstock.core.trigger_map import TriggerMap
from penstock.elements.sink import RunFacts
from penstock.errors import ResultTypeError
from penstock.pipeline.chosen_input import chosen_input
from penstock.pipeline.memory import has_too_few_slots, slots_for, small_slots_for, waiting_slots
from penstock.pipeline.plan import Plan, SinkPlan, SourcePlan, StagePlan
from penstock.services.element_orders import element_order, encoded, plain
from penstock.services.orders import (
    BuilderOrder,
    JoinOrder,
    MergeOrder,
    RecordOrder,
    ReplayOrder,
    RoomOrder,
    SinkOrder,
    SourceOrder,
    StageOrder,
)
from penstock.services.recorded_run import RecordedRun, repeats_ranges
from penstock.services.recording import log_address, stream_address
from penstock.services.resumed_run import missed_until
from penstock.services.roots import first_number
from penstock.wire.values import encode_value

__all__ = ["builder_order", "is_view_sink", "sink_order", "source_order", "stage_order"]

RESULT_SLOTS_BESIDE = 4
"""Result slots a worker has beside one for each lease it may have: the reducer folds some and keeps one."""


def is_view_sink(plan: Plan, sink: SinkPlan) -> bool:
    """Whether a sink writes a reducer's views, which the supervisor does."""
    stage = plan.stages.get(sink.input)
    return stage is not None and stage.kind == "reduce"


def source_order(plan: Plan, source: SourcePlan, *, beat_s: float = 1.0) -> SourceOrder:
    """Return what a source's process is to be."""
    return SourceOrder(
        name=source.name,
        element=element_order(source.element, plan.folder),
        folder=plan.folder,
        slots=slots_for(plan, source.name),
        small_slots=small_slots_for(plan, source.name),
        drops=source.when_full != "block",
        beat_s=beat_s,
        before=None if source.before is None else element_order(source.before, plan.folder),
        pipeline=plan.name,
    )


def stage_order(
    plan: Plan,
    stage: StagePlan,
    index: int,
    *,
    values: Mapping[str, Any],
    context: Mapping[str, Any],
    is_logged: bool,
    recorded: RecordedRun | None = None,
) -> RoomOrder:
    """Return what one process of a stage is to be.

    Parameters
    ----------
    index
        Which of the workers.
    values
        Start values that go before the pipeline's, by address.
    context
        What an earlier run left.
    recorded
        The run that is replayed or goes on.
    """
    name = f"{stage.name}-{index}"
    ticks = [] if recorded is None else recorded.ticks_for(stage.name)
    return RoomOrder(
        name=name,
        stage=stage.name,
        kind=stage.kind,
        elements=tuple(element_order(element, plan.folder) for element in stage.elements),
        prepare=tuple(element_order(element, plan.folder) for element in stage.prepare),
        folder=plan.folder,
        producers=tuple(stage.producers.items()),
        on_error=stage.on_error,
        trips=stage.trips,
        retry_s=stage.retry_s,
        parameters=encoded(plain(stage.parameters), f"stages.{stage.name}.parameters"),
        values=encoded(plain(values), "the start values"),
        context=_encoded_context(context),
        result_slots=stage.prefetch + RESULT_SLOTS_BESIDE,
        checkpoint_s=stage.checkpoint_s,
        is_logged=is_logged,
        repeats_ticks=recorded is not None,
        ticks=tuple((tick.now_ns, tick.after, tick.flags, tick.step) for tick in ticks if tick.worker == name),
        clock_from=None if recorded is None else recorded.clock_from(stage.name),
        first_number=first_number(plan, stage.name) if stage.kind == "steps" else 1,
    )


def sink_order(plan: Plan, sink: SinkPlan, facts: RunFacts) -> RoomOrder:
    """Return what the process of a sink of items is to be."""
    told = {
        "pipeline": facts.pipeline,
        "run": facts.run,
        "started": facts.started.ns,
        "version": facts.version,
        "folder": facts.folder,
        "sink": facts.sink,
        "goes_on": facts.goes_on,
        "input": facts.input,
        "about": dict(facts.about),
    }
    return RoomOrder(
        name=sink.name,
        stage=sink.name,
        kind="sink",
        elements=(element_order(sink.element, plan.folder),),
        folder=plan.folder,
        producers=((sink.lane, sink.input),),
        choose=("", "", "") if sink.where is None else (*sink.where, chosen_input(plan, sink)[1]),
        facts=encode_value(told),
    )


def builder_order(
    plan: Plan,
    *,
    run: str,
    started_ns: int,
    maps: Mapping[str, TriggerMap],
    silent_s: float,
    event_log: str,
    parameters: Mapping[str, Any],
    beat_s: float = 1.0,
    replay: RecordedRun | None = None,
    is_held: bool = False,
) -> BuilderOrder:
    """Return what the event builder is to be."""
    return BuilderOrder(
        pipeline=plan.name,
        run=run,
        started_ns=started_ns,
        sources=tuple(plan.sources),
        joins=tuple(
            JoinOrder(
                name=join.name,
                streams=join.streams,
                by=join.by,
                options=encode_value({k: v for k, v in join.options.items() if k not in ("map", "file", "rule")}),
                incomplete=join.incomplete,
                wait_s=join.wait_s,
            )
            for join in plan.joins.values()
        ),
        merges=tuple(MergeOrder(name=merge.name, streams=merge.streams) for merge in plan.merges.values()),
        stages=tuple(_stage(plan, stage, is_replay=replay is not None) for stage in plan.stages.values()),
        sinks=tuple(
            SinkOrder(
                name=sink.name,
                input=_input(plan, sink),
                chooses_by="" if sink.where is None else sink.where[0],
                takes_blocks=sink.takes_blocks,
                takes_flows=sink.takes_flows,
                is_recorder=sink.is_recorder,
                is_repeatable=sink.is_repeatable,
            )
            for sink in plan.sinks.values()
            if not is_view_sink(plan, sink)
        ),
        maps=encode_value({name: found.tables() for name, found in maps.items()}),
        silent_s=silent_s,
        event_log=event_log,
        beat_s=beat_s,
        parameters=encode_value(plain(parameters)) if event_log or plan.is_recorded else b"\x80",
        record=_record_order(plan, run) if plan.is_recorded else None,
        replay=None if replay is None else _replay_order(replay),
        is_held=is_held,
    )


def _input(plan: Plan, sink: SinkPlan) -> str:
    if sink.where is not None:
        return chosen_input(plan, sink)[0]
    return f"{sink.input}.{sink.lane}" if sink.lane else sink.input


def _record_order(plan: Plan, run: str) -> RecordOrder:
    return RecordOrder(
        store=plan.store,
        folder=plan.folder,
        log=str(log_address(plan.beamtime, run)),
        sources=tuple(
            (name, str(stream_address(plan, name, run))) for name, source in plan.sources.items() if source.record
        ),
    )


def _replay_order(recorded: RecordedRun) -> ReplayOrder:
    return ReplayOrder(
        first=recorded.first,
        cut_off=recorded.cut_off,
        changes=tuple(
            (change.revision, change.first, dict(change.stages), encode_value(dict(change.values)))
            for change in recorded.changes
        ),
        missed=None if recorded.resumed is None else dict(missed_until(recorded)),
    )


def _stage(plan: Plan, stage: StagePlan, *, is_replay: bool) -> StageOrder:
    return StageOrder(
        name=stage.name,
        kind=stage.kind,
        inputs=stage.inputs,
        producers=tuple(stage.producers.items()),
        workers=stage.workers,
        limits=stage.limits,
        order=stage.order,
        on_error=stage.on_error,
        tags=tuple(sorted(stage.tags)),
        prefetch=stage.prefetch,
        trips=stage.trips,
        deadline_s=stage.deadline_s,
        repeats_ranges=is_replay and repeats_ranges(stage),
        gives_way=stage.keeps_events,
        may_wait=0 if has_too_few_slots(plan) else waiting_slots(stage),
    )


def _encoded_context(context: Mapping[str, Any]) -> bytes:
    try:
        return encode_value(dict(context))
    except ResultTypeError:  # it was of use in the process that had it
        return b"\x80"
