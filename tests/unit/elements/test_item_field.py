"""Fields of items: found, added without changing what is there, and read as times."""

from typing import Any

import numpy as np
import pytest

from penstock.core.timestamp import Timestamp
from penstock.elements.item_array import with_array_changed
from penstock.elements.item_field import field_of, fields_of, member_of, with_field
from penstock.elements.item_time import interval_ns, time_ns_of
from penstock.testing import make_event, make_message


def test_a_path_is_words_and_a_member_one_name() -> None:
    item = {"a": {"b": 1}, "a.b": 2}
    assert (field_of(item, "a.b"), member_of(item, "a.b")) == (1, 2)


def test_a_field_is_added_beside_and_the_item_stays() -> None:
    item = {"a": 1, "b": {"c": 2}}
    assert with_field(item, "d", 3) == {"a": 1, "b": {"c": 2}, "d": 3}
    assert with_field(item, "b.c", 4) == {"a": 1, "b": {"c": 4}}
    assert item == {"a": 1, "b": {"c": 2}}
    assert with_field({}, "a", 1) == {"a": 1}
    assert with_field("text", "a", 1) == {"value": "text", "a": 1}
    with pytest.raises(LookupError, match='no field "z"'):
        with_field(item, "z.c", 1)


def test_a_message_stays_one() -> None:
    message = make_message([1, 2], key=5, I0=3)
    added = with_field(message, "T", 20.0)
    assert (added.key, added.metadata, message.metadata) == (5, {"I0": 3, "T": 20.0}, {"I0": 3})
    assert with_field(message, "array", np.ones(1)).array.tolist() == [1.0]


def test_an_event_becomes_its_parts() -> None:
    found = with_field(make_event(contrast={"I0": 1}), "contrast.T", 20.0)
    assert found["contrast"].metadata == {"I0": 1, "T": 20.0}
    assert fields_of(5) == {}


@pytest.mark.parametrize(
    ("value", "ns"),
    [
        (1_700_000_000_000_000_001, 1_700_000_000_000_000_001),
        (np.uint64(7), 7),
        (1.5, 1_500_000_000),
        (np.float32(-0.5), -500_000_000),
        (Timestamp(9), 9),
    ],
)
def test_times(value: Any, ns: int) -> None:
    assert time_ns_of({"t": value}, "t") == ns


@pytest.mark.parametrize("value", ["now", True, None, float("nan"), float("inf"), 1.7e18, 2**63, [1]])
def test_what_is_no_time(value: Any) -> None:
    with pytest.raises(ValueError, match="whole numbers are nanoseconds, numbers with a fraction seconds"):
        time_ns_of({"t": value}, "t")


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 1e-10])
def test_what_is_no_interval(seconds: float) -> None:
    with pytest.raises(ValueError, match="write seconds above 0, such as wait_s: 1"):
        interval_ns("wait_s", seconds)


def test_the_array_of_an_item() -> None:
    image = np.arange(4)
    assert with_array_changed(image, "", np.sum) == 6
    assert with_array_changed({"image": image}, "image", np.sum) == {"image": 6}
    assert with_array_changed(make_message(image, key=3), "", lambda array: array[:2]).array.tolist() == [0, 1]
    event = make_event(camera=image)
    assert with_array_changed(event, "camera.array", lambda array: array[1:])["camera"].array.tolist() == [1, 2, 3]
    with pytest.raises(TypeError, match='field "image" is of type list, not an array'):
        with_array_changed({"image": [1]}, "image", np.sum)
    with pytest.raises(TypeError, match="this message's array is of type NoneType"):
        with_array_changed(make_message(a=1), "", np.sum)
