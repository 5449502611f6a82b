"""Values and names as Tango can say them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from penstock.elements.tango_form import Form, Kind, attribute_names, empty, form_of, in_latin, is_same, said_as

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
LISTS = (
    st.lists(st.floats()) | st.lists(st.integers(-(2**63), 2**63 - 1)) | st.lists(st.booleans()) | st.lists(st.text())
)
ARRAYS = arrays.arrays(
    st.sampled_from([np.dtype(kind) for kind in ("?", "i1", "u2", "u8", "i8", "f4", "f8", "c8", "U3", "M8[s]")]),
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)


@given(SCALARS | LISTS | ARRAYS | st.dictionaries(st.text(), SCALARS))
def test_whatever_has_a_form_can_be_said_in_it_and_nothing_else_has_one(value: Any) -> None:
    form = form_of("it", value)
    if form is None:
        assert value is None or isinstance(value, dict) or np.asarray(value).dtype.kind in "cMO" or np.ndim(value) > 2
        return
    said = said_as(form, value)
    if said is None:  # what 64 bits do not hold, and an image without pixels
        large = not isinstance(value, str) and np.size(value) and np.asarray(value, object).max() >= 2**63
        small = isinstance(value, int) and value < -(2**63)
        assert large or small or not np.size(value)
    else:
        assert is_same(said, said_as(form, value))
        assert np.shape(said) == np.shape(value) or not np.size(value)


@given(st.text())
def test_all_text_can_be_carried_and_what_can_stays(text: str) -> None:
    said = in_latin(text)
    assert said.encode("latin-1").decode("latin-1") == said
    assert "\0" not in said
    assert in_latin(said) == said


@given(st.lists(st.text(max_size=5), max_size=8), st.lists(st.sampled_from(["State", "run", "a"])))
def test_no_two_attributes_have_one_name(texts: list[str], taken: list[str]) -> None:
    names = attribute_names(texts, taken)
    lower = [name.lower() for name in names]
    assert len(set(lower)) == len(texts)
    assert not set(lower) & {name.lower() for name in taken}
    assert all(name.replace("_", "a").isalnum() and name.isascii() for name in names)


@pytest.mark.parametrize("kind", [*Kind])
@pytest.mark.parametrize("ndim", [0, 1, 2])
def test_nothing_has_a_form_too(kind: Kind, ndim: int) -> None:
    form = Form(name="it", kind=kind, ndim=0 if kind in (Kind.CHOICE, Kind.BYTES) else ndim)
    assert said_as(form, None) is None
    assert empty(form) is not None


def test_a_choice_is_its_number() -> None:
    form = Form(name="it", kind=Kind.CHOICE, choices=("fast", "slow"))
    assert [said_as(form, value) for value in ("fast", "slow", "else")] == [0, 1, None]


def test_what_is_no_number_is_not_news_again_and_again() -> None:
    assert is_same(float("nan"), float("nan"))
    assert is_same(np.array([np.nan, 1]), np.array([np.nan, 1]))
    assert not is_same(np.array([1.0]), np.array([[1.0]]))
    assert not is_same(True, 1)
