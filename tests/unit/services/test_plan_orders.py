"""Orders: what every process needs of a plan, by name and value, and nothing of it lost on the way."""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core.map_reader import read_map
from penstock.core.timestamp import Timestamp
from penstock.core.trigger_map import TriggerMap
from penstock.elements.sink import RunFacts
from penstock.errors import CheckError, NotBuiltYetError
from penstock.pipeline.memory import slots_for
from penstock.pipeline.plan import Element, Plan
from penstock.pipeline.reference import resolve
from penstock.pipeline.registry import PlannedTarget
from penstock.services.element_orders import plain
from penstock.services.orders import BuilderOrder, ElementOrder, RoomOrder, SourceOrder
from penstock.services.plan_orders import (
    RESULT_SLOTS_BESIDE,
    builder_order,
    is_view_sink,
    sink_order,
    source_order,
    stage_order,
)
from penstock.services.settled_join import joined_plan, merged_plan
from penstock.testing import engine_cases
from penstock.wire.requests import decode_arguments, encode_arguments
from penstock.wire.values import decode_value
from tests.unit.services.plan_cases import EXAMPLES, above, imports_undone, plan_of

NAMES = ["everything", *EXAMPLES]
Order = SourceOrder | RoomOrder | BuilderOrder


@pytest.fixture(autouse=True)
def imports_end_here() -> Iterator[None]:
    with imports_undone():
        yield


def travelled(order: Any) -> Any:
    """Return an order as its process has it."""
    found = decode_arguments(encode_arguments(order), type(order))
    assert found == order
    return found


def same_element(order: ElementOrder, element: Element, folder: str) -> bool:
    arguments = decode_value(order.arguments)
    return (
        order.name == element.name
        and resolve(order.reference, Path(folder)) == element.target
        and arguments == dict(element.arguments)
        and [type(value) for value in arguments.values()] == [type(value) for value in element.arguments.values()]
    )


def is_built(*elements: Element) -> bool:
    return not any(isinstance(element.target, PlannedTarget) for element in elements)


@pytest.mark.parametrize("name", NAMES)
def test_a_source_is_ordered_as_planned(name: str) -> None:
    plan = plan_of(name)
    for source in plan.sources.values():
        if is_built(source.element):
            order = travelled(source_order(plan, source))
            assert same_element(order.element, source.element, order.folder)
            assert (order.name, order.folder, order.slots) == (source.name, plan.folder, slots_for(plan, source.name))
            assert order.drops == (source.when_full != "block")
            assert order.generation == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_process_of_a_stage_is_ordered_as_planned(name: str) -> None:
    plan = plan_of(name)
    for stage in plan.stages.values():
        if not is_built(*stage.elements):
            continue
        for index in (0, stage.workers - 1):
            given: Any = {"values": {"x": 3}, "context": {"k": [1]}, "is_logged": True}
            order = travelled(stage_order(plan, stage, index, **given))
            assert (order.name, order.stage, order.kind) == (f"{stage.name}-{index}", stage.name, stage.kind)
            assert all(map(same_element, order.elements, stage.elements, [order.folder] * len(stage.elements)))
            assert len(order.elements) == len(stage.elements)
            assert dict(order.producers) == stage.producers
            assert decode_value(order.parameters) == dict(stage.parameters)
            assert (decode_value(order.values), decode_value(order.context)) == ({"x": 3}, {"k": [1]})
            same = ("on_error", "trips", "checkpoint_s")
            assert [getattr(order, field) for field in same] == [getattr(stage, field) for field in same]
            assert order.result_slots == stage.prefetch + RESULT_SLOTS_BESIDE
            assert order.is_logged


@pytest.mark.parametrize("name", NAMES)
def test_the_event_builder_is_ordered_as_planned(name: str) -> None:
    plan = plan_of(name)
    order = travelled(built(plan))
    assert (order.pipeline, order.run, order.started_ns, order.silent_s) == (plan.name, "r", 7, 2.5)
    assert order.sources == tuple(plan.sources)
    assert [merged_plan(merge) for merge in order.merges] == list(plan.merges.values())
    for join, planned in zip(order.joins, plan.joins.values(), strict=True):
        options = {key: value for key, value in planned.options.items() if key not in ("map", "file", "rule")}
        assert joined_plan(join) == replace(planned, options=options)
    for stage, room in zip(order.stages, plan.stages.values(), strict=True):
        for field in ("name", "kind", "inputs", "workers", "order", "on_error", "prefetch", "trips"):
            assert getattr(stage, field) == getattr(room, field), field
        assert (dict(stage.producers), frozenset(stage.tags)) == (room.producers, room.tags)
        assert stage.deadline_s == room.deadline_s


