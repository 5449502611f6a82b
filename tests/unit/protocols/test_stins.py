"""STINS: conformance, and what its packets become."""

from collections.abc import Sequence

import numpy as np
import pytest

from penstock.core import Kind
from penstock.core.encoding import Encoding
from penstock.errors import RemoteProtocolError
from penstock.protocols.stins import StinsDecoder, encode_end, encode_image, encode_start
from penstock.testing.decoder_tests import DecoderTests, Unit

IMAGE = np.arange(12, dtype=np.uint16).reshape(3, 4)


class TestConformance(DecoderTests):
    decoder = StinsDecoder

    def scan(self) -> Sequence[Unit]:
        images = [[encode_image(n, IMAGE + n)] for n in range(3)]
        return [[encode_start("scan.h5", detector="eiger")], *images, [encode_end(msg_number=4)]]


def test_an_image_is_what_was_sent() -> None:
    (message,) = StinsDecoder().feed(encode_image(7, IMAGE, source="now"), 5)
    assert (message.key, message.timestamp_ns, message.kind) == (7, 5, Kind.DATA)
    np.testing.assert_array_equal(message.array, IMAGE)
    assert message.array.dtype == np.uint16
    assert message.metadata["source"] == "now"


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint32", "float32", "float64", "complex128", ">u2"])
def test_every_number_travels(dtype: str) -> None:
    image = np.ones((2, 3), dtype)
    (message,) = StinsDecoder().feed(encode_image(0, image), 0)
    np.testing.assert_array_equal(message.array, image)


def test_a_compressed_image_stays_as_it_came() -> None:
    parts = encode_image(0, b"abc", compression="bslz4", shape=[100, 100], type="uint16")
    (message,) = StinsDecoder().feed(parts, 0)
    assert message.array.tobytes() == b"abc"
    assert message.array.dtype == np.uint8
    assert message.metadata["compression"] == "bslz4"
    assert message.encodings == (Encoding("bslz4", "<u2", (100, 100)),)


def test_pixels_are_not_copied() -> None:
    parts = encode_image(0, IMAGE)
    (message,) = StinsDecoder().feed(parts, 0)
    assert np.shares_memory(message.array, np.frombuffer(parts[1], np.uint8))


def test_the_second_part_of_a_start_is_kept() -> None:
    (message,) = StinsDecoder().feed(encode_start("a.h5", meta={"x": 1}), 0)
    assert message.kind is Kind.START
    assert message.metadata["meta"] == {"x": 1}


def test_an_error_says_what_would_be_right() -> None:
    head, pixels = encode_image(7, IMAGE)
    with pytest.raises(RemoteProtocolError, match=r"frame 7 has 23 bytes where shape \[3, 4\] of uint16 asks for 24"):
        StinsDecoder().feed([head, pixels[:-1]], 0)


def test_a_sender_of_ever_new_shapes_fills_no_memory() -> None:
    from penstock.core.image_header import _geometries

    decoder = StinsDecoder()
    for width in range(1, 1000):
        list(decoder.feed(encode_image(0, np.zeros((1, width), np.uint8)), 0))
    assert len(_geometries) <= 256
