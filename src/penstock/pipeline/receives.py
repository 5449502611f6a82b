"""What each stage and sink receives, in words, as ``penstock check`` shows it."""

from collections.abc import Mapping

from penstock.core.suggest import listed
from penstock.elements.item_source import is_item_source
from penstock.pipeline.lanes import split_input
from penstock.pipeline.plan import Plan, SinkPlan, StagePlan

__all__ = ["receives"]


def receives(plan: Plan) -> Mapping[str, str]:
    """Return by name what comes in.

    The words are those of the glossary: a Message from an instrument, an item as it is from a source of plain values,
    an Event from a join, the value of a Result from a map stage.
    """
    words = {name: _stage(plan, stage) for name, stage in plan.stages.items()}
    return words | {name: _sink(plan, sink) for name, sink in plan.sinks.items()}


def _stage(plan: Plan, stage: StagePlan) -> str:
    if len(stage.inputs) == 1 and not stage.inputs[0][0]:
        return _from(plan, stage.inputs[0][1])
    return "; ".join(f"{lane}: {_from(plan, producer)}" for lane, producer in stage.inputs)


def _sink(plan: Plan, sink: SinkPlan) -> str:
    text = _from(plan, f"{sink.input}.{sink.lane}" if sink.lane else sink.input)
    if sink.where is not None:
        text += f", where {'.'.join(sink.where)} is true"
    if sink.when in ("item", "end"):
        return text if sink.when == "item" else f"{text}, at the end"
    return f"{text}, {'at every change' if sink.when == 'change' else f'every {sink.every_s:g} s'}"


def _from(plan: Plan, written: str) -> str:
    name, lane = split_input(written)
    if lane:
        return f"{_from(plan, name)} that came by lane {lane}"
    if name in plan.sources:
        return f"each {'item' if is_item_source(plan.sources[name].element.target) else 'Message'} of {name}"
    if name in plan.joins:
        return f"each Event of {name} ({', '.join(plan.joins[name].streams)})"
    if name in plan.merges:
        return f"each item of {listed(plan.merges[name].streams, 'and')}, as they come"
    if name not in plan.stages:
        return f"what {name} gives"
    kind = plan.stages[name].kind
    if kind == "map":
        return f"the value of each Result of {name}"
    return f"the views of {name}" if kind == "reduce" else f"each item that {name} lets pass"
