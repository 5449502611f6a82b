"""The quick way to an image is the careful one: whatever the last image was, the same is taken and the same refused."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock.core.encoding import Encoding
from penstock.core.image_header import image_array, image_encodings, image_header, image_of
from penstock.core.message import MAX_KEY
from penstock.errors import RemoteProtocolError

GOOD = {"htype": "image", "frame": 3, "shape": [1, 16], "type": "uint16", "compression": "none", "more": {"x": [1.5]}}
PIXELS = bytes(range(32))


def head(**changed: Any) -> bytes:
    return json.dumps({key: value for key, value in {**GOOD, **changed}.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"frame": 0},
        {"frame": MAX_KEY},
        {"frame": MAX_KEY + 1},
        {"frame": -1},
        {"frame": True},
        {"frame": 3.0},
        {"frame": ...},
        {"shape": [True, 16]},
        {"shape": [1.0, 16]},
        {"shape": [1, 16, 1]},
        {"shape": [16]},
        {"shape": [1, 15]},
        {"shape": [1, 17]},
        {"shape": [-1, -16]},
        {"shape": []},
        {"shape": {"1": 16}},
        {"shape": ...},
        {"type": "int16"},
        {"type": "uint8"},
        {"type": "object"},
        {"type": ["uint16"]},
        {"type": None},
        {"type": ...},
        {"compression": "bslz4"},
        {"compression": "x" * 65},
        {"compression": None},
        {"compression": ...},
        {"htype": 1},
    ],
)
@pytest.mark.parametrize("pixels", [PIXELS, memoryview(bytearray(PIXELS)), PIXELS[:-1], PIXELS + b"x", b""])
def test_both_ways_are_the_same(changed: dict[str, Any], pixels: bytes | memoryview) -> None:
    image_of(head(), PIXELS)
    part = head(**changed)
    assert outcome(lambda: image_of(part, pixels)) == outcome(lambda: careful(part, pixels))


@pytest.mark.parametrize("pixels", [PIXELS, memoryview(bytearray(PIXELS))])
def test_pixels_are_neither_copied_nor_to_be_written(pixels: bytes | memoryview) -> None:
    for _ in range(2):
        array = image_of(head(), pixels)[1]
        assert not array.flags.writeable
        assert np.shares_memory(array, np.frombuffer(pixels, np.uint8))


def careful(part: bytes, pixels: bytes | memoryview) -> tuple[int, NDArray[Any], tuple[Encoding, ...]]:
    header = image_header(part)
    return header.frame, image_array(header, pixels), image_encodings(header)


def outcome(read: Callable[[], tuple[int, NDArray[Any], tuple[Encoding, ...]]]) -> tuple[Any, ...]:
    """Return all there is of an image, or the text with which it is refused."""
    try:
        frame, array, encodings = read()
    except RemoteProtocolError as error:
        return (str(error),)
    return frame, array.dtype, array.shape, array.tobytes(), array.flags.writeable, encodings


@pytest.mark.parametrize("part", [b"", b"{", b"[]", b"null", b"\xff", b'{"frame": 1}'])
def test_what_is_no_header_is_refused(part: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="the image's header is wrong"):
        image_of(part, PIXELS)
