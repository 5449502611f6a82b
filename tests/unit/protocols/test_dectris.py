"""DECTRIS stream v2: conformance, and what its messages become."""

from collections.abc import Iterable, Sequence
from typing import Any

import cbor2
import numpy as np
import pytest

from penstock.core import Kind
from penstock.core.encoding import Encoding
from penstock.core.timestamp import Timestamp
from penstock.errors import RemoteProtocolError
from penstock.protocols.dectris import TYPES, DectrisDecoder, encode_end, encode_image, encode_start
from penstock.testing.decoder_tests import DecoderTests, Packet, Unit

IMAGE = np.arange(12, dtype=np.uint16).reshape(3, 4)
PIXELS = IMAGE.tobytes()
LARGE = np.arange(64 * 64, dtype=np.uint32).reshape(64, 64)
SQUEEZED = (24).to_bytes(8, "big") + (8192).to_bytes(4, "big") + b"squeezed"
"""As a detector would send 12 pixels of 16 bits; what follows the head is not looked at."""
SQUEEZED_IMAGE = Encoding("bslz4", "<u2", (3, 4)), SQUEEZED
TIMES: dict[str, Any] = {
    "series_unique_id": "01GRXWT80JSDY2FNW8SGCCDZD9",
    "series_date": "2023-02-10T15:49:05.281+01:00",
    "start_time": (999_995, 50_000_000),
    "stop_time": (1_999_990, 50_000_000),
    "real_time": (999_995, 50_000_000),
}


def image(number: int, **data: Any) -> list[bytes]:
    return encode_image(1, number, data or {"threshold_1": IMAGE}, **TIMES, user_data=[1, "💙"])


def start(**more: Any) -> list[bytes]:
    return encode_start(
        1, series_unique_id=TIMES["series_unique_id"], channels=["threshold_1"], shape=(3, 4), dtype="uint16", **more
    )


def said(**changes: Any) -> list[bytes]:
    """Return an image of which some keys are others."""
    return [cbor2.dumps({"type": "image", "series_id": 1, "image_id": 7, "data": {"a": array()}, **changes})]


def array(tag: int = 69, content: Any = PIXELS, dimensions: Any = (3, 4)) -> cbor2.CBORTag:
    return cbor2.CBORTag(40, [dimensions, cbor2.CBORTag(tag, content)])


class TestConformance(DecoderTests):
    decoder = DectrisDecoder

    def scan(self) -> Sequence[Unit]:
        images = [
            image(0),
            image(1, threshold_1=IMAGE, threshold_2=IMAGE + 1, difference=IMAGE.astype(np.int16)),
            image(2, threshold_1=SQUEEZED_IMAGE),
            image(3, threshold_1=LARGE),
        ]
        mask = {"threshold_1": (IMAGE % 5 == 0).astype(np.uint32)}
        begin = start(arm_date="2023-02-10T15:49:05+01:00", pixel_mask=mask, goniometer={"omega": {"start": 0.5}})
        return [[begin], *[[each] for each in images], [encode_end(1, series_unique_id="01GRXW")]]

    def hostile(self) -> Iterable[tuple[str, Packet]]:
        yield from super().hostile()
        for name, raw in HOSTILE.items():
            yield name, [raw]
        for name, changes, _ in WRONG:
            yield name, said(**changes)


