"""Eiger stream v1: conformance for every header_detail, and what its messages become."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from penstock.core import Kind
from penstock.core.encoding import Encoding
from penstock.errors import RemoteProtocolError
from penstock.protocols.eiger import TABLES, Detail, EigerDecoder, encode_end, encode_image, encode_start
from penstock.testing.decoder_tests import DecoderTests, Unit

IMAGE = np.arange(12, dtype=np.uint16).reshape(3, 4)
TABLES_SENT = {
    "flatfield": np.linspace(0.9, 1.1, 12, dtype=np.float32).reshape(3, 4),
    "pixelmask": (IMAGE % 5 == 0).astype(np.uint32),
    "countrate_table": np.array([[0, 0], [8327, 8319], [16654, 16623]], np.float32),
}
SQUEEZED = (24).to_bytes(8, "big") + (8192).to_bytes(4, "big") + b"squeezed"
"""As a detector would send 12 pixels of 16 bits; what follows the head is not looked at."""


def scan(detail: Detail) -> Sequence[Unit]:
    start = encode_start(6, detail, config={"count_time": 0.01, "nimages": 3}, tables=TABLES_SENT)
    images = [[encode_image(6, n, IMAGE + n, start_time=n, stop_time=n + 1, real_time=1)] for n in range(2)]
    squeezed = [encode_image(6, 2, SQUEEZED, encoding="bs16-lz4<", shape=(3, 4), dtype="uint16")]
    return [[start], *images, squeezed, [encode_end(6)]]


class TestNone(DecoderTests):
    decoder = EigerDecoder

    def scan(self) -> Sequence[Unit]:
        return scan("none")


class TestBasic(DecoderTests):
    decoder = EigerDecoder

    def scan(self) -> Sequence[Unit]:
        return scan("basic")


class TestAll(DecoderTests):
    decoder = EigerDecoder

    def scan(self) -> Sequence[Unit]:
        return scan("all")


def test_an_image_is_what_was_sent_rows_first() -> None:
    sent = encode_image(6, 7, IMAGE, hash="59bb", start_time=103_597, stop_time=103_607, real_time=9)
    (message,) = EigerDecoder().feed(sent, 5)
    assert (message.key, message.timestamp_ns, message.kind, message.encodings) == (7, 5, Kind.DATA, ())
    np.testing.assert_array_equal(message.array, IMAGE)
    assert np.shares_memory(message.array, np.frombuffer(sent[2], np.uint8))
    assert message.metadata["shape"] == [4, 3]
    told = {"series": 6, "hash": "59bb", "start_time": 103_597, "stop_time": 103_607, "real_time": 9, "type": "uint16"}
    assert message.metadata.items() >= told.items()


@pytest.mark.parametrize("detail", ["none", "basic", "all"])
@pytest.mark.parametrize(
    ("appendix", "becomes"), [('{"run": [1]}', {"run": [1]}), ("[1, 2]", [1, 2]), ("sample 7", "sample 7"), ("{", "{")]
)
def test_an_appendix_may_follow(detail: Detail, appendix: str, becomes: Any) -> None:
    start = encode_start(6, detail, config={"nimages": 3}, tables=TABLES_SENT, appendix=appendix)
    image = encode_image(6, 0, IMAGE, appendix=appendix)
    found = [next(EigerDecoder().feed(parts, 0)) for parts in (start, image)]
    assert [message.metadata["appendix"] for message in found] == [becomes, becomes]
    assert "appendix" not in next(EigerDecoder().feed(start[:-1], 0)).metadata


def test_a_start_has_what_its_detail_says() -> None:
    none, basic, everything = (next(EigerDecoder().feed(scan(detail)[0][0], 0)) for detail in ("none", "basic", "all"))
    assert none.metadata == {"htype": "dheader-1.0", "series": 6, "header_detail": "none"}
    assert basic.metadata["config"] == everything.metadata["config"] == {"count_time": 0.01, "nimages": 3}
    assert (none.buffers, basic.buffers) == ((), ())
    assert everything.metadata["arrays"] == list(TABLES)
    for name, array in zip(TABLES, everything.buffers, strict=True):
        np.testing.assert_array_equal(array, TABLES_SENT[name])


@pytest.mark.parametrize(
    ("encoding", "dtype", "pixels", "becomes"),
    [
        ("bs16-lz4<", "uint16", SQUEEZED, Encoding("bslz4", "<u2", (3, 4))),
        ("bs8-lz4<", "uint8", (12).to_bytes(8, "big") + bytes(5), Encoding("bslz4", "|u1", (3, 4))),
        ("bs32-lz4<", "uint32", (48).to_bytes(8, "big") + bytes(5), Encoding("bslz4", "<u4", (3, 4))),
        ("bs16-lz4>", "uint16", SQUEEZED, Encoding("bslz4", ">u2", (3, 4))),
        ("lz4<", "uint32", b"squeezed", Encoding("lz4", "<u4", (3, 4))),
    ],
)
def test_a_compressed_image_stays_as_it_came(encoding: str, dtype: str, pixels: bytes, becomes: Encoding) -> None:
    sent = encode_image(6, 0, pixels, encoding=encoding, shape=(3, 4), dtype=dtype)
    (message,) = EigerDecoder().feed(sent, 0)
    assert (message.array.tobytes(), message.array.dtype) == (pixels, np.uint8)
    assert message.encodings == (becomes,)
    assert message.metadata["encoding"] == encoding


def test_an_image_of_the_other_byte_order_is_read() -> None:
    sent = encode_image(6, 0, IMAGE.astype(">u2").tobytes(), encoding=">", shape=(3, 4), dtype="uint16")
    (message,) = EigerDecoder().feed(sent, 0)
    np.testing.assert_array_equal(message.array, IMAGE)


def test_series_may_mingle() -> None:
    sent = [encode_start(6, "none"), encode_start(7, "none"), encode_image(7, 0, IMAGE), encode_image(6, 0, IMAGE)]
    decoder = EigerDecoder()
    found = [next(decoder.feed(parts, 0)) for parts in [*sent, encode_end(6), encode_end(7)]]
    assert [message.metadata["series"] for message in found] == [6, 7, 7, 6, 6, 7]


def changed(which: int, **more: Any) -> list[bytes]:
    """Return an image with other keys in one of its JSON parts."""
    parts = encode_image(6, 7, IMAGE)
    parts[which] = msgspec.json.encode(msgspec.json.decode(parts[which]) | more)
    return parts


@pytest.mark.parametrize(
    ("part", "keys", "says"),
    [
        (0, {"frame": True}, "frame is True"),
        (0, {"frame": -1}, "frame is -1"),
        (0, {"series": "6"}, "series is '6'"),
        (1, {"htype": "dimage-1.0"}, "htype 'dimage-1.0' where \"dimage_d-1.0\" is due"),
        (1, {"size": 23}, "frame 7 has 24 bytes where its header says 23"),
        (1, {"size": "24"}, "frame 7 has 24 bytes where its header says '24'"),
        (1, {"shape": [3, 3]}, r"24 bytes where shape \[3, 3\] of uint16 asks for 18"),
        (1, {"shape": "[x,y,(z)]"}, r"\[x, y\] would be right"),
        (1, {"shape": [4.0, 3.0]}, r"\[x, y\] would be right"),
        (1, {"shape": [4, True]}, r"\[x, y\] would be right"),
        (1, {"shape": [[4], 3]}, "a list or an object as encoding, type or length"),
        (1, {"shape": [0, 3]}, r"\[x, y\] would be right"),
        (1, {"shape": [1] * 1000}, r"\[x, y\] would be right"),
        (1, {"encoding": "lz4<", "size": 0}, "frame 7 has 24 bytes where its header says 0"),
        (1, {"shape": []}, r"\[x, y\] would be right"),
        (1, {"shape": [2**31, 2**31, 2**31], "encoding": "bs16-lz4<"}, "becomes"),
        (1, {"type": "object"}, "such as uint32 would be right"),
        (1, {"encoding": "adsc"}, "which is unknown; lz4< and bs32-lz4< are known"),
        (1, {"encoding": "bs16-<"}, "which is unknown"),
        (1, {"encoding": None}, "which is unknown"),
        (1, {"encoding": "bs32-lz4<"}, "encoded as bs32-lz4< and has pixels of 16 bits"),
        (1, {"encoding": "bs16-lz4<"}, r"becomes 1099545182976 bytes where shape \[4, 3\] of uint16 asks for 24"),
        (3, {"htype": ""}, 'where "dconfig-1.0" is due'),
    ],
)
def test_an_error_says_what_would_be_right(part: int, keys: Mapping[str, Any], says: str) -> None:
    with pytest.raises(RemoteProtocolError, match=says):
        EigerDecoder().feed(changed(part, **keys), 0)


@pytest.mark.parametrize("detail", ["everything", 1, ["all"]])
def test_an_unknown_detail_is_refused(detail: Any) -> None:
    head = msgspec.json.encode({"htype": "dheader-1.0", "series": 1, "header_detail": detail})
    with pytest.raises(RemoteProtocolError, match='is none of "all", "basic", "none"'):
        EigerDecoder().feed([head], 0)


def test_a_start_of_too_many_parts_says_how_many_are_right() -> None:
    with pytest.raises(RemoteProtocolError, match="header_detail basic of 4 parts; 2, or 3 with an appendix, would be"):
        EigerDecoder().feed([*encode_start(6), b"{}", b"{}"], 0)


def test_it_reads_what_a_detector_writes() -> None:
    start = [
        b'{"header_detail":"all","htype":"dheader-1.0","series":6}',
        b'{"bit_depth_image":32,"count_time":0.0099999,"detector_translation":[0.0,0.0,0.0],"nimages":3}',
        b'{"htype":"dflatfield-1.0","shape":[4,2],"type":"float32"}', bytes(32),
        b'{"htype":"dpixelmask-1.0","shape":[4,2],"type":"uint32"}', bytes(32),
        b'{"htype":"dcountrate_table-1.0","shape":[2,3],"type":"float32"}', bytes(24),
        b'{"col": 0, "row": 0}',
    ]  # fmt: skip
    image = [
        b'{"frame":2,"hash":"25c4ffc0f9e65563dbe499d89f545214","htype":"dimage-1.0","series":6}',
        b'{"encoding":"bs32-lz4<","htype":"dimage_d-1.0","shape":[4,2],"size":20,"type":"uint32"}',
        bytes.fromhex("0000000000000020 00002000 0000000000000000"),
        b'{"htype":"dconfig-1.0","real_time":9999900,"start_time":103597379252740,"stop_time":103597389252640}',
        b"{}",
    ]
    decoder = EigerDecoder()
    (first,), (second,), (third,) = (
        decoder.feed(parts, 0) for parts in (start, image, [b'{"htype":"dseries_end-1.0","series":6}'])
    )
    assert [array.shape for array in first.buffers] == [(2, 4), (2, 4), (3, 2)]
    assert first.metadata["appendix"] == {"col": 0, "row": 0}
    assert (second.key, second.encodings, second.array.nbytes) == (2, (Encoding("bslz4", "<u4", (2, 4)),), 20)
    assert (second.metadata["stop_time"], second.metadata["appendix"]) == (103_597_389_252_640, {})
    assert (third.kind, third.metadata["series"]) == (Kind.END, 6)
