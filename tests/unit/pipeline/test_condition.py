"""Conditions of alarms: what they read, and what they come to where something is not known."""

from typing import Any

import pytest

from penstock.core import NS_PER_S
from penstock.pipeline.condition import Condition

KNOWN = {"fit": {"in_per_s": 0.5, "last": {"chi2": 7.0, "bad": float("nan")}}, "no-beam": {"state": "fault"}}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("fit.in_per_s < 1", True),
        ("fit.in_per_s > 1", False),
        ("not fit.in_per_s > 1", True),
        ("fit.last.chi2 / 2 > 3 and fit.in_per_s < 1", True),
        ('no-beam.state == "fault"', True),
        ("absent(fit.last.chi2)", False),
        ("absent(fit.last.other)", True),
        ("absent(fit.last.bad)", True),
        ("fit.last.other > 1", None),
        ("not fit.last.other > 1", None),
        ("fit.last.other > 1 or fit.in_per_s < 1", True),
        ("fit.last.other > 1 or fit.in_per_s > 1", None),
        ("fit.last.other > 1 and fit.in_per_s > 1", False),
        ("fit.last.other > 1 and fit.in_per_s < 1", None),
        ("rate(fit.last.chi2) > 1", None),
    ],
)
def test_what_it_comes_to(text: str, wanted: bool | None) -> None:
    assert Condition(text, KNOWN).look(KNOWN, 0) is wanted


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("fit.in_per_s < 1", [("fit", "in_per_s")]),
        ("absent(a.last.x) or rate(a.b, 5) > a.b", [("a", "last", "x"), ("a", "b")]),
        ('item["no beam"].loss > 0', [("no beam", "loss")]),
        ("no-beam.loss > fit.loss", [("no-beam", "loss"), ("fit", "loss")]),
        ("max(a.b, c.d) > 2", [("a", "b"), ("c", "d")]),
    ],
)
def test_it_knows_what_it_reads(text: str, names: list[tuple[str, ...]]) -> None:
    assert list(Condition(text, ["no-beam"]).names) == names


def test_a_rate_is_that_of_the_time_it_says() -> None:
    condition = Condition("rate(a.n, 10) > 2")

    def look(at_s: float, value: Any) -> bool | None:
        return condition.look({"a": {"n": value}}, round(at_s * NS_PER_S))

    assert look(0, 0) is None
    assert look(5, 5) is False
    assert look(10, 40) is True  # 4 a second
    assert look(15, 40) is True  # 35 within the last 10
    assert look(25, 40) is False
    assert look(26, None) is None


def test_it_says_what_it_has_read() -> None:
    condition = Condition("fit.in_per_s < 1 and fit.last.chi2 > 5")
    condition.look(KNOWN, 0)
    assert condition.said() == "fit.in_per_s = 0.5, fit.last.chi2 = 7"
    assert condition.not_known == []


def test_it_says_what_it_does_not_know() -> None:
    condition = Condition("fit.last.chi > 1 or fit.in_per_s < 0")
    condition.look(KNOWN, 0)
    assert condition.not_known == ["fit.last.chi"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.b <", "at character 6"),
        ("absent(a.b, c)", "absent takes one value"),
        ("rate()", "rate takes a value and over how many s"),
        ("rate(a.b, -1) > 2", "rate takes a value and over how many s"),
        ("open('x')", "open cannot be called"),
        ("rate(a.b) > open(2)", "at character 13: open cannot be called"),
        ("", "this one is empty"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Condition(text)
