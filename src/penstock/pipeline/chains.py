"""Whether a plan consists of nothing but chains of plain values, which one process can run, and what of it is fused."""

from collections.abc import Mapping
from inspect import isclass
from typing import Final

from penstock.elements.item_source import is_item_source
from penstock.elements.shape import StepShape, shape_of
from penstock.elements.signature import Signature
from penstock.pipeline.lanes import split_input
from penstock.pipeline.plan import Element, Plan, SinkPlan, StagePlan
from penstock.pipeline.registry import PlannedTarget

__all__ = [
    "CAPACITY",
    "chains_trouble",
    "fused",
    "has_lanes",
    "inputs_of",
    "is_fused",
    "known_shape",
    "lanes_by",
    "readers_of",
    "reads",
    "streams_of",
]

CAPACITY: Final = 1000
"""Items that wait on an edge at most."""


def chains_trouble(plan: Plan) -> str:
    """Return what in a plan is no chain of plain values; empty if everything is."""
    if plan.joins:
        return f"{next(iter(plan.joins))} makes events"
    for source in plan.sources.values():
        if not is_item_source(source.element.target):
            return f"{source.name} is an instrument"
        if source.record:
            return f"{source.name} is recorded"
    for stage in plan.stages.values():
        if stage.kind != "steps":
            return f"{stage.name} has workers or a reducer"
        if stage.record:
            return f"{stage.name} is recorded"
        if has_lanes(stage) and (kept := next(filter(_needs_all_items, stage.elements), None)):
            return f"{stage.name} has lanes, and {kept.name} is given all items, not one by one"
    for sink in plan.sinks.values():
        if sink.takes_blocks or sink.when != "item":
            return f"{sink.name} takes no single items"
        if sink.where is not None:
            return f"{sink.name} chooses by results"
    return ""


def has_lanes(stage: StagePlan) -> bool:
    """Whether what a stage gives comes by lanes: its own, or those that its input carries."""
    return "" not in stage.producers


def lanes_by(plan: Plan, written: str) -> tuple[str, ...]:
    """Return the lanes by which something comes of a name, from high to low; none of one lane, or of a merge."""
    stage = plan.stages.get(written)
    return tuple(stage.producers) if stage is not None and has_lanes(stage) else ()


def inputs_of(plan: Plan, consumer: StagePlan | SinkPlan) -> list[tuple[str, str]]:
    """Return (lane, what is read) from high to low; of what carries lanes ``stage.lane`` each, elsewhere one of ''."""
    if isinstance(consumer, StagePlan) and consumer.inputs[0][0]:
        return list(consumer.inputs)
    if isinstance(consumer, StagePlan):
        written = consumer.inputs[0][1]
    else:
        written = f"{consumer.input}.{consumer.lane}" if consumer.lane else consumer.input
    lanes = lanes_by(plan, written)
    return [(lane, f"{written}.{lane}") for lane in lanes] if lanes else [("", written)]


def readers_of(plan: Plan) -> Mapping[str, list[StagePlan | SinkPlan]]:
    """Return who reads from each source and stage, through merges too."""
    consumers: list[StagePlan | SinkPlan] = [*plan.stages.values(), *plan.sinks.values()]
    return {
        producer: [
            consumer
            for consumer in consumers
            if any(producer in streams_of(plan, split_input(written)[0]) for _, written in inputs_of(plan, consumer))
        ]
        for producer in (*plan.sources, *plan.stages)
    }


def reads(plan: Plan, written: str, producer: str, lane: str) -> bool:
    """Whether what a producer gives by a lane, or without any, comes by a name."""
    name, only = split_input(written)
    return producer in streams_of(plan, name) and only in ("", lane)


def streams_of(plan: Plan, written: str) -> list[str]:
    """Return the sources and stages behind a name: itself, or all that a merge interleaves."""
    if written not in plan.merges:
        return [written]
    return [found for stream in plan.merges[written].streams for found in streams_of(plan, stream)]


def is_fused(plan: Plan, stage: StagePlan) -> bool:
    """Whether a stage's steps follow those of what it reads, without an edge: nobody else reads that."""
    producer, lane = split_input(stage.inputs[0][1])
    if lane or has_lanes(stage):
        return False
    readers = [s for s in plan.stages.values() if any(read == producer for _, read in s.inputs)]
    is_only = producer not in plan.merges and len(readers) == 1 and not _is_merged(plan, producer)
    return is_only and stage.run_in == "inline" and stage.most_workers == 1 and stage.when_full == "block"


def fused(plan: Plan) -> list[list[str]]:
    """Return the sources and stages of a plan of chains, those together that are fused, in the order of the flow."""
    found: dict[str, list[str]] = {name: [name] for name in plan.sources}
    for name, stage in plan.stages.items():
        if is_fused(plan, stage):
            first = next(names for names in found.values() if names[-1] == stage.inputs[0][1])
            first.append(name)
        else:
            found[name] = [name]
    return list(found.values())


def _is_merged(plan: Plan, producer: str) -> bool:
    return any(producer in merge.streams for merge in plan.merges.values())


def known_shape(element: Element) -> StepShape | None:
    """Return the shape of a step as far as it is known before it is made; of what a factory makes nothing is."""
    target: object = element.target
    if isinstance(target, PlannedTarget):
        return None
    if isclass(target):
        return shape_of(target)
    if not callable(target) or not Signature.of(target).items("step", dict(element.arguments)):
        return None
    return shape_of(target)


def _needs_all_items(element: Element) -> bool:
    shape = known_shape(element)
    return shape is not None and (shape.takes_upstream or shape is StepShape.BUFFER)