HOSTILE = {
    "a list": cbor2.dumps(["image"]),
    "an image in an unknown tag": b"\xd9\x59\xf7" + said()[0],
    "a huge list": b"\xa1\x61a\x9b" + b"\xff" * 8,
    "a huge map": b"\xbb" + b"\xff" * 8,
    "a huge string": b"\xa1\x61a\x5b\x7f" + b"\xff" * 7,
    "lists in lists": b"\xa1\x61a" + b"\x81" * 100_000,
    "tags in tags": b"\xa1\x61a" + b"\xc1" * 100_000,
    "a break": b"\xa1\x61a\xff",
    "a break in a map of known length": b"\xa2\x61a\x00\xff",
    "a key without a value": b"\xbf\x61a\xff",
    "a string in pieces of another kind": b"\xa1\x61a\x5f\x61a\xff",
    "a head that does not exist": b"\xa1\x61a\x1c",
    "a simple value": b"\xa1\x61a\xe4",
    "undefined": b"\xa1\x61a\xf7",
    "no text": b"\xa1\x61a\x61\xff",
    "a surrogate": b"\xa1\x61a\x63\xed\xa0\x80",
    "a number as key": cbor2.dumps({"type": "end", "series_id": 1, "user_data": {1: 2}}),
    "a list as key": b"\xa1\x81\x01\x01",
    "the tag that is never valid": b"\xa1\x61a\xdb" + b"\xff" * 8 + b"\x00",
    "two messages": said()[0] * 2,
}
WRONG: Sequence[tuple[str, dict[str, Any], str]] = (
    ("another type", {"type": "stop"}, "type 'stop' is none of"),
    ("a type that is a list", {"type": ["image"]}, "is none of"),
    ("no series", {"series_id": None}, "series_id is None"),
    ("true as number", {"image_id": True}, "image_id is True"),
    ("a number below 0", {"image_id": -1}, "image_id is -1"),
    ("a number above 64 bits", {"image_id": 2**64}, "image_id is"),
    ("no data", {"data": {}}, "no map of channels"),
    ("data that are a list", {"data": [array()]}, "no map of channels"),
    ("data that are bytes", {"data": {"a": bytes(5000)}}, "no map of channels"),
    ("an array of one dimension without tag 40", {"data": {"a": [[3, 4], cbor2.CBORTag(69, bytes(24))]}}, "no map of"),
    ("tag 40 around a number", {"data": {"a": cbor2.CBORTag(40, 1)}}, "not around"),
    ("tag 40 around bytes", {"data": {"a": cbor2.CBORTag(40, [[3, 4], bytes(24)])}}, "not around"),
    ("dimensions that are a number", {"data": {"a": array(dimensions=12)}}, "no dimensions"),
    ("no dimensions", {"data": {"a": array(dimensions=[])}}, "no dimensions; 1 to 8"),
    ("a thousand dimensions", {"data": {"a": array(dimensions=[1] * 1000)}}, "no dimensions; 1 to 8"),
    ("negative dimensions", {"data": {"a": array(dimensions=[-3, -4])}}, "whole numbers from 1"),
    ("dimensions that overflow", {"data": {"a": array(dimensions=[2**62 + 3, 4])}}, "whole numbers from 1"),
    ("fractional dimensions", {"data": {"a": array(dimensions=[3.0, 4.0])}}, "whole numbers from 1"),
    ("too few pixels", {"data": {"a": array(content=bytes(22))}}, r"array of 11 values, where \[3, 4\] asks for 12"),
    ("half a pixel", {"data": {"a": array(content=bytes(23))}}, "no byte string of a multiple of 2 bytes"),
    ("pixels that are a list", {"data": {"a": array(content=[1] * 12)}}, "no byte string"),
    ("floats of 128 bits", {"data": {"a": array(tag=87, content=bytes(12 * 16))}}, "not around"),
    ("columns first", {"data": {"a": cbor2.CBORTag(1040, [[3, 4], cbor2.CBORTag(69, bytes(24))])}}, "no map of"),
    ("compressed text", {"data": {"a": array(content=cbor2.CBORTag(56500, ["bslz4", 2, "a"]))}}, "not around"),
    ("no algorithm", {"data": {"a": array(content=cbor2.CBORTag(56500, [1, 2, SQUEEZED]))}}, "no name of a compress"),
    (
        "elements of another size",
        {"data": {"a": array(content=cbor2.CBORTag(56500, ["bslz4", 4, SQUEEZED]))}},
        "bslz4 with elements of 4 bytes in an array of uint16; 2 would be right",
    ),
    (
        "a frame of another size",
        {"data": {"a": array(content=cbor2.CBORTag(56500, ["lz4", 0, bytes(7) + b"\x20" + bytes(9)]))}},
        r"an array of 16 values, where \[3, 4\] asks for 12",
    ),
    (
        "no frame",
        {"data": {"a": array(content=cbor2.CBORTag(56500, ["lz4", 0, b"abc"]))}},
        "3 bytes of lz4, which has a head of 12",
    ),
    ("a date that is none", {"series_date": "soon", "start_time": [0, 1]}, "series_date is 'soon', no date"),
    ("a date that is a number", {"series_date": 5, "start_time": [0, 1]}, "series_date is 5, no date"),
    ("a date in the far future", {"series_date": "9999-01-01T00:00:00Z", "start_time": [0, 1]}, "ns after 1970"),
    ("a time that is a number", {"series_date": "2023-02-10T15:49:05Z", "start_time": 1}, "is right"),
    ("a time over 0", {"series_date": "2023-02-10T15:49:05Z", "start_time": [1, 0]}, "is right"),
    ("user data that are compressed", {"user_data": cbor2.CBORTag(56500, ["lz4", 0, b"abc"])}, "where no array is due"),
)


