"""What a Worker returns arrives as it was, whatever of the user's classes is in it."""

import collections
import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.compat.dranspose.payload import packed, unpacked
from penstock.compat.dranspose.served.data.contrast import ContrastRunning
from penstock.core.values import check_value
from penstock.errors import ResultTypeError
from penstock.wire.values import decode_value, encode_value


class Colour(enum.Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: Any


@dataclass
class Fit:
    peak: Any
    where: Path


class Plain:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]


def travelled(value: Any) -> Any:
    sent = packed(value)
    check_value(sent, "result")
    return unpacked(decode_value(encode_value(sent)))


@pytest.mark.parametrize(
    "value",
    [
        {"a": (1, 2.5, None), 3: {b"x"}},
        Colour.RED,
        [Colour.RED, {"p": Point(1, Colour.RED)}],
        Fit(Plain([1, Point(2, 3)]), Path("/data/a.h5")),
        Plain({"id": UUID(int=7)}),
        ContrastRunning(dt=0.4, sx=1.5, status="running"),
    ],
)
def test_it_comes_back(value: Any) -> None:
    found = travelled(value)
    assert (found, type(found)) == (value, type(value))


def test_what_behaves_alike_becomes_plain() -> None:
    ordered = collections.OrderedDict(a=[1])
    assert travelled([ordered, collections.deque([1]), memoryview(b"x")]) == [{"a": [1]}, [1], b"x"]
    array = np.array([Plain(1), None], object)
    assert travelled(array).tolist() == [Plain(1), None]


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    containers = st.lists(inner) | st.dictionaries(st.text(), inner)
    return containers | st.builds(Plain, inner) | st.builds(Point, st.integers(), inner)


@given(st.recursive(st.none() | st.integers() | st.text() | st.binary() | st.just(Colour.RED), nested, max_leaves=12))
def test_anything_nested_comes_back(value: Any) -> None:
    assert travelled(value) == value


@pytest.mark.parametrize("value", [print, open, lambda: 1, iter([1]), [object]])
def test_what_cannot_travel_is_named(value: Any) -> None:
    with pytest.raises(ResultTypeError):
        check_value(packed(value), "result")


def test_what_holds_itself_is_refused() -> None:
    value = Plain(None)
    value.value = value
    with pytest.raises(ResultTypeError, match="holds itself"):
        packed(value)


def test_no_class_is_imported_because_bytes_name_it() -> None:
    sent = packed(Plain(1))
    with pytest.raises(ResultTypeError, match="import it there"):
        unpacked(type(sent)("no.such.module:Thing", {}))
