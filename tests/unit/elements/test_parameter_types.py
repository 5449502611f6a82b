"""What annotations declare, and which values they refuse."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from math import inf, nan
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import pytest
from annotated_types import Ge, Gt, Interval, Le, Lt, MultipleOf
from numpy.typing import ArrayLike, NDArray
from pydantic import FilePath

from penstock.core.parameter import Section, Unit
from penstock.elements.parameter_types import as_annotated, check_argument, parameter_of, validate
from penstock.errors import ParameterError


class Line(Enum):
    FE = 26
    NI = 28


def test_everything_an_annotation_says_is_read() -> None:
    form = Annotated[float, Unit("keV"), Ge(0), Lt(20), MultipleOf(0.5), "start of the region"]
    parameter = parameter_of("roi", form, 5.5, stage="fit", step="Fit")
    assert parameter.address == "fit.Fit.roi"
    assert (parameter.type, parameter.unit, parameter.doc) == (float, "keV", "start of the region")
    assert parameter.expects == "float in keV, ≥ 0, < 20, multiple of 0.5"


def test_an_interval_is_two_bounds() -> None:
    assert str(parameter_of("n", Annotated[int, Interval(gt=1, le=4)], 2).bounds) == "> 1, ≤ 4"


def test_choices_are_listed() -> None:
    assert parameter_of("line", Literal["Fe", "Ni"], "Fe").expects == "'Fe' | 'Ni'"
    assert parameter_of("line", Line, Line.FE).choices == ("FE", "NI")


GAINS = Annotated[NDArray[np.float64] | None, Ge(0), Unit("counts"), Section("Correction")]


@pytest.mark.parametrize("value", [[[1, 2], [3, 4]], np.array([[1, 2], [3, 4]]), [[1.0, 2.0], [3.0, 4.0]]])
def test_an_array_is_given_as_lists_or_as_itself(value: Any) -> None:
    parameter = parameter_of("gains", GAINS, None)
    assert parameter.section == "Correction"
    found = validate(parameter, value)
    assert (found.dtype, found.shape, found.flags.writeable) == (np.float64, (2, 2), False)
    assert found.tolist() == [[1, 2], [3, 4]]
    assert validate(parameter, None) is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([[1, 2], [3]], "it is no regular array of float64"),
        ("text", "it is no regular array of float64"),
        (["a"], "it is no regular array of float64"),
        ([1j], "it is no regular array of float64"),
        ([[1, 2], [3, -4]], r"-4.0 at \[1, 1\] is out of bounds\); expected .* in counts, ≥ 0"),
    ],
)
def test_what_is_no_such_array_is_refused(value: Any, why: str) -> None:
    with pytest.raises(ParameterError, match=why):
        validate(parameter_of("gains", GAINS, None), value)


def test_a_mask_takes_no_numbers_and_any_array_takes_all() -> None:
    assert validate(parameter_of("mask", NDArray[np.bool_], None), [True, False]).dtype == bool
    with pytest.raises(ParameterError, match="no regular array of bool"):
        validate(parameter_of("mask", NDArray[np.bool_], None), [1, 0])
    assert validate(parameter_of("any", NDArray[Any], None), [1, 0]).dtype == int
    assert validate(parameter_of("any", np.ndarray, None), [0.5]).dtype == float


def test_a_long_value_that_is_refused_is_not_repeated_as_a_whole() -> None:
    with pytest.raises(ParameterError) as found:
        validate(parameter_of("gains", GAINS, None), [["a"] * 10_000])
    assert len(str(found.value)) < 1000


def test_a_file_must_be_there(tmp_path: Path) -> None:
    parameter = parameter_of("geometry", FilePath | None, None)
    with pytest.raises(ParameterError, match="path does not point to a file"):
        validate(parameter, str(tmp_path / "none.geom"))
    (tmp_path / "p.geom").touch()
    assert validate(parameter, str(tmp_path / "p.geom")) == tmp_path / "p.geom"


def test_a_docstring_describes() -> None:
    documentation = (
        "Fit.\n\nParameters\n----------\nroi\n    Where the region\n    begins.\nwidth : float\n    How wide."
    )
    assert parameter_of("roi", float, 1.0, documentation).doc == "Where the region begins."
    assert parameter_of("width", float, 1.0, documentation).doc == "How wide."


@pytest.mark.parametrize(
    ("form", "value", "used"),
    [
        (float, 3, 3.0),
        (float, inf, inf),
        (Annotated[float, Ge(0)], 0, 0.0),
        (float | None, None, None),
        (Literal["Fe", "Ni"], "Ni", "Ni"),
        (Line, "NI", Line.NI),
        (Line, 26, Line.FE),
        (Line, Line.FE, Line.FE),
        (tuple[int, int], [1, 2], (1, 2)),
        (tuple[int, ...], [1, 2, 3], (1, 2, 3)),
        (tuple[int, int] | None, [1, 2], (1, 2)),
        (list[tuple[int, float]], [[1, 2.0]], [(1, 2.0)]),
        (list[Annotated[Line, "of iron"]], ["FE"], [Line.FE]),
        (Path, "mask.npy", Path("mask.npy")),
        (int, np.uint16(3), 3),
        (float, np.float32(0.5), 0.5),
        (list[str], ["Fe"], ["Fe"]),
        (bool, True, True),
    ],
)
def test_what_is_meant_is_taken(form: Any, value: Any, used: Any) -> None:
    found = validate(parameter_of("p", form, None), value)
    assert found == used
    assert type(found) is type(used)


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (float, "5,9"),
        (float, "5.9"),
        (float, True),
        (float, nan),
        (float, None),
        (int, 1.0),
        (int, True),
        (int, "1"),
        (bool, 1),
        (str, 5),
        (Annotated[float, Ge(0)], -0.1),
        (Annotated[float, Gt(0)], 0),
        (Annotated[float, Le(1)], 1.1),
        (Annotated[float, Lt(1)], 1),
        (Annotated[int, MultipleOf(4)], 6),
        (Literal["Fe", "Ni"], "fe"),
        (Line, "CU"),
        (tuple[int, int], [1]),
        (tuple[int, int], [1, 2, 3]),
        (int, np.float64(1)),
    ],
)
def test_what_is_not_meant_is_refused(form: Any, value: Any) -> None:
    parameter = parameter_of("p", form, None, stage="fit")
    with pytest.raises(ParameterError) as caught:
        validate(parameter, value)
    assert str(caught.value).startswith(f"fit.p: {value!r} is refused (")
    assert str(caught.value).endswith(f"; expected {parameter.expects}")


def test_a_refusal_names_unit_and_bounds() -> None:
    parameter = parameter_of("roi", Annotated[float, Unit("keV"), Ge(0)], 5.9)
    with pytest.raises(ParameterError, match=r"'5,9' is refused .*; expected float in keV, ≥ 0$"):
        validate(parameter, "5,9")


def test_a_type_nobody_can_validate() -> None:
    class Foreign:
        pass

    with pytest.raises(ParameterError, match="cannot be a parameter; use numbers"):
        validate(parameter_of("p", Foreign, None), 3)


@dataclass
class Region:
    start: int = 0


class Speaks(Protocol):
    def say(self) -> str: ...


@pytest.mark.parametrize(
    ("form", "value"), [(Annotated[str, Ge(0)], "x"), (Annotated[list[int], Ge(0)], [1]), (Speaks, "x"), ("Nowhere", 3)]
)
def test_an_annotation_by_which_nothing_can_be_validated_is_refused(form: Any, value: Any) -> None:
    with pytest.raises(ParameterError, match="cannot be a parameter; use numbers"):
        validate(parameter_of("p", form, None), value)


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (float, nan),  # a value to fill with, say
        (float, 50),
        (Sequence[str], ["a"]),
        (list[tuple[int, int]], [[1, 2]]),
        (Path | None, "mask.npy"),
        (Line, "FE"),
        (Region, Region(3)),
        (NDArray[np.float64], np.zeros(2)),
        (range, range(3)),
        (ArrayLike, [1, 2]),
        (Speaks, "who knows"),
        (range | int, "who knows"),
        ("Nowhere", "who knows"),
        (Callable[[int], int], abs),
        (object, 3),
    ],
)
def test_an_argument_that_fits_its_annotation(form: Any, value: Any) -> None:
    check_argument(parameter_of("p", form, None), value)


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        (float, "50", "p: '50' is refused (input should be a valid number); expected float"),
        (Annotated[float, Unit("Hz"), Gt(0)], 0, "greater than 0); expected float in Hz, > 0"),
        (int, True, "True is refused"),
        (list[str], "Fe", "input should be a valid list); expected list[str]"),
        (list[str], ["Fe", 26], "input should be a valid string"),
        (Sequence[str], "Fe", "expected Sequence[str]"),
        (Path, 3, "expected Path"),
        (Line, "CU", "expected 'FE' | 'NI'"),
        (Region, {"start": 3}, "input should be an instance of Region"),
        (NDArray[np.float64], "1, 2", "it is no regular array of float64); expected array of float64"),
        (FilePath | None, "none.txt", "path does not point to a file); expected file | None"),
        (Annotated[float | None, Le(1)], 2, "expected float | None, ≤ 1"),
        (range, 3, "it is of the type int); expected range"),
    ],
)
def test_an_argument_that_does_not_fit_is_refused(form: Any, value: Any, text: str) -> None:
    with pytest.raises(ParameterError) as caught:
        check_argument(parameter_of("p", form, None), value)
    assert text in str(caught.value)


def test_a_list_that_is_what_it_should_be_stays_the_same_object() -> None:
    seen: list[int] = [1]
    assert as_annotated(list[int], seen) is seen
    assert as_annotated(list, seen) is seen


def test_an_array_may_be_named_by_its_file(tmp_path: Path) -> None:
    dark = parameter_of("dark", NDArray[np.float64] | None, None)
    np.save(tmp_path / "dark.npy", np.array([[1, 2]], np.uint16))
    found = validate(dark, str(tmp_path / "dark.npy"))
    assert (found.tolist(), found.dtype) == ([[1.0, 2.0]], np.float64)
    np.save(tmp_path / "complex.npy", np.array([1j]))
    for name in ("complex.npy", "none.npy"):
        with pytest.raises(ParameterError, match=r"there is no such file of a regular array of float64"):
            validate(dark, str(tmp_path / name))
