"""Whether a plan consists of nothing but chains of plain values, which one process can run, and what of it is fused."""

from collections.abc import Mapping
from typing import Final

from penstock.elements.item_source import is_item_source
from penstock.pipeline.plan import Plan, SinkPlan, StagePlan

__all__ = ["CAPACITY", "chains_trouble", "fused", "is_fused", "readers_of", "streams_of"]

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
        if len(stage.inputs) > 1 or stage.inputs[0][0]:
            return f"{stage.name} has lanes"
    for sink in plan.sinks.values():
        if sink.takes_blocks or sink.when != "item":
            return f"{sink.name} takes no single items"
    return ""


def readers_of(plan: Plan) -> Mapping[str, list[StagePlan | SinkPlan]]:
    """Return who reads from each source and stage, through merges too."""
    readers: dict[str, list[StagePlan | SinkPlan]] = {name: [] for name in (*plan.sources, *plan.stages)}
    consumers: list[tuple[str, StagePlan | SinkPlan]] = [(s.inputs[0][1], s) for s in plan.stages.values()]
    consumers += [(sink.input, sink) for sink in plan.sinks.values()]
    for written, consumer in consumers:
        for producer in streams_of(plan, written):
            readers[producer].append(consumer)
    return readers


def streams_of(plan: Plan, written: str) -> list[str]:
    """Return the sources and stages behind a name: itself, or all that a merge interleaves."""
    if written not in plan.merges:
        return [written]
    return [found for stream in plan.merges[written].streams for found in streams_of(plan, stream)]


def is_fused(plan: Plan, stage: StagePlan) -> bool:
    """Whether a stage's steps follow those of what it reads, without an edge: nobody else reads that."""
    producer = stage.inputs[0][1]
    readers = [other for other in plan.stages.values() if other.inputs[0][1] == producer]
    is_only = producer not in plan.merges and len(readers) == 1 and not _is_merged(plan, producer)
    return is_only and stage.run_in == "inline" and stage.workers == 1 and stage.when_full == "block"


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
