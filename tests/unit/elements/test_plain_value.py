"""Items as JSON can say them."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.result import Result
from penstock.core.timestamp import Timestamp
from penstock.elements.plain_value import plain
from penstock.testing import make_event, make_message
from penstock.views import ArrayView


class Colour(Enum):
    RED = "red"


@dataclass
class Peak:
    height: np.float32


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array(3), 3),
        (np.zeros((2, 1), "u1"), [[0], [0]]),
        (np.array([(1, 0.5)], [("a", "i4"), ("b", "f4")]), [{"a": 1, "b": 0.5}]),
        (np.array((1, "x"), [("a", "i4"), ("b", "U1")]), {"a": 1, "b": "x"}),
        (np.datetime64("2026-11-26T10:00:00.5"), "2026-11-26T10:00:00.500"),
        (np.array(["2026-11-26", "NaT"], "M8[D]"), ["2026-11-26", None]),
        (np.array([Peak(np.float32(1))], object), [{"height": 1.0}]),
        (datetime(2026, 11, 26, 10, tzinfo=UTC), "2026-11-26T10:00:00+00:00"),
        (date(2026, 11, 26), "2026-11-26"),
        (Timestamp(0), Timestamp(0).isoformat()),
        (MappingProxyType({"a": (1, {2})}), {"a": [1, [2]]}),
        ({np.int8(5): 1, 0.5: 2}, {"5": 1, "0.5": 2}),
        (Peak(np.float32(2)), {"height": 2.0}),
        (Result(3, 4), {"number": 3, "value": 4, "revision": 0}),
        (Colour.RED, "red"),
        (Path("/a"), "/a"),
        (b"\x00\xff", "AP8="),
        (ArrayView((2,), "i8"), [0, 0]),
    ],
    ids=str,
)
def test_a_form_for_everything(value: Any, said: Any) -> None:
    found = plain(value)
    assert found == said
    assert json.loads(msgspec.json.encode(found)) == said


def test_messages_and_events() -> None:
    said = plain(make_event(contrast=make_message([1, 2], key=4, I0=0.5)))
    assert said["contrast"]["metadata"] == {"I0": 0.5}
    assert said["contrast"]["buffers"] == [[1, 2]]
    assert said["contrast"]["key"] == 4


@pytest.mark.parametrize(
    "value", [1j, np.array([1j]), np.timedelta64(1, "s"), object(), {(1,): 2}, {1: 2, "1": 3}, Peak]
)
def test_what_has_no_form(value: Any) -> None:
    with pytest.raises(TypeError, match=r"no form in JSON|have no form|no name in JSON|same name in JSON"):
        plain({"a": value})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_json_can_say_stays(value: Any) -> None:
    assert plain(value) == value


def test_what_is_no_number() -> None:
    assert math.isnan(plain(np.float64("nan")))
    assert msgspec.json.encode(plain(np.array([1.5, np.nan, np.inf]))) == b"[1.5,null,null]"
