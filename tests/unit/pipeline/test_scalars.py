"""The YAML 1.2 core schema, scalar by scalar."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.pipeline.scalars import resolve


@pytest.mark.parametrize(
    "text",
    [
        "on",
        "off",
        "yes",
        "No",
        "12:30",
        "2026-11-20",
        "1_000",
        "0b1",
        "1e",
        ".",
        "-",
        "1.2.3",
        "0o8",
        "0x",
        "+",
        "NaN",
        "inf",
        "tRue",
    ],
)
def test_text_stays_text(text: str) -> None:
    assert resolve(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("-7", -7),
        ("+7", 7),
        ("0o10", 8),
        ("0xff", 255),
        ("1e-3", 0.001),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1.5E+3", -1500.0),
        ("true", True),
        ("FALSE", False),
        ("", None),
        ("~", None),
        ("null", None),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
    ],
)
def test_what_is_no_text(text: str, value: object) -> None:
    found = resolve(text)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number_is_a_number() -> None:
    found = resolve(".NaN")
    assert isinstance(found, float)
    assert math.isnan(found)


@pytest.mark.parametrize("text", ["1e999", "-1e999", "9" * 5000])
def test_numbers_nobody_can_hold_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quote it for text"):
        resolve(text)


@given(st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_as_python_writes_them_come_back(number: float) -> None:
    assert resolve(repr(number)) == number