def built(plan: Plan, **changes: Any) -> BuilderOrder:
    given: Any = {
        "run": "r", "started_ns": 7, "maps": {}, "silent_s": 2.5, "event_log": "", "parameters": {"fit.gain": 1},
        **changes,
    }  # fmt: skip
    return builder_order(plan, **given)


def test_only_sinks_of_items_have_a_process() -> None:
    plan = plan_of("everything")
    assert [is_view_sink(plan, sink) for sink in plan.sinks.values()] == [True, False]
    assert [(sink.name, sink.input) for sink in built(plan).sinks] == [("lines", "fit")]
    lanes = replace(plan, sinks={"one": replace(plan.sinks["lines"], name="one", input="total", lane="")})
    assert [is_view_sink(lanes, sink) for sink in lanes.sinks.values()] == [True]


def test_a_sink_of_one_lane_says_so() -> None:
    plan = plan_of("analyses")
    inputs = {sink.name: sink.input for sink in built(plan).sinks}
    assert inputs["rate_alerts"] == "rate.high"


def test_a_sink_is_told_of_the_run() -> None:
    plan = plan_of("everything")
    sink = plan.sinks["lines"]
    facts = RunFacts(pipeline="p", run="r", started=Timestamp(5), version="1", folder="/there", sink="lines")
    order = travelled(sink_order(plan, sink, facts))
    assert (order.name, order.stage, order.kind, order.producers) == ("lines", "lines", "sink", (("", "fit"),))
    assert same_element(order.elements[0], sink.element, order.folder)
    told = {
        "pipeline": "p",
        "run": "r",
        "started": 5,
        "version": "1",
        "folder": "/there",
        "sink": "lines",
        "goes_on": False,
        "input": "",
        "about": {},
    }
    assert decode_value(order.facts) == told


