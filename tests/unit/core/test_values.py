"""The closed list: what may be returned, and what the refusal says."""

import threading
import timeit
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from penstock.core.values import DEEPEST, check_value, register
from penstock.errors import ResultTypeError


@dataclass
class Fit:
    spectrum: Any


Point = namedtuple("Point", "x")


class Figure:
    pass


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (Figure(), r"^stages\.fit: result is a .*\.Figure, which cannot travel between processes; return numbers"),
        ({"fit": [1, 2, Figure()]}, r"result\['fit'\]\[2\] is a .*Figure"),
        ((1, {"a": Fit([Figure()])}), r"result\[1\]\['a'\]\.spectrum\[0\] is a "),
        ({Figure: 1}, r"result has the key <class .*>, which is a type"),
        (np.array([Figure()]), r"result is an array of Python objects \(dtype object\)"),
        (np.zeros(1, [("a", "O")])[0], r"result is an array of Python objects"),
        (np.ma.masked_array([1]), r"MaskedArray, .*; return np\.asarray"),
        (OrderedDict(), r"OrderedDict, .*; return dict"),
        (Point(1), r"Point, .*; return tuple"),
        ([lambda: 1], r"result\[0\] is a function"),
        (Fit, r"result is a type"),
        (threading.Lock(), r"lock, which cannot travel"),
    ],
)
def test_the_refusal_names_the_place_and_the_remedy(value: Any, says: str) -> None:
    with pytest.raises(ResultTypeError, match=says):
        check_value(value, "stages.fit")


def test_a_container_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ResultTypeError, match=f"deeper than {DEEPEST} levels"):
        check_value(value, "stages.fit")


def test_a_registered_type_may_be_returned_and_its_encode_is_checked() -> None:
    class Spectrum:
        pass

    register(Spectrum, lambda _: [1.0], lambda _: Spectrum())
    check_value({"s": Spectrum()}, "stages.fit")

    class Wrong:
        pass

    register(Wrong, lambda _: [Figure()], lambda _: Wrong())
    with pytest.raises(ResultTypeError, match=r"result\['w'\] as its registered encode returns it\[0\] is a "):
        check_value({"w": Wrong()}, "stages.fit")


@pytest.mark.parametrize("type_", [int, list, dict, np.ndarray, np.float64])
def test_what_is_on_the_list_needs_no_registration(type_: type) -> None:
    with pytest.raises(ResultTypeError, match="needs no registration"):
        register(type_, lambda v: v, lambda v: v)


def test_common_values_cost_next_to_nothing() -> None:
    def cost_ns(value: Any) -> float:
        return min(timeit.repeat(lambda: check_value(value, "fit"), number=2000, repeat=20)) / 2000 * 1e9

    # four times the aim, because the machine may be busy
    assert cost_ns(1.5) < 400
    assert cost_ns({"a": 1.0, "b": 2, "c": "x", "d": np.float64(3)}) < 2000
