"""Parameters read from signatures alone: the same addresses and values as when the user's code is made."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from penstock.core import Ledger
from penstock.core.timestamp import Timestamp
from penstock.errors import ParameterError
from penstock.pipeline import Map, Pipeline, Plan, Reduce, Source, Steps, Use
from penstock.pipeline.registry import PlannedTarget
from penstock.services.build import build
from penstock.services.declared import declared_parameters
from penstock.testing import engine_cases as cases
from tests.unit.services.plan_cases import EXAMPLES, Weighted, above, imports_undone, plan_of

NAMES = ["everything", *EXAMPLES]
STARTED = Timestamp(77)


@pytest.fixture(autouse=True)
def imports_end_here() -> Iterator[None]:
    with imports_undone():
        yield


def without_what_is_not_built(plan: Plan) -> Plan:
    """Leave out stages of a plan that could not be made, and sinks, which have no parameters."""
    stages = {
        name: stage
        for name, stage in plan.stages.items()
        if not any(isinstance(element.target, PlannedTarget) for element in stage.elements)
    }
    here = {*plan.sources, *plan.joins, *plan.merges, *stages}
    stages = {name: stage for name, stage in stages.items() if all(p.split(".")[0] in here for _, p in stage.inputs)}
    frames = cases.Frames
    sources = {
        name: replace(source, element=replace(source.element, target=frames, arguments={"n": 1}))
        for name, source in plan.sources.items()
    }
    return replace(plan, sources=sources, stages=stages, sinks={})


def made(plan: Plan, given: Mapping[str, Any]) -> Any:
    """Return the parameters as the inline engine has them, which makes all user code for that."""
    rooms = build(plan, Ledger(), lambda: 0, trigger_maps={}, values=given, contexts={}, started=STARTED)
    return rooms.parameters


def same(plan: Plan, given: Mapping[str, Any]) -> dict[str, Any]:
    found, _ = declared_parameters(plan, given, STARTED)
    inline = made(plan, given)
    assert [p.address for p in found] == [p.address for p in inline]
    assert dict(found.latest) == dict(inline.latest)
    assert [type(value) for value in found.latest.values()] == [type(value) for value in inline.latest.values()]
    assert found.history == inline.history
    return dict(found.latest)


@pytest.mark.parametrize("name", NAMES)
def test_the_parameters_of_a_plan_are_those_of_its_code(name: str) -> None:
    same(without_what_is_not_built(plan_of(name)), {})


def test_each_step_has_its_own() -> None:
    values = same(without_what_is_not_built(plan_of("everything")), {"fit.limit": 9})
    assert values == {
        "fit.gain": 2.5,
        "fit.name": "first",
        "fit.limit": 9,
        "watch.above.above": 1.0,
        "watch.above.field": "",
        "watch.above_2.above": 7.0,
        "watch.above_2.field": "x",
        "watch.above_3.above": 0.0,
        "watch.above_3.field": "",
    }


def pipeline(**stages: Any) -> Plan:
    return Pipeline(sources={"a": Source(cases.Frames, n=1)}, stages=stages).plan()


STAGES: dict[str, dict[str, Any]] = {
    "defaults": {"fit": Map(Weighted, source="a")},
    "among the arguments": {"fit": Map(Weighted, gain=3, name="x", source="a")},
    "beside them": {"fit": Map(Weighted, source="a", parameters={"gain": 4, "limit": 1})},
    "both": {"fit": Map(Weighted, name="x", source="a", parameters={"gain": 4})},
    "a function": {"fit": Map(above, source="a", parameters={"above": 2})},
    "steps of one name": {"fit": Steps(Use(above, above=1), Use(above), source="a")},
    "steps beside": {"fit": Steps("count", Use(above), source="a", parameters={"above": {"above": 2, "field": "z"}})},
    "many stages": {
        "one": Map(Weighted, source="a", parameters={"gain": 9}),
        "two": Steps(above, source="one"),
        "three": Reduce(cases.Sum, source="two"),
    },
    "none": {"watch": Steps("count", source="a")},
}


@pytest.mark.parametrize("name", STAGES)
def test_wherever_a_start_value_is_written_it_is_found(name: str) -> None:
    same(pipeline(**STAGES[name]), {})


def test_what_stands_beside_goes_before_what_stands_among_the_arguments() -> None:
    plan = pipeline(fit=Map(Weighted, source="a", parameters={"gain": 4.0}))
    (element,) = plan.stages["fit"].elements
    both = replace(plan.stages["fit"], elements=(replace(element, arguments={"gain": 3.0, "name": "x"}),))
    values = same(replace(plan, stages={"fit": both}), {})
    assert (values["fit.gain"], values["fit.name"]) == (4.0, "x")


@pytest.mark.parametrize("given", [{"gain": 8}, {"fit.gain": 8.0, "limit": 12}, {"fit.gain": 1}])
def test_what_is_given_for_the_run_goes_before_the_pipelines(given: dict[str, Any]) -> None:
    plan = pipeline(fit=Map(Weighted, source="a", parameters={"gain": 4, "limit": 2}))
    values = same(plan, given)
    assert values["fit.gain"] == next(value for name, value in given.items() if name.endswith("gain"))


def test_given_values_are_returned_by_whole_address_and_as_they_were_given() -> None:
    plan = pipeline(fit=Map(Weighted, source="a"), watch=Steps(Use(above), source="a"))
    _, own = declared_parameters(plan, {"gain": 8, "watch.field": "x"}, STARTED)
    assert own == {"fit.gain": 8, "watch.above.field": "x"}


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"gian": 8}, id="unknown"),
        pytest.param({"above": 1}, id="unclear"),
        pytest.param({"fit.gain": "many"}, id="of a wrong type"),
    ],
)
def test_what_is_refused_is_refused_in_the_same_words(given: dict[str, Any]) -> None:
    plan = pipeline(fit=Map(Weighted, source="a"), watch=Steps(Use(above), Use(above), source="a"))
    with pytest.raises(ParameterError) as declared:
        declared_parameters(plan, given, STARTED)
    with pytest.raises(ParameterError) as inline:
        made(plan, given)
    assert str(declared.value) == str(inline.value)


def test_no_code_of_users_is_made() -> None:
    class Fragile:
        def __init__(self, *, gain: float = 1.0) -> None:
            raise AssertionError("nobody makes this here")

    plan = pipeline(fit=Map(Weighted, source="a"))
    element = replace(plan.stages["fit"].elements[0], target=Fragile)
    fragile = replace(plan, stages={"fit": replace(plan.stages["fit"], elements=(element,))})
    found, _ = declared_parameters(fragile, {}, STARTED)
    assert dict(found.latest) == {"fit.gain": 1.0}