def test_maps_travel_as_tables() -> None:
    cells = [[{"constraint": k // 2}] for k in range(6)]
    found = read_map({"parts": {"main": {"a": cells, "b": cells}}, "sequence": ["main", "main"]})
    order = travelled(built(plan_of("everything"), maps={"scan": found}))
    again = TriggerMap.of_tables(decode_value(order.maps)["scan"])
    numbers = np.arange(12)
    assert (
        again.routes(numbers, ("a", "b")).constraint.tolist() == found.routes(numbers, ("a", "b")).constraint.tolist()
    )
    assert again.planned == found.planned == 12


def test_parameters_go_to_the_event_builder_only_for_its_log() -> None:
    plan = plan_of("everything")
    assert decode_value(built(plan).parameters) == {}
    logged = built(plan, event_log="/there/log")
    assert (logged.event_log, decode_value(logged.parameters)) == ("/there/log", {"fit.gain": 1})


class Colour(enum.Enum):
    RED = "red"


class Opaque:
    """What no other process could have."""


def with_arguments(arguments: Mapping[str, Any], where: str) -> Plan:
    """Return a plan whose source, stage and sink are given these."""
    plan = plan_of("everything")
    source, stage, sink = plan.sources["a"], plan.stages["fit"], plan.sinks["lines"]
    element = replace(stage.elements[0], arguments=arguments, where=where)
    return replace(
        plan,
        sources={"a": replace(source, element=replace(source.element, arguments=arguments, where=where))},
        stages={"fit": replace(stage, elements=(element,), parameters=arguments)},
        sinks={"lines": replace(sink, element=replace(sink.element, arguments=arguments, where=where))},
    )


def order_of(kind: str, plan: Plan, **changes: Any) -> Any:
    given: Any = {"values": {}, "context": {}, "is_logged": False, **changes}
    match kind:
        case "source":
            return source_order(plan, plan.sources["a"])
        case "stage":
            return stage_order(plan, plan.stages["fit"], 0, **given)
        case _:
            return sink_order(plan, plan.sinks["lines"], RunFacts(pipeline="p", run="r"))


ARGUMENTS = {
    "nothing": None,
    "numbers": [1, -(2**70), 2.5, 1j],
    "tuples": {"a": (1, ("b",)), "s": {3, 4}},
    "bytes": b"\x00",
    "array": np.arange(6.0).reshape(2, 3),
    "time": Timestamp(3),
}


@pytest.mark.parametrize("kind", ["source", "stage", "sink"])
def test_arguments_arrive_as_they_were_written(kind: str) -> None:
    order = travelled(order_of(kind, with_arguments(ARGUMENTS, "somewhere")))
    found = decode_value((order.element if kind == "source" else order.elements[0]).arguments)
    assert list(found) == list(ARGUMENTS)
    assert found.pop("array").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found == {name: value for name, value in ARGUMENTS.items() if name != "array"}


@pytest.mark.parametrize("kind", ["source", "stage", "sink"])
@pytest.mark.parametrize("where", ["stages.fit.map", ""])
def test_an_argument_that_cannot_travel_is_named_with_its_place(kind: str, where: str) -> None:
    plan = with_arguments({"deep": [{"k": Opaque()}]}, where)
    element = {"source": plan.sources["a"].element, "sink": plan.sinks["lines"].element}.get(
        kind, plan.stages["fit"].elements[0]
    )
    with pytest.raises(CheckError) as raised:
        order_of(kind, plan)
    (problem,) = raised.value.problems
    assert problem.where == (where or element.name)
    assert "an argument cannot travel to another process: " in problem.text
    assert "Opaque" in problem.text
    assert "run inline" in (problem.remedy or "")


def test_parameters_and_start_values_that_cannot_travel_are_named_too() -> None:
    plan = plan_of("everything")
    stage = replace(plan.stages["fit"], parameters={"gain": Opaque()})
    with pytest.raises(CheckError) as raised:
        order_of("stage", replace(plan, stages={"fit": stage}))
    assert raised.value.problems[0].where == "stages.fit.parameters"
    with pytest.raises(CheckError) as raised:
        order_of("stage", plan, values={"fit.gain": Opaque()})
    assert raised.value.problems[0].where == "the start values"


def test_a_context_that_cannot_travel_begins_anew() -> None:
    order = order_of("stage", plan_of("everything"), context={"socket": Opaque(), "n": 3})
    assert decode_value(order.context) == {}


def test_code_that_cannot_be_imported_again_is_refused() -> None:
    plan = plan_of("everything")
    element = Element(name="stage:<lambda>", target=lambda value: value, where="stages.fit.map")
    stage = replace(plan.stages["fit"], elements=(element,))
    with pytest.raises(CheckError, match=r"stages\.fit\.map: .*cannot be imported by that name"):
        order_of("stage", replace(plan, stages={"fit": stage}))


def test_values_become_as_they_would_be_written_in_a_file() -> None:
    given = {"colour": Colour.RED, "where": Path("a/b"), "many": (1, [Colour.RED]), "plain": {"x": 2.5}}
    assert plain(given) == {"colour": "red", "where": "a/b", "many": [1, ["red"]], "plain": {"x": 2.5}}


def test_code_that_is_not_built_has_no_order() -> None:
    plan = plan_of("branching")
    planned = Element(name="foresee", target=PlannedTarget("steps", "foresee"), where="stages.generate.steps[0]")
    stage = replace(plan.stages["generate"], elements=(planned,))
    assert not is_built(*stage.elements)
    with pytest.raises((CheckError, NotBuiltYetError)):
        order_of("stage", replace(plan, stages={"fit": stage}))


def test_a_builtin_and_code_of_ones_own_are_named_for_import() -> None:
    plan = plan_of("everything")
    assert source_order(plan, plan.sources["b"]).element.reference == f"{engine_cases.__name__}:Frames"
    watch = order_of("stage", replace(plan, stages={"fit": plan.stages["watch"]}))
    assert [element.reference for element in watch.elements] == [f"{above.__module__}:above"] * 3
