"""Made-up events look like real ones."""

import numpy as np
import pytest

from penstock.core.message import Kind
from penstock.testing import make_event, make_message


def test_every_kind_of_part() -> None:
    message = make_message([1], key=77)
    event = make_event(
        3,
        contrast={"pseudo": {"x": [1.0]}},
        xspress3=np.zeros((4, 16)),
        encoder=[1, 2, 3],
        current=2.5,
        camera=message,
        temperature=None,
    )
    assert event.number == 3
    assert event.names == ("contrast", "xspress3", "encoder", "current", "camera", "temperature")
    assert event["contrast"].metadata["pseudo"]["x"] == [1.0]
    assert event["xspress3"].array.shape == (4, 16)
    assert [int(part.array) for part in event["encoder"]] == [1, 2, 3]
    assert [part.id for part in event["encoder"]] == [10, 11, 12]
    assert event["current"].array == 2.5
    assert event["camera"] is message
    assert event["temperature"] is None
    assert not event.is_complete


def test_arrays_are_read_only_as_in_real_events() -> None:
    array = np.zeros(3)
    event = make_event(xspress3=array)
    with pytest.raises(ValueError, match="read-only"):
        event["xspress3"].array[0] = 1
    array[0] = 1
    assert event["xspress3"].array[0] == 0


def test_starts_and_ends() -> None:
    event = make_event(kind=Kind.START, contrast={"description": "mesh"})
    assert event.kind == event["contrast"].kind == Kind.START


def test_an_unknown_part_names_those_there_are() -> None:
    with pytest.raises(KeyError, match="has contrast"):
        make_event(contrast={})["xspress3"]


def test_what_makes_no_array_is_refused() -> None:
    with pytest.raises(TypeError, match="give numbers, an array, a mapping"):
        make_event(contrast=object())


def test_messages() -> None:
    message = make_message([1, 2], [3], exptime=0.1)
    assert [buffer.tolist() for buffer in message.buffers] == [[1, 2], [3]]
    assert message.metadata == {"exptime": 0.1}
    assert make_message().buffers == ()
