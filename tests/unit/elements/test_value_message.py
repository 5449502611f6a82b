"""Values of user code as messages of a durable stream."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from penstock.core import Event, Message
from penstock.elements.value_message import message_of, message_of_views
from penstock.errors import SinkError
from penstock.views import ArrayView

IMAGE = np.arange(6, dtype=np.uint16).reshape(2, 3)


@dataclass
class Peak:
    height: float
    profile: Any


@pytest.mark.parametrize(
    ("value", "metadata", "shapes"),
    [
        (3.5, {"value": 3.5}, []),
        ("hit", {"value": "hit"}, []),
        (np.float32(2), {"value": np.float32(2)}, []),
        ([1, IMAGE], None, []),
        (IMAGE, {}, [(2, 3)]),
        (b"abc", {}, [(3,)]),
        ([IMAGE, b""], {}, [(2, 3), (0,)]),
        ({"n": 1, "image": IMAGE, "raw": b"xy"}, {"n": 1, "buffers": ["image", "raw"]}, [(2, 3), (2,)]),
        ({"n": 1, "deep": {"a": [1]}}, {"n": 1, "deep": {"a": [1]}}, []),
        (Peak(1.0, IMAGE), {"height": 1.0, "buffers": ["profile"]}, [(2, 3)]),
        ({}, {}, []),
    ],
)
def test_arrays_and_bytes_are_buffers_and_the_rest_is_metadata(value: Any, metadata: Any, shapes: Any) -> None:
    message = message_of(value)
    assert [buffer.shape for buffer in message.buffers] == shapes
    if metadata is not None:
        assert message.metadata == metadata
    else:
        assert message.metadata["value"] is value


def test_a_message_stays_as_it_is() -> None:
    message = Message(id=4, key=2, array=IMAGE)
    assert message_of(message) is message


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (Event(number=0, parts=()), "an event has messages of several streams"),
        ({1: 2}, "the key 1, which is no text"),
        ({"image": IMAGE, "buffers": 3}, 'an entry "buffers" beside arrays'),
    ],
)
def test_what_no_message_can_hold_is_refused(value: Any, says: str) -> None:
    with pytest.raises(SinkError, match=says):
        message_of(value)


def test_views_are_buffers_by_path_with_what_they_say_of_themselves() -> None:
    view = ArrayView((2,), "f8", unit="counts")
    view.set(slice(None), 7.0)
    message = message_of_views({"map": {"sum": view}, "n": 3, "title": "Cu"})
    assert message.metadata == {
        "title": "Cu", "attributes": {"map/sum": {"unit": "counts"}}, "buffers": ["map/sum", "n"],
    }  # fmt: skip
    view.set(slice(None), 0.0)
    assert [buffer.tolist() for buffer in message.buffers] == [[7.0, 7.0], 3]
