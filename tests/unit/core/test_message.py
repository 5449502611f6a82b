"""What keeps something from being a message."""

from typing import Any

import numpy as np
import pytest

from penstock.core.message import MAX_KEY, Message, flaw_of


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"key": MAX_KEY, "timestamp_ns": np.int64(5), "metadata": {"x": 1}},
        {"key": np.uint64(3), "array": np.zeros(2), "more": (np.float64(1.0),)},
    ],
)
def test_a_message_has_no_flaw(fields: dict[str, Any]) -> None:
    assert flaw_of(Message(**fields)) == ""


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"key": MAX_KEY + 1}, "its key is 18446744073709551616; it must be an int from 0 to 2**64 - 1, or None"),
        ({"key": "7"}, "its key is '7'"),
        ({"key": 1.5}, "its key is 1.5"),
        ({"timestamp_ns": 0.5}, "its timestamp_ns is 0.5; it must be an int"),
        ({"metadata": [1]}, "its metadata is of type list; it must be a mapping with text keys"),
        ({"metadata": {1: 2}}, "its metadata is of type dict; it must be a mapping with text keys"),
        ({"array": b"abc"}, "its array is of type bytes; it must be one of NumPy"),
        ({"array": np.zeros(1), "more": (np.zeros(1), [1])}, "its array is of type list"),
    ],
)
def test_a_flaw_is_named(fields: dict[str, Any], says: str) -> None:
    assert flaw_of(Message(**fields)).startswith(says)
