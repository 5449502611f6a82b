"""What of an item becomes an attribute of a Tango device."""

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Message
from penstock.elements.sinks.tango import TangoSink, _leaves
from penstock.elements.tango_form import form_of
from penstock.views import ArrayView
from penstock.wire.values import decode_value, encode_value


@dataclass
class Point:
    x: float
    y: Any


class Peak(msgspec.Struct):
    height: float


@pytest.mark.parametrize(
    ("item", "leaves"),
    [
        (3, {"value": 3}),
        ("text", {"value": "text"}),
        ({"a": 1, "b": {"c": True, "d": {}}, "e": None}, {"a": 1, "b.c": True}),
        (Point(1.5, Peak(2.0)), {"x": 1.5, "y.height": 2.0}),
        (Message(key=4, metadata={"I0": 0.5}), {"key": 4, "I0": 0.5}),
        (np.array([(1, 2.5)], [("n", "i8"), ("x", "f8")]), {"n": [1], "x": [2.5]}),
        (np.float32(0.5), {"value": 0.5}),
        ([1, 2], {"value": [1, 2]}),
        (["a", "b"], {"value": ["a", "b"]}),
        ([[1], [2, 3]], {}),
        (np.zeros((2, 2, 2)), {}),
        ({"raw": b"bytes"}, {}),
        ({"map": {"Fe": ArrayView((2,), "i8", unit="counts")}}, {"map.Fe": [0, 0]}),
    ],
)
def test_leaves(item: Any, leaves: dict[str, Any]) -> None:
    found = {path: value for path, _, _, value in _leaves(item) if path != "timestamp_ns"}
    assert {path: np.asarray(value).tolist() for path, value in found.items()} == leaves


def test_a_view_brings_its_unit_and_title_and_is_copied() -> None:
    view = ArrayView((2,), "f8", unit="keV", title="energy")
    ((_, unit, title, array),) = _leaves(view)
    view.set(0, 7)
    assert (unit, title, array.tolist()) == ("keV", "energy", [0, 0])


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(PLAIN)
def test_whatever_comes_can_be_sent_and_shown(item: Any) -> None:
    for _, unit, title, value in _leaves(item):
        (back,) = decode_value(encode_value([value]))
        assert form_of("it", back, unit=unit, label=title) is not None


def test_names_stay_with_their_paths() -> None:
    sink = TangoSink("a/b/c")
    sink._name(["a.b", "a_b", "run"])
    sink._name(["a_b", "a-b", "run"])
    assert sink._names == {"a.b": "a_b", "a_b": "a_b_2", "run": "run_2", "a-b": "a_b_3"}
