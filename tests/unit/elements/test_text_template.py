"""Texts with fields: what is filled in, and what is no template."""

from typing import Any

import pytest

from penstock.elements.text_template import TextTemplate
from penstock.testing import make_message


@pytest.mark.parametrize(
    ("text", "item", "filled"),
    [
        ("{}", 7, "7"),
        ("{I0:.2f} A", {"I0": 0.5}, "0.50 A"),
        ("{pseudo.x}/{y}", {"pseudo": {"x": 1}, "y": 2}, "1/2"),
        ("{{{a}}}", {"a": "{b}"}, "{{b}}"),
        ("{I0}", make_message(I0=3), "3"),
        ("no field", None, "no field"),
        ("", None, ""),
    ],
)
def test_filling(text: str, item: Any, filled: str) -> None:
    assert TextTemplate(text).fill(item) == filled


def test_values_are_shown_as_somebody_wants() -> None:
    assert TextTemplate("a {x} a").fill({"x": "a"}, str.upper) == "a A a"


@pytest.mark.parametrize("text", ["{a", "a}", "{a!r}", "{a[0]}", "{a:{b}}"])
def test_what_is_no_template(text: str) -> None:
    with pytest.raises(ValueError, match=r"write \{\{ and|write \{field\}"):
        TextTemplate(text)


def test_a_field_that_is_not_there_and_one_without_the_format() -> None:
    with pytest.raises(LookupError, match='no field "b" in this dict; there are a'):
        TextTemplate("{b}").fill({"a": 1})
    with pytest.raises(ValueError, match=r"'x' cannot be written as \{a:.2f\}"):
        TextTemplate("{a:.2f}").fill({"a": "x"})


def test_a_field_gives_away_nothing_of_python() -> None:
    with pytest.raises(LookupError, match='no field "__class__"'):
        TextTemplate("{__class__.__mro__}").fill({"a": 1})


def test_what_it_is_like() -> None:
    assert TextTemplate("{a}b").begins_with_field
    assert not TextTemplate("b{a}").begins_with_field
    assert TextTemplate("b{a}").has_fields
    assert not TextTemplate("{{a}}").has_fields
