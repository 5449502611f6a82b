"""Show a pipeline with everything resolved and every default of the grammar filled in.

What it writes is a pipeline file again, with the same plan; arguments of elements that are left at their defaults
stand in comments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from inspect import Parameter
from typing import Any

from penstock.elements.signature import CodeKind, Signature
from penstock.elements.user_code import parameters_of, step_names
from penstock.pipeline.chains import chains_trouble
from penstock.pipeline.plan import AlarmPlan, Element, JoinPlan, Plan, SinkPlan, SourcePlan, StagePlan
from penstock.pipeline.processors import write_cpus
from penstock.pipeline.registry import PlannedTarget
from penstock.pipeline.spec import PipelineSpec, Record
from penstock.pipeline.thing import BARE
from penstock.pipeline.yaml_writer import Note, shown, write_yaml

__all__ = ["explain"]

_KIND: Mapping[str, CodeKind] = {"steps": "step", "map": "map", "reduce": "reduce"}


def explain(spec: PipelineSpec, plan: Plan) -> str:
    """Return a pipeline as a file.

    Parameters
    ----------
    spec
        What was written.
    plan
        Its plan.

    Raises
    ------
    CheckError
        If it holds what a file cannot say, such as an array given in Python.
    """
    tree: dict[str, Any] = {"name": plan.name, "beamtime": spec.beamtime, "store": spec.store}
    tree = {key: value for key, value in tree.items() if value is not None}
    tree["sources"] = {name: _source(source, spec) for name, source in plan.sources.items()}
    tree["events"] = {name: _event(plan, name) for name in spec.events}
    tree["stages"] = {name: _stage(plan.stages[name], spec) for name in spec.stages}
    tree["sinks"] = {name: _sink(plan.sinks[name]) for name in spec.sinks}
    if spec.serve is not None:
        tree["serve"] = {key: value for key, value in spec.serve.model_dump().items() if value is not None}
    if spec.control is not None:
        tree["control"] = spec.control.model_dump()
    if plan.logs is not None:
        tree["logs"] = asdict(plan.logs)
    if not chains_trouble(plan):
        tree["stop_s"] = plan.stop_s
    tree["alarms"] = {name: _alarm(alarm) for name, alarm in plan.alarms.items()}
    return write_yaml({key: value for key, value in tree.items() if value != {}})


def _source(source: SourcePlan, spec: PipelineSpec) -> dict[str, Any]:
    return {
        **_used(source.element, "source"),
        "record": _record(spec.sources[source.name].record),
        "when_full": source.when_full,
        **({"slots": source.slots} if source.slots else {}),
        "restarts": asdict(source.restarts),
    }


def _event(plan: Plan, name: str) -> dict[str, Any]:
    if name in plan.merges:
        return {"merge": plan.merges[name].streams}
    join: JoinPlan = plan.joins[name]
    by = {join.by: dict(join.options)}
    return {"join": join.streams, "by": by, "incomplete": join.incomplete, "wait_s": join.wait_s}


def _stage(stage: StagePlan, spec: PipelineSpec) -> dict[str, Any]:
    written = spec.stages[stage.name]
    inputs = dict(stage.inputs)
    tree: dict[str, Any] = {"from": inputs.get("", inputs)}
    if stage.prepare:
        tree["prepare"] = [_named(element, "step") for element in stage.prepare]
    things = [_named(element, _KIND[stage.kind]) for element in stage.elements]
    tree[stage.kind] = things if stage.kind == "steps" else things[0]
    if parameters := _parameters(stage):
        tree["parameters"] = parameters
    tree |= {
        "workers": _workers(stage),
        "run_in": stage.run_in,
        "order": stage.order,
        "when_full": stage.when_full,
        "on_error": stage.on_error,
        "tags": sorted(stage.tags),
        "record": _record(written.record),
        "deadline_s": stage.deadline_s,
        "trips": stage.trips,
        "retry_s": stage.retry_s,
        "restarts": asdict(stage.restarts),
    }
    if stage.kind == "map":
        tree["prefetch"] = stage.prefetch
    if stage.kind == "reduce":
        tree["checkpoint_s"] = stage.checkpoint_s
    if written.cpus is not None:
        tree["cpus"] = write_cpus(written.cpus)
    return tree if written.numa is None else tree | {"numa": written.numa}


def _workers(stage: StagePlan) -> Any:  # what YAML can hold
    limits = stage.limits
    if limits is None:
        return stage.workers
    return {"from": limits.least, "to": limits.most, "grow_s": limits.grow_s, "shrink_s": limits.shrink_s}


def _sink(sink: SinkPlan) -> dict[str, Any]:
    tree = {**_used(sink.element, "sink"), "from": f"{sink.input}.{sink.lane}" if sink.lane else sink.input}
    if sink.where is not None:
        tree["where"] = ".".join(sink.where)
    when = {"every_s": sink.every_s} if sink.when == "every" else sink.when
    return tree | {"when": when, "when_full": sink.when_full, "on_error": sink.on_error}


def _alarm(alarm: AlarmPlan) -> dict[str, Any]:
    rule = alarm.rule
    tree: dict[str, Any] = {"when": alarm.when, "for_s": rule.for_s, "level": rule.level}
    if alarm.until is not None:
        tree["until"] = alarm.until
    tree |= {"clear_s": rule.clear_s, "latch": rule.latch}
    if alarm.text is not None:
        tree["text"] = alarm.text
    return tree | ({"to": [_named(output, "sink") for output in alarm.outputs]} if alarm.outputs else {})


def _record(record: bool | Record) -> Any:
    return {"as": record.as_} if isinstance(record, Record) else record


def _used(element: Element, kind: CodeKind) -> dict[str, Any]:
    """Return an element with ``use``, because other keys stand beside it."""
    if BARE in element.arguments:
        return {element.name: element.arguments[BARE]}
    return {"use": element.name, **element.arguments, **_left_out(element, kind)}


def _named(element: Element, kind: CodeKind) -> Any:
    if BARE in element.arguments:
        return {element.name: element.arguments[BARE]}
    arguments = {**element.arguments, **_left_out(element, kind)}
    return {element.name: arguments} if arguments else element.name


def _left_out(element: Element, kind: CodeKind) -> dict[str, Note]:
    """Return the arguments that stay at their defaults, as comments; parameters are shown elsewhere."""
    if isinstance(element.target, PlannedTarget):
        return {}
    signature = Signature.of(element.target)
    defaults = {
        name: argument.default
        for name, argument in signature.given.items()
        if argument.default is not Parameter.empty
        and name not in element.arguments
        and name != "context"
        and (kind in ("source", "sink") or name not in signature.parameter_names)
    }
    return {f"# {name}": Note(f"{name}: {shown(default)}") for name, default in defaults.items()}


def _parameters(stage: StagePlan) -> dict[str, Any]:
    """Return the start values; those that stay at their defaults as comments."""
    if stage.kind != "steps":
        (element,) = stage.elements
        own = {name: value for name, value in stage.parameters.items() if "." not in name}
        return _of_steps(stage.prepare, stage.parameters) | _values(element, own)
    return _of_steps(stage.elements, stage.parameters)


def _of_steps(elements: Sequence[Element], parameters: Mapping[str, Any]) -> dict[str, Any]:
    names = step_names([element.name for element in elements])
    found: dict[str, Any] = {}
    for name, element in zip(names, elements, strict=True):
        prefix = f"{name}."
        own = {key[len(prefix) :]: value for key, value in parameters.items() if key.startswith(prefix)}
        if values := _values(element, own):
            found[name] = values
    # A mapping of nothing but comments would read back as null.
    return found if any(not isinstance(v, Note) for values in found.values() for v in values.values()) else {}


def _values(element: Element, given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = dict(given)
    if not isinstance(element.target, PlannedTarget):
        for parameter in parameters_of(element.target):
            if parameter.name not in given:
                found[f"# {parameter.name}"] = Note(
                    f"{parameter.name}: {shown(parameter.default)}{_unit(parameter.unit)}"
                )
    return found


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""
