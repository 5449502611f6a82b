"""What numbers the items that a stage or a sink is given: joins, merges, sources, or steps that number anew."""

from collections.abc import Collection, Mapping

from penstock.pipeline.lanes import split_input
from penstock.pipeline.plan import Plan

__all__ = ["first_number", "roots_of"]


def first_number(plan: Plan, name: str) -> int:
    """Return with which number what an entry gives begins: 1 if it counts messages, 0 if it counts events."""
    if name in plan.stages:
        return first_number(plan, split_input(plan.stages[name].inputs[0][1])[0])
    if name in plan.merges:  # which numbers results of stages anew, as events
        streams = plan.merges[name].streams
        return int(all(each not in plan.stages and first_number(plan, each) for each in streams))
    return int(name in plan.sources)


def roots_of(plan: Plan, renumbering: Collection[str] = ()) -> Mapping[str, frozenset[str]]:
    """Return the joins, merges and sources behind every stage, or the stages that number what they give by themselves.

    Parameters
    ----------
    renumbering
        Such stages.
    """
    found: dict[str, frozenset[str]] = {}
    for name, stage in plan.stages.items():  # in the order of the flow
        producers = [split_input(written)[0] for _, written in stage.inputs]
        own = [
            frozenset([producer]) if producer not in found or producer in renumbering else found[producer]
            for producer in producers
        ]
        found[name] = frozenset().union(*own)
    return found
