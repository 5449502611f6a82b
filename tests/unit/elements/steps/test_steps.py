"""The small steps, by hand and as a pipeline binds them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from penstock.core.result import Result
from penstock.elements.item_field import field_names, field_of
from penstock.elements.steps.count import Count
from penstock.elements.steps.print import Print
from penstock.elements.steps.threshold import Threshold
from penstock.elements.user_code import Step, problems_of
from penstock.errors import UserCodeError
from penstock.testing import make_event, make_message


@dataclass
class Reading:
    I0: float


RECORD = np.array([(0.5, 1)], dtype=[("I0", "f8"), ("n", "i4")])


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"I0": 0.5}, "I0"),
        ({"a": {"b": np.array([0.5])}}, "a.b"),
        (Reading(0.5), "I0"),
        (make_message(I0=0.5), "I0"),
        (make_message(RECORD), "I0"),
        (make_message([0.5]), "array"),
        (make_event(contrast={"I0": 0.5}), "contrast.I0"),
        (Result(3, {"I0": 0.5}), "I0"),
        (RECORD, "I0"),
        (0.5, ""),
        (np.float32(0.5), "I0"),
    ],
)
def test_a_field_of_whatever_comes(item: Any, field: str) -> None:
    assert Threshold(field, above=0.4)(item) is item
    assert Threshold(field, above=0.6)(item) is None


@pytest.mark.parametrize(
    ("limits", "passing"),
    [({"above": 1}, [2, 3]), ({"below": 2}, [0, 1]), ({"above": 0, "below": 3}, [1, 2])],
)
def test_limits_do_not_pass(limits: dict[str, float], passing: list[int]) -> None:
    threshold = Threshold(**limits)  # type: ignore[arg-type]  # limits only
    assert [value for value in range(4) if threshold(value) is not None] == passing
    assert threshold(float("nan")) is None


def test_a_missing_field_lists_those_there_are() -> None:
    with pytest.raises(LookupError, match='no field "I1" in this Message; there are I0, exptime'):
        Threshold("I1", above=0)(make_message(I0=1, exptime=2))
    with pytest.raises(LookupError, match=r'no field "z" in "pseudo\.z" in this Message; there are x, y'):
        field_of(make_message(pseudo={"x": 1, "y": 2}), "pseudo.z")
    assert field_names(make_message([1], key=4))[0] == "array"


@pytest.mark.parametrize(("value", "text"), [("5", "not a number"), ([1, 2], r"shape \(2,\), not one number")])
def test_what_is_not_one_number(value: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Threshold("I0", above=0)({"I0": value})


@pytest.mark.parametrize("limits", [{}, {"above": 3, "below": 3}])
def test_a_threshold_nothing_can_pass(limits: dict[str, Any]) -> None:
    with pytest.raises(UserCodeError, match=r"threshold needs a limit|nothing is above"):
        Step(Threshold, {"field": "I0", **limits})


def test_limits_are_parameters() -> None:
    step = Step(Threshold, {"field": "I0", "above": 0}, stage="watch", step="threshold")
    assert [parameter.address for parameter in step.parameters] == ["watch.threshold.above", "watch.threshold.below"]
    assert step.call(1) == 1
    assert step.apply({"watch.threshold.above": 2.0}, 1)(1) is None
    assert problems_of("step", Threshold, {"field": "I0", "above": 0}) == []
    assert problems_of("step", Threshold, {"field": "I0", "above": "0"})


def test_counting() -> None:
    count = Count()
    assert [count(item) for item in ("a", 2.5, [1, 2], (), "b")] == [1, 2, 2, 0, 3]


def test_printing(capsys: pytest.CaptureFixture[str]) -> None:
    item = {"a": 1}
    assert Print("item: ")(item) is item
    assert capsys.readouterr().out == "item: {'a': 1}\n"
