"""Frames to and from programs: whole again however the pipe has cut them, and what is none is named."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from penstock.errors import RemoteProtocolError
from penstock.wire import program_frames
from penstock.wire.program_frames import Frame, FrameReader, frame_parts

DTYPES = npst.scalar_dtypes() | npst.array_dtypes(npst.integer_dtypes() | npst.floating_dtypes(), max_size=3)
ARRAYS = st.dictionaries(
    st.text(max_size=5),
    npst.arrays(DTYPES, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)),
    max_size=3,
)
SAID = st.dictionaries(st.sampled_from(["kind", "number", "note"]), st.integers(0, 9) | st.text(max_size=9))


@given(st.lists(st.tuples(SAID, ARRAYS, st.none() | st.text() | st.lists(st.booleans())), max_size=3), st.data())
def test_frames_are_the_same_however_they_are_cut(written: list[Any], data: st.DataObject) -> None:
    line = b"".join(part for said, arrays, item in written for part in frame_parts(said, arrays, item))
    reader, found, at = FrameReader(), list[Frame](), 0
    while at < len(line):
        size = data.draw(st.integers(1, len(line) - at))
        found += reader.feed(line[at : at + size])
        at += size
    assert not reader.has_begun
    assert len(found) == len(written)
    for frame, (said, arrays, item) in zip(found, written, strict=True):
        assert frame.said == said | ({} if item is None else {"item": item})
        assert list(frame.arrays) == list(arrays)
        for name, array in arrays.items():
            assert (frame.arrays[name].dtype, frame.arrays[name].shape) == (array.dtype, array.shape)
            assert frame.arrays[name].tobytes() == array.tobytes()


def test_the_size_comes_first_and_what_an_item_holds_last() -> None:
    image = np.zeros((2, 3), "<u2")
    parts = frame_parts({"kind": "event", "number": 7}, {"array": image}, {"kind": "start", "shape": [9]})
    assert bytes(parts[0]).startswith(b'{"bytes":12,"kind":"event","number":7,"arrays":{')
    assert json.loads(bytes(parts[0]))["item"] == {"kind": "start", "shape": [9]}
    assert np.shares_memory(np.asarray(parts[1]), image)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"peaks: 7\n", "no line of JSON: 'peaks: 7'"),
        (b"\xff\n", r"no line of JSON: '\\xff'"),
        (b"[" * 10_000 + b"\n", "no line of JSON"),
        (b"[1]\n", "no object of JSON"),
        (b'{"bytes": 3}\n', '"bytes" is 3, and its arrays have 0'),
        (b'{"arrays": ["a"]}\n', '"arrays" is no object'),
        (b'{"arrays": {"a": {"dtype": "O", "shape": [1]}}}\n', 'array "a" is'),
        (b'{"arrays": {"a": {"dtype": "<f4", "shape": [-1]}}}\n', 'write {"dtype": "<f4", "shape"'),
        (b'{"arrays": {"a": {"dtype": "<f4", "shape": 3}}}\n', 'array "a" is'),
        (b'{"arrays": {"a": {"dtype": {"O": 1}, "shape": [3]}}}\n', 'array "a" is'),
        (b'{"arrays": {"a": {"dtype": "V0", "shape": [3]}}}\n', 'array "a" is'),
        (b'{"arrays": {"a": 5}}\n', 'array "a" is 5'),
        (b'{"arrays": {"a": {"dtype": "<f8", "shape": [99999, 99999]}}}\n', "there may be"),
    ],
)
def test_what_is_no_frame_is_named(line: bytes, says: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        FrameReader().feed(line)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_line_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_frames, "LONGEST_LINE", 1000)
    reader = FrameReader()
    for _ in range(10):
        reader.feed(b"y" * 100)
    with pytest.raises(RemoteProtocolError, match="a line of more than 1000 bytes: 'yyyy"):
        reader.feed(b"y")


@given(st.binary(max_size=80))
def test_any_bytes_give_frames_or_the_one_error(data: bytes) -> None:
    try:
        FrameReader().feed(data + b"\n")
    except RemoteProtocolError:
        return
