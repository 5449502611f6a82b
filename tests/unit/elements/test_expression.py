"""Expressions: they mean what Python means by them, reach nothing else, and say where they are wrong."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.elements.expression import Expression
from penstock.testing import make_event, make_message

ITEM: dict[str, Any] = {
    "I0": 3, "x": -0.5, "name": "Fe", "µ": 2, "pseudo": {"x": 7, "deep": {"y": 1}}, "image": np.arange(6).reshape(2, 3),
    "hits": [{"E": 5}, {"E": 9}], "a b": 4, "item": 11, "min": 12, "nothing": None, "on": True,
}  # fmt: skip

NUMBERS = st.integers(-5, 5) | st.floats(-5, 5)
LEAVES = st.sampled_from(["a", "b", "c.d"]) | st.integers(0, 5).map(str) | st.floats(0, 5).map(str)
TEXTS = st.recursive(
    LEAVES,
    lambda inner: (
        st.tuples(
            inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "<", "<=", "==", "!=", "and", "or"]), inner
        ).map("({0[0]} {0[1]} {0[2]})".format)
        | st.sampled_from(["-%s", "not %s", "abs(%s)", "(1 if %s else 2)", "max(%s, 1)", "(%s in (0, 1))"]).flatmap(
            lambda form: inner.map(lambda text: f"({form % text})")
        )
    ),
    max_leaves=12,
)


@given(TEXTS, NUMBERS, NUMBERS, NUMBERS)
def test_it_means_what_python_means(text: str, a: float, b: float, d: float) -> None:
    def meant() -> Any:
        return eval(text, {"a": a, "b": b, "c": type("C", (), {"d": d})}), None  # noqa: S307  # text of our own

    try:
        expected, failure = meant()
    except (ArithmeticError, TypeError, ValueError) as error:
        expected, failure = None, error
    expression = Expression(text)
    for item in ({"a": a, "b": b, "c": {"d": d}}, make_message(a=a, b=b, c={"d": d})):
        if failure is None:
            assert expression(item) == expected or expected != expected
        else:
            with pytest.raises(ValueError, match="cannot be computed"):
                expression(item)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("I0 > 0 and abs(x) < 2", True),
        ("name == 'Fe' or name in ('Ni', 'Cu')", True),
        ("pseudo.x + pseudo.deep.y", 8),
        ("pseudo['deep'].y", 1),
        ("µ * 2", 4),
        ("image.sum", LookupError),
        ("sum(image) + max(image) + min(image) + len(image)", 22),
        ("max(I0, 10) + min(2, 1) + sum([1, 2])", 14),
        ("image[1, 2] + image[0, -1]", 7),
        ("sum(image[:, 1:])", 12),
        ("any(image > 4) and not all(image > 4)", True),
        ("hits[1].E", 9),
        ("item['a b'] + item.item + I0", 18),
        ("min + min(1, 2)", 13),
        ("nothing is None and I0 is not None", True),
        ("I0 if on else x", 3),
        ("0 < I0 <= 3", True),
        ("I0 & 1 | 4", 5),
        ("~I0 ^ 1", -3),
        ("round(sqrt(16) + log(1) + exp(0), 1)", 5.0),
        ("len(item)", len(ITEM)),
        ("\n  I0\n  + 1 ", 4),
        ("2 ** 10 % 1000", 24),
        ("{1, 2} == {2, 1}", True),
        ("I0 / 0", ValueError),
        ("name < 3", ValueError),
        ("hits[2].E", ValueError),
        ("log(0)", ValueError),
    ],
)
def test_what_can_be_written(text: str, value: Any) -> None:
    if isinstance(value, type):
        with pytest.raises(value):
            Expression(text)(ITEM)
    else:
        found = Expression(text)(ITEM)
        assert found == value
        assert type(found) is type(value) or isinstance(found, np.generic)


@dataclass
class Reading:
    I0: float


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (Reading(2.0), "I0 == 2"),
        (make_message([1, 2], I0=2), "I0 == 2 and sum(array) == 3"),
        (make_event(contrast={"I0": 2}), "contrast.I0 == 2"),
        (2.0, "I0 == 2 and item == 2"),
        (np.float32(2), "x == 2"),
        ([1, 2], "len(item) == 2 and item[0] == 1"),
        (np.array([(2.0,)], dtype=[("I0", "f8")]), "all(I0 == 2)"),
        (defaultdict(int, I0=2), "I0 == 2"),
    ],
)
def test_items_of_any_kind(item: Any, text: str) -> None:
    assert Expression(text, as_truth=True)(item) is True


def test_nothing_is_added_to_a_dictionary_that_makes_what_it_lacks() -> None:
    inner: dict[str, int] = defaultdict(int)
    for item in ({"a": inner}, inner):
        with pytest.raises(LookupError, match='no field "b"'):
            Expression("a.b" if "a" in item else "b")(item)
    assert not inner


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        ("I0 >", 5, "is no expression"),
        ("", None, "is empty"),
        ("I0 > open('x')", 6, r"open cannot be called; there are abs, all, any"),
        ("µ + open('x')", 5, "open cannot be called"),
        ("().__class__.__bases__[0].__subclasses__()", 1, "cannot be called"),
        ("(lambda: 1)()", 1, "cannot be called"),
        ("lambda: 1", 1, "lambda is not allowed"),
        ("[x for x in y]", 1, "a comprehension is not allowed"),
        ("f'{I0}'", 1, r"f\"…\" is not allowed"),
        ("{'a': 1}", 1, "a mapping is not allowed"),
        ("1 + (y := 2)", 6, ":= is not allowed"),
        ("b'bytes'", 1, "b'bytes' is not allowed"),
        ("3j", 1, "3j is not allowed"),
        ("...", 1, "Ellipsis is not allowed"),
        ("x is 3", 6, '"is" goes with None only'),
        ("1 << 9", 1, "not allowed"),
        ("min(*x)", 5, r"\* is not allowed"),
        ("round(x, ndigits=1)", 18, "arguments with names are not allowed"),
        ("await x", 1, "await is not allowed"),
        ("yield x", None, "is no expression"),
        ("x = 3", None, "is no expression"),
        ("1if x else 2", 1, "is no expression"),
        ("x" * 5000, None, "5000 characters"),
        ("(" * 500 + "1" + ")" * 500, None, "nested|no expression"),
    ],
)
def test_what_cannot_be_written_is_refused_with_its_place(text: str, at: int | None, says: str) -> None:
    with pytest.raises(ValueError, match=says) as raised:
        Expression(text)
    if at is not None:
        assert f"at character {at}: " in str(raised.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("I0 > I1", '"I0 > I1", at character 6: no field "I1" in this .*; there are I0'),
        ("I0 + pseudo.z", r'at character 13: no field "z" in this dict; there are x'),
        ("pseudo.x.y", r'at character 10: no field "y" in this int; there are none'),
        ("I0.__class__", 'at character 4: no field "__class__"'),
    ],
)
@pytest.mark.parametrize("made", [dict, make_message], ids=["dict", "message"])
def test_a_missing_field_is_an_error_with_its_place(text: str, says: str, made: Any) -> None:
    item = made(I0=[3], pseudo={"x": 1})
    with pytest.raises(LookupError, match=says):
        Expression(text)(item)


@pytest.mark.parametrize(
    "text", ["name * 10 ** 9", "10 ** 9 * [1]", "'%1000000000d' % 3", "9 ** 9 ** 9", "(-8) ** 0.5", "hits * 10"]
)
def test_what_would_fill_the_memory_or_leave_the_real_numbers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be computed"):
        Expression(text)(ITEM)


def test_an_array_is_neither_true_nor_false() -> None:
    assert Expression("image > 2")(ITEM).shape == (2, 3)
    with pytest.raises(ValueError, match=r"write any\(…\) or all\(…\)"):
        Expression("image > 2", as_truth=True)(ITEM)
    assert Expression("image[1] > 2 if any(image > 2) else 0")(ITEM).shape == (3,)


def test_logarithms_of_arrays_may_be_infinite() -> None:
    found = Expression("log(image)")(ITEM)
    assert found[0, 0] == -np.inf
