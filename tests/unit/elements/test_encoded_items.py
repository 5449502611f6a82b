"""A message that came compressed, in steps and on its way to others: the array where it is asked for, else bytes."""

import json
from typing import Any

import numpy as np
import pytest

from penstock.core import Block, Message
from penstock.core.codecs import encoded
from penstock.core.encoded_message import EncodedMessage
from penstock.elements.item_array import with_array_changed
from penstock.elements.item_bytes import bytes_to_item, item_to_bytes
from penstock.elements.item_field import field_of, with_field
from penstock.elements.plain_value import plain
from penstock.errors import DecodingError, RemoteProtocolError
from penstock.streams.retrieving import retrieve
from penstock.wire.item_frames import ItemWriter, read_frames
from penstock.wire.values import encode_value

pytest.importorskip("imagecodecs")
pytest.importorskip("bitshuffle")

IMAGE = np.arange(24, dtype="<u2").reshape(4, 6)


def came(cut: int = 0) -> EncodedMessage:
    """A message as a step gets it."""
    payload, encoding = encoded(IMAGE, "bslz4")
    sent = Message(5, 4, 9, {"energy": 12.5}, payload[: len(payload) - cut], (np.arange(3),), encodings=(encoding,))
    (found,) = Block.of("camera", [sent]).messages()
    assert isinstance(found, EncodedMessage)
    return found


def same(found: Any) -> None:
    assert isinstance(found, EncodedMessage)
    assert (found.id, found.key, found.timestamp_ns, dict(found.metadata)) == (5, 4, 9, {"energy": 12.5})
    assert found.buffers[0].tobytes() == came().buffers[0].tobytes()
    np.testing.assert_array_equal(found.array, IMAGE)
    assert found.more[0].tolist() == [0, 1, 2]


def test_fields_are_read_without_decoding() -> None:
    message = came()
    assert (field_of(message, "energy"), field_of(message, "key"), field_of(message, "timestamp_ns")) == (12.5, 4, 9)
    assert not message.decoded
    np.testing.assert_array_equal(field_of(message, "array"), IMAGE)
    assert list(message.decoded) == [0]
    assert field_of(came(cut=1), "energy") == 12.5
    with pytest.raises(DecodingError, match=r"stream camera, frame 4 \(message 5\): bslz4"):
        field_of(came(cut=1), "array")


def test_a_step_that_changes_the_array_makes_a_plain_one() -> None:
    for changed in (with_array_changed(came(), "", lambda array: array + 1), with_field(came(), "array", IMAGE + 1)):
        assert changed.encodings == ()
        np.testing.assert_array_equal(changed.buffers[0], IMAGE + 1)
        np.testing.assert_array_equal(changed.array, IMAGE + 1)
    added = with_field(came(), "note", "x")
    assert (added.metadata["note"], added.buffers[0].tobytes()) == ("x", came().buffers[0].tobytes())


def test_other_pipelines_get_it_as_it_came() -> None:
    same(read_frames([bytes(frame) for frame in ItemWriter(7).frames(came(), number=1)]).item)
    same(bytes_to_item("penstock")(item_to_bytes("penstock")(came())))
    assert retrieve(came()).tobytes() == came().buffers[0].tobytes()


def test_json_has_the_array() -> None:
    assert json.loads(item_to_bytes("json")(came()))["buffers"] == [IMAGE.tolist(), [0, 1, 2]]
    assert plain(came())["buffers"] == [IMAGE.tolist(), [0, 1, 2]]


@pytest.mark.parametrize(
    "bad", ["lz4", ["lz4"], [["lz4", "<u2", [-1]], None, None], [[1, 2, 3]], [["lz4", "<u2", [2]]]]
)
def test_hostile_encodings_raise_the_one_error(bad: Any) -> None:
    fields = [0, None, 0, {}, [np.zeros(3)], 0, bad]
    with pytest.raises(RemoteProtocolError, match="are no message: "):
        bytes_to_item("penstock")(b"\xc1" + encode_value(fields))
    fields = [0, 0, None, 0, {}, [np.zeros(3)], bad]
    frame = ItemWriter(7).frames(Message())[0][: -len(encode_value([0, 0, None, 0, {}, []]))]
    with pytest.raises(RemoteProtocolError, match="not the fields of a message: "):
        read_frames([bytes(frame) + encode_value(fields)])
