"""What EPICS images become, from mappings as PVAccess has them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.encoding import Encoding
from penstock.elements.ntndarray import message_of_ntndarray
from penstock.errors import RemoteProtocolError

NO_TIME = {"secondsPastEpoch": 0, "nanoseconds": 0}
NO_ALARM = {"severity": 0, "status": 0, "message": ""}


def dimension(size: int, **more: Any) -> dict[str, Any]:
    return {"size": size, "offset": 0, "fullSize": size, "binning": 1, "reverse": False, **more}


def image(pixels: Any, *sizes: int, **more: Any) -> dict[str, Any]:
    """Return an image whose first size is that of the fastest dimension."""
    return {
        "value": pixels,
        "codec": {"name": "", "parameters": None},
        "compressedSize": 0 if pixels is None else pixels.nbytes,
        "uncompressedSize": 0 if pixels is None else pixels.nbytes,
        "uniqueId": 5,
        "dataTimeStamp": NO_TIME,
        "alarm": NO_ALARM,
        "timeStamp": NO_TIME,
        "dimension": [dimension(size) for size in sizes],
        "attribute": [],
        **more,
    }


def packed(codec: str, content: bytes, dtype: int | None = 6, **more: Any) -> dict[str, Any]:
    pixels = np.frombuffer(content, np.uint8)
    codec_of = {"name": codec, "parameters": dtype}
    return image(pixels, 4, 3, **{"codec": codec_of, "uncompressedSize": 24, **more})


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.sampled_from(["u1", "<i2", "<u4", "<f8"]))
def test_the_fastest_dimension_is_last_and_pixels_are_not_copied(sizes: list[int], dtype: str) -> None:
    pixels = np.arange(np.prod(sizes)).astype(dtype)
    message = message_of_ntndarray(image(pixels, *sizes), 3)
    assert message is not None
    assert message.array.shape == tuple(reversed(sizes))
    assert np.shares_memory(message.array, pixels)
    np.testing.assert_array_equal(message.array.ravel(), pixels)
    assert (message.timestamp_ns, message.metadata, message.encodings) == (3, {}, ())


@pytest.mark.parametrize(("number", "key"), [(0, 0), (2**31 - 1, 2**31 - 1), (-(2**31), 2**31), (-1, 2**32 - 1)])
def test_the_number_goes_on_where_32_bits_end(number: int, key: int) -> None:
    message = message_of_ntndarray(image(np.zeros(1), 1, uniqueId=number), 0)
    assert message is not None
    assert message.key == key


def test_what_is_said_beside_stands_where_it_is_not_as_usual() -> None:
    attributes = [{"name": "exposure", "value": 0.5}, {"name": "motor", "value": {"x": 1}}]
    alarm = {"severity": 2, "status": 1, "message": "hot"}
    stamps = {
        "timeStamp": {"secondsPastEpoch": 9, "nanoseconds": 7},
        "dataTimeStamp": {"secondsPastEpoch": 8, "nanoseconds": 1},
    }
    value = image(np.zeros(2), 2, attribute=attributes, alarm=alarm, **stamps)
    value["dimension"] = [dimension(2, offset=10, binning=2)]
    message = message_of_ntndarray(value, 0)
    assert message is not None
    assert message.timestamp_ns == 9_000_000_007
    beside = message.metadata["ntndarray"]
    assert beside == {"dimension": value["dimension"], "data_timestamp_ns": 8_000_000_001, "alarm": alarm}
    assert {name: said for name, said in message.metadata.items() if name != "ntndarray"} == {
        "exposure": 0.5,
        "motor": {"x": 1},
    }


@pytest.mark.parametrize("codec", ["blosc", "lz4", "jpeg"])
def test_a_compressed_image_stays_as_it_came(codec: str) -> None:
    message = message_of_ntndarray(packed(codec, b"abcdefgh", compressedSize=6), 0)
    assert message is not None
    assert message.array.tobytes() == b"abcdef"
    assert message.encodings == (Encoding(codec, "<u2", (3, 4)),)


@pytest.mark.parametrize(("dtype", "itemsize", "block"), [(5, 1, 8192), (6, 2, 8192), (10, 8, 8192)])
def test_bitshuffle_gets_the_header_that_others_have(dtype: int, itemsize: int, block: int) -> None:
    header = (12 * itemsize).to_bytes(8, "big") + block.to_bytes(4, "big")
    for content in (b"\0\0\0\x09packed", header + b"\0\0\0\x09packed"):
        message = message_of_ntndarray(packed("bslz4", content, dtype, uncompressedSize=12 * itemsize), 0)
        assert message is not None
        assert message.array.tobytes() == header + b"\0\0\0\x09packed"
        assert [each and each.name for each in message.encodings] == ["bslz4"]


@pytest.mark.parametrize("pixels", [None, np.zeros(0)])
def test_before_the_first_image_there_is_none(pixels: Any) -> None:
    assert message_of_ntndarray(image(pixels), 0) is None


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (image(np.zeros(5), 2, 3), r"5 pixels, where shape \(3, 2\) asks for 6"),
        (image(np.zeros(5)), r"an image of shape \(\)"),
        (image(np.zeros(5), 5, -1), r"an image of shape \(-1, 5\)"),
        (packed("lz4", b"abc", 11), "codec lz4 with parameters 11; the number of a scalar type is due"),
        (packed("lz4", b"abc", None), "with parameters None"),
        (packed("lz4", b"abc", 7), r"24 bytes uncompressed, where shape \(3, 4\) of <u4 asks for 48"),
        (image(np.zeros(1), 1, uniqueId="x"), "no NTNDArray as EPICS defines it: ValueError"),
        ({"value": np.zeros(1)}, "no NTNDArray as EPICS defines it: KeyError: 'dimension'"),
    ],
)
def test_what_is_no_image_is_refused(value: Any, says: str) -> None:
    with pytest.raises(RemoteProtocolError, match=says):
        message_of_ntndarray(value, 0)