@pytest.mark.parametrize(("changes", "says"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG])
def test_an_error_says_what_would_be_right(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(RemoteProtocolError, match=says):
        DectrisDecoder().feed(said(**changes), 0)


def test_an_image_has_all_channels_and_the_detectors_time() -> None:
    sent = image(7, threshold_1=LARGE, threshold_2=LARGE + 1, difference=IMAGE.astype(np.int16))
    (message,) = DectrisDecoder().feed(sent, 5)
    assert (message.key, message.kind, message.encodings) == (7, Kind.DATA, ())
    assert message.timestamp == Timestamp.from_iso("2023-02-10T14:49:05.3009999Z")
    assert message.metadata["channels"] == ["threshold_1", "threshold_2", "difference"]
    for got, wanted in zip(message.buffers, (LARGE, LARGE + 1, IMAGE), strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert np.shares_memory(message.array, np.frombuffer(sent[0], np.uint8))
    told = {"series_id": 1, "start_time": [999_995, 50_000_000], "user_data": [1, "💙"], "type": "image"}
    assert message.metadata.items() >= told.items()
    assert message.metadata["series_date"] == "2023-02-10T15:49:05.281+01:00"


def test_an_image_without_times_is_dated_when_it_is_received() -> None:
    (message,) = DectrisDecoder().feed(said(), 5)
    assert message.timestamp_ns == 5


@pytest.mark.parametrize("tag", sorted(TYPES))
def test_every_type_is_read(tag: int) -> None:
    pixels = np.arange(12).astype(TYPES[tag]).reshape(3, 4)
    (message,) = DectrisDecoder().feed(said(data={"a": array(tag, pixels.tobytes())}), 0)
    np.testing.assert_array_equal(message.array, pixels)
    assert message.array.dtype == np.dtype(TYPES[tag])


@pytest.mark.parametrize("name", ["bslz4", "lz4"])
@pytest.mark.parametrize("length", [8, 8000])
def test_a_compressed_channel_stays_as_it_came(name: str, length: int) -> None:
    squeezed = SQUEEZED[:12] + bytes(length)
    sent = image(0, threshold_1=(Encoding(name, "<u2", (3, 4)), squeezed), threshold_2=IMAGE)
    (message,) = DectrisDecoder().feed([memoryview(sent[0])], 0)
    assert message.encodings == (Encoding(name, "<u2", (3, 4)), None)
    assert (message.array.tobytes(), message.array.dtype) == (squeezed, np.uint8)
    np.testing.assert_array_equal(message.more[0], IMAGE)


def test_an_algorithm_of_the_future_travels() -> None:
    (message,) = DectrisDecoder().feed(said(data={"a": array(content=cbor2.CBORTag(56500, ["zz9", None, b"abc"]))}), 0)
    assert message.encodings == (Encoding("zz9", "<u2", (3, 4)),)


def test_a_start_has_its_arrays_as_buffers() -> None:
    table = np.array([0, 8319, 16623], np.uint32)
    flat = np.linspace(0.9, 1.1, 12, dtype=np.float32).reshape(3, 4)
    squeezed = Encoding("bslz4", "<u4", (3, 4)), (48).to_bytes(8, "big") + bytes(20)
    sent = start(
        flatfield={"threshold_1": flat, "threshold_2": flat * 2},
        pixel_mask={"threshold_1": squeezed},
        countrate_correction_lookup_table=table,
        arm_date="2023-02-10T15:49:05+01:00",
        goniometer={"omega": {"increment": 0.1, "start": 0.5}},
        number_of_images=3,
    )
    (message,) = DectrisDecoder().feed(sent, 5)
    assert (message.kind, message.key, message.timestamp_ns) == (Kind.START, None, 5)
    assert message.metadata["arrays"] == [
        "flatfield/threshold_1", "flatfield/threshold_2", "pixel_mask/threshold_1", "countrate_correction_lookup_table",
    ]  # fmt: skip
    for got, wanted in zip(message.buffers, (flat, flat * 2, np.frombuffer(squeezed[1], np.uint8), table), strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert message.encodings == (None, None, squeezed[0], None)
    told = {"arm_date": "2023-02-10T15:49:05+01:00", "goniometer": {"omega": {"increment": 0.1, "start": 0.5}}}
    assert message.metadata.items() >= told.items()
    assert (message.metadata["image_size_x"], message.metadata["image_size_y"]) == (4, 3)


def test_what_a_user_adds_is_plain() -> None:
    more = [cbor2.CBORTag(35, "(a+)+$"), bytes(5000), cbor2.CBORTag(69, bytes(4)), cbor2.CBORTag(4, [2**40, 1])]
    (message,) = DectrisDecoder().feed(said(user_data={"of": more}), 0)
    text, data, flat, decimal = message.metadata["user_data"]["of"]
    assert (text, data, flat.tolist(), decimal) == ("(a+)+$", bytes(5000), [0, 0], [2**40, 1])


def test_maps_of_unknown_length_are_read() -> None:
    end = b"\xbf\x64type\x63end\x69series_id\x01\x69user_data\x9f\x7f\x61a\x61b\xff\xff\xff"
    (message,) = DectrisDecoder().feed([end], 0)
    assert (message.kind, message.metadata) == (Kind.END, {"type": "end", "series_id": 1, "user_data": ["ab"]})
