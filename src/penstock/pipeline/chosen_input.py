"""What a sink with ``where`` reads: the events whose results choose, of which it may want one stream's messages."""

from penstock.pipeline.lanes import split_input
from penstock.pipeline.plan import Plan, SinkPlan

__all__ = ["chosen_input"]


def chosen_input(plan: Plan, sink: SinkPlan) -> tuple[str, str, str]:
    """Return what a sink reads, the stream of it that is wanted (empty: all), and why it cannot be chosen, if so.

    Results know the number of what they come of; so what is chosen must have the same numbers: the results' own stage,
    another one of the same events, these events themselves, or the messages in them.
    """
    assert sink.where is not None
    stage = sink.where[0]
    root, why = _root(plan, stage)
    if why:
        return sink.input, "", why
    if sink.lane:
        return sink.input, "", f"choosing from one lane of {sink.input} is not built yet"
    if sink.input in (stage, root):
        return sink.input, "", ""
    if root in plan.joins and sink.input in plan.joins[root].streams:
        return root, sink.input, ""
    if sink.input in plan.stages and _root(plan, sink.input) == (root, ""):
        return sink.input, "", ""
    return sink.input, "", f"{stage} works on {root}, whose numbers {sink.input} does not have; that is not built yet"


def _root(plan: Plan, name: str) -> tuple[str, str]:
    """Return the source or join behind a stage, and why that cannot be told, if so."""
    while name in plan.stages:
        stage = plan.stages[name]
        if stage.kind != "map":
            return "", f"choosing by results behind {name}, a stage of steps, is not built yet"
        if len(stage.inputs) != 1 or stage.carried_lanes != ("",):
            return "", f"choosing by results of {name}, which has lanes, is not built yet"
        name = split_input(stage.inputs[0][1])[0]
    if name in plan.merges:
        return "", f"choosing by results behind {name}, a merge, is not built yet"
    return name, ""
