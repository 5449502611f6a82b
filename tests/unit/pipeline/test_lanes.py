"""Lanes of results: which there are, who may read one, and what comes by it."""

import pytest

from penstock.pipeline.chains import chains_trouble, fused, inputs_of
from penstock.pipeline.explain import explain
from penstock.pipeline.graph import draw_text
from penstock.pipeline.lanes import origins
from penstock.pipeline.parallel import is_parallel
from penstock.pipeline.plan import Plan
from penstock.pipeline.receives import receives
from tests.unit.pipeline.conftest import Check

TEXT = """\
sources:
  a: {use: stins, connect: "tcp://127.0.0.1:5555"}
  b: {use: stins, connect: "tcp://127.0.0.1:5556"}
stages:
  rate: {from: {high: a, low: b}, map: count}
  again: {from: rate, map: count}
  one: {from: rate.high, map: count}
  total: {from: again, reduce: mine:Total}
  swapped: {from: {first: again.low, then: again.high}, steps: [count]}
sinks:
  alerts: {use: print, from: again.high}
"""


def plan_of(checked: Check, text: str = TEXT) -> Plan:
    found = checked(text)
    assert found.plan is not None, [str(problem) for problem in found.problems]
    return found.plan


def test_lanes_are_a_stages_own_or_those_its_input_carries(checked: Check) -> None:
    plan = plan_of(checked)
    assert not plan.planned
    producers = {name: stage.producers for name, stage in plan.stages.items()}
    assert producers == {
        "rate": {"high": "a", "low": "b"},
        "again": {"high": "rate", "low": "rate"},
        "one": {"": "rate.high"},
        "total": {"high": "again", "low": "again"},
        "swapped": {"first": "again.low", "then": "again.high"},
    }
    assert list(producers["again"]) == ["high", "low"]
    assert (plan.sinks["alerts"].input, plan.sinks["alerts"].lane) == ("again", "high")
    assert list(plan.stages) == ["rate", "again", "one", "total", "swapped"]


def test_lanes_are_told_drawn_and_explained(checked: Check) -> None:
    found = checked(TEXT)
    assert found.plan is not None
    words = receives(found.plan)
    assert words["one"] == "the value of each Result of rate that came by lane high"
    assert words["swapped"] == (
        "first: the value of each Result of again that came by lane low; "
        "then: the value of each Result of again that came by lane high"
    )
    assert all(name in draw_text(found.plan) for name in found.plan.stages)
    explained = explain(found.spec, found.plan)
    assert "from: rate.high" in explained
    assert plan_of(checked, explained) == found.plan


ITEMS = """\
sources:
  a: {numbers: {}}
  b: {numbers: {}}
stages:
  fit: {from: {high: a, low: b}, steps: [{every: {n: 2}}]}
  again: {from: fit, steps: [{every: {n: 2}}]}
  one: {from: fit.high, steps: [{every: {n: 2}}]}
sinks:
  shown: {use: print, from: one}
"""


def test_lanes_of_steps_run_as_chains_and_are_fused_with_nothing(checked: Check) -> None:
    found = checked(ITEMS)
    assert found.plan is not None, found.problems
    plan = found.plan
    assert chains_trouble(plan) == ""
    assert fused(plan) == [["a"], ["b"], ["fit"], ["again"], ["one"]]
    assert [is_parallel(plan.stages[name]) for name in ("fit", "again", "one")] == [True, True, False]
    assert inputs_of(plan, plan.stages["again"]) == [("high", "fit.high"), ("low", "fit.low")]
    assert inputs_of(plan, plan.sinks["shown"]) == [("", "one")]
    assert "high: a; low: b" in draw_text(plan)
    assert plan_of(checked, explain(found.spec, plan)) == plan


@pytest.mark.parametrize(
    ("before", "after", "where", "says", "remedy"),
    [
        ("from: rate.high,", "from: rate.hihg,", "stages.one.from", 'rate has no lane "hihg"', 'did you mean "high"?'),
        ("from: rate.high,", "from: rat.high,", "stages.one.from", 'there is no "rat"', 'did you mean "rate"?'),
        ("from: rate.high,", "from: a.high,", "stages.one.from", 'a has no lane "high"', "write from: a"),
        ("from: rate.high,", "from: total.high,", "stages.one.from", "a reducer, whose views only sinks read", ""),
        ("from: again.high", "from: total.high", "sinks.alerts.from", "views of total have no lanes", "from: total"),
        ("from: again.high", "from: one.high", "sinks.alerts.from", 'one has no lane "high"', "write from: one"),
        ("low: b}", "low: a}", "stages.rate.from.low", '"a" stands in two lanes', "in one of them"),
        (
            "first: again.low",
            "first: again",
            "stages.swapped.from.first",
            "first would mix the lanes high and low of again",
            "name one, first: again.high",
        ),
    ],
)
def test_a_wrong_lane_is_a_mistake(checked: Check, before: str, after: str, where: str, says: str, remedy: str) -> None:
    assert before in TEXT
    problem = next(p for p in checked(TEXT.replace(before, after)).of_level("error") if says in p.text)
    assert problem.where == where
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("written", "says", "remedy"),
    [
        ("[again.low, a]", '"again.low" would be one lane of again', 'name "again"; a stage or a sink may read'),
        ("[again.lwo, a]", '"again.lwo" would be one lane of again', 'name "again"'),
        ("[agian.low, a]", 'there is no "agian"', 'did you mean "again"?'),
        ("[total.low, a]", "a reducer, whose views only sinks read", "read from"),
    ],
)
def test_a_merge_takes_no_single_lanes(checked: Check, written: str, says: str, remedy: str) -> None:
    (problem,) = checked(f"{TEXT}events: {{both: {{merge: {written}}}}}\n").of_level("error")
    assert problem.where == "events.both.merge[0]"
    assert says in problem.text
    assert remedy in problem.remedy


STAGES = {
    "map": (("high", "one"), ("low", "both")),
    "again": (("", "map"),),
    "chosen": (("", "again.low"),),
}
GROUPS = {"one": ("a", "b"), "both": ("c", "one")}


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("a", {"a"}),
        ("one", {"one", "a", "b"}),
        ("map", {"one", "a", "b", "both", "c"}),
        ("map.high", {"one", "a", "b"}),
        ("again.high", {"one", "a", "b"}),
        ("again.low", {"both", "c", "one", "a", "b"}),
        ("chosen", {"both", "c", "one", "a", "b"}),
    ],
)
def test_what_comes_by_a_lane_has_its_origins(written: str, names: set[str]) -> None:
    assert origins(STAGES, GROUPS, written) == names
