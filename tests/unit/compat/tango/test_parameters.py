"""Parameters as Tango attributes: the form that each kind has, and its values both ways."""

import inspect
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import FilePath

from penstock.compat.tango.parameters import Knob, Way, knobs_of
from penstock.elements.tango_form import Kind
from penstock.errors import ParameterError


class Colour(Enum):
    RED = 1


def described(annotation: Any, value: Any = None, address: str = "fit.it", **more: Any) -> dict[str, Any]:
    """Return what a pipeline says of a parameter."""
    plain = {"unit": "", "section": "", "bounds": {}, "choices": [], "doc": "", "default": value}
    return {"address": address, "type": inspect.formatannotation(annotation), "value": value, **plain, **more}


def knob(annotation: Any, value: Any = None, **more: Any) -> Knob:
    (found,) = knobs_of([described(annotation, value, **more)])
    return found


@pytest.mark.parametrize(
    ("annotation", "value", "way", "kind", "ndim"),
    [
        (float, 5.9, Way.AS_IS, Kind.FLOAT, 0),
        (int, 3, Way.AS_IS, Kind.INT, 0),
        (bool, True, Way.AS_IS, Kind.BOOL, 0),
        (str, "iron", Way.AS_IS, Kind.TEXT, 0),
        (int, 2**70, Way.JSON, Kind.TEXT, 0),
        (float | None, None, Way.JSON, Kind.TEXT, 0),
        (str | None, None, Way.JSON, Kind.TEXT, 0),
        (list[int], [1, 2], Way.JSON, Kind.TEXT, 0),
        (NDArray[np.float32], [1.0], Way.ARRAY, Kind.FLOAT, 1),
        (NDArray[np.float64] | None, None, Way.ARRAY, Kind.FLOAT, 1),
        (NDArray[np.uint16], [[1, 2], [3, 4]], Way.ARRAY, Kind.INT, 2),
        (NDArray[np.bool_], [True], Way.ARRAY, Kind.BOOL, 1),
        (NDArray[Any], [[True]], Way.ARRAY, Kind.BOOL, 2),
        (NDArray[np.float64], [[[1.0]]], Way.JSON, Kind.TEXT, 0),
        (NDArray[np.complex128], None, Way.JSON, Kind.TEXT, 0),
        (Path, "a", Way.PATH, Kind.TEXT, 0),
        (FilePath, "a", Way.PATH, Kind.TEXT, 0),
        (FilePath | None, None, Way.PATH, Kind.TEXT, 0),
        (Annotated[Path, "x"] | None, None, Way.PATH, Kind.TEXT, 0),
    ],
)
def test_each_kind_has_its_form(annotation: Any, value: Any, way: Way, kind: Kind, ndim: int) -> None:
    found = knob(annotation, value)
    assert (found.way, found.form.kind, found.form.ndim, found.form.can_be_written) == (way, kind, ndim, True)


@pytest.mark.parametrize(
    ("annotation", "choices", "value", "way", "kind"),
    [
        (Literal["fast", "slow"], ["fast", "slow"], "slow", Way.CHOICE, Kind.CHOICE),
        (Literal["very fast", "slow"], ["very fast", "slow"], "slow", Way.AS_IS, Kind.TEXT),
        (Literal[1, 2], [1, 2], 1, Way.JSON, Kind.TEXT),
        (Colour, ["RED"], 1, Way.JSON, Kind.TEXT),
    ],
)
def test_choices(annotation: Any, choices: list[Any], value: Any, way: Way, kind: Kind) -> None:
    found = knob(annotation, value, choices=choices)
    assert (found.way, found.form.kind) == (way, kind)
    assert found.shown(value) == (value if way is not Way.JSON else "1")
    assert found.meant(1 if way is Way.CHOICE else found.shown(value)) == value


def test_units_bounds_and_words_come_along() -> None:
    bounds = {"ge": 0, "lt": 10}
    form = knob(float, 1.0, address="fit.step.roi", unit="keV", bounds=bounds, doc="width").form
    assert (form.name, form.label, form.unit) == ("fit_step_roi", "fit.step.roi", "keV")
    assert (form.lowest, form.highest, form.doc) == (0, None, "width; below 10")
    assert knob(str, "a", bounds={"ge": "a"}).form.lowest is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_what_has_no_form_of_its_own_goes_as_json(value: Any) -> None:
    found = knob(dict[str, Any], value)
    assert found.meant(found.shown(value)) == value


@given(st.lists(st.floats(allow_nan=False)))
def test_an_array_comes_back_and_none_is_an_empty_one(value: list[float]) -> None:
    found = knob(NDArray[np.float64] | None, None)
    assert found.meant(found.shown(value or None)) == (value or None)
    assert knob(NDArray[np.float64], [1.0]).meant(np.zeros(0)) == []


def test_no_path_is_none_where_that_may_be() -> None:
    assert knob(FilePath | None).meant("") is None
    assert knob(FilePath, "a").meant("") == ""


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"fit\.it: '\[3' is no JSON"):
        knob(list[int], [1]).meant("[3")
