"""Whether a plan consists of nothing but chains of plain values, which one process can run fused."""

from penstock.elements.item_source import is_item_source
from penstock.pipeline.plan import Plan

__all__ = ["chains_trouble"]


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
