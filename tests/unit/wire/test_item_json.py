"""Items as JSON: what any program can read, and nothing that would only look like it."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from penstock.core.event import event_type
from penstock.core.message import Message
from penstock.core.result import Result
from penstock.core.timestamp import Timestamp
from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.testing.hostile import GARBAGE
from penstock.wire.item_json import item_json, item_of_json
from tests.unit.wire.value_cases import values


@dataclass
class Hit:
    at: Timestamp
    map: Any


@pytest.mark.parametrize(
    ("item", "reads"),
    [
        (None, None),
        ({"a": [1, 2.5, "ü", True, None]}, {"a": [1, 2.5, "ü", True, None]}),
        (np.arange(6, dtype=">i2").reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
        (np.float32(0.5), 0.5),
        (2**70, 2**70),
        ([math.nan, math.inf, np.float64("nan"), np.array([np.inf])], [None, None, None, [None]]),
        ({1: 2, np.int64(3): 4, 0.5: 6}, {"1": 2, "3": 4, "0.5": 6}),
        (np.array([1 + 2j]), [[1.0, 2.0]]),
        (1 - 1j, [1.0, -1.0]),
        (Timestamp(5), "1970-01-01T00:00:00.000000005Z"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        ([date(2026, 1, 2), timedelta(minutes=1)], ["2026-01-02", 60.0]),
        (np.array(["2026-01-02"], "M8[D]"), ["2026-01-02"]),
        (np.zeros(2, [("x", "<f8"), ("n", "<i4")]), {"x": [0.0, 0.0], "n": [0, 0]}),
        (np.zeros(1, [("x", "<f8")])[0], {"x": 0.0}),
        (Hit(Timestamp(0), {1}), {"at": "1970-01-01T00:00:00.000000000Z", "map": [1]}),
        (b"\x00\xff", "AP8="),
        (Result(3, {"a": np.int8(1)}), {"a": 1}),
        (
            Message(key=2, timestamp_ns=3, metadata={"m": 1}, array=np.zeros(2)),
            {"id": 0, "key": 2, "timestamp_ns": 3, "metadata": {"m": 1}, "buffers": [[0.0, 0.0]]},
        ),
        (event_type(("a", "b"))(4, (None, Message())), {"number": 4, "a": None}),
    ],
)
def test_what_is_written_is_what_any_program_reads(item: Any, reads: Any) -> None:
    found = json.loads(item_json(item))
    assert found == reads or {**found, **reads} == found


@given(values)
def test_every_value_is_strict_json_or_refused(item: Any) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    try:
        text = item_json(item)
    except ResultTypeError:
        return
    json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (object(), "nothing says how a object is written"),
        ({(1, 2): 3}, r"it has the key \(1, 2\)"),
        (np.zeros(2, "V3"), "has no form in JSON"),
        ("\ud800", "cannot be written as JSON"),
        ({1: 2, "1": 3}, "written alike"),
    ],
)
def test_what_has_no_form_is_refused(item: Any, says: str) -> None:
    with pytest.raises(ResultTypeError, match=says):
        item_json(item)


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ResultTypeError, match="holds itself"):
        item_json(endless)


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_no_json(name: str) -> None:
    with pytest.raises(RemoteProtocolError, match="are no JSON"):
        item_of_json(GARBAGE[name])


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":NaN}', b'"\xff"', b"1 2", b""])
def test_what_is_nearly_json_is_none(text: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="are no JSON"):
        item_of_json(text)


def test_json_is_read() -> None:
    assert item_of_json(memoryview(b'{"a":[1,2.5,null]}')) == {"a": [1, 2.5, None]}
