"""Sardana: conformance, and what its requests become."""

from collections.abc import Sequence

import pytest

from penstock.core import Kind
from penstock.protocols.sardana import SardanaDecoder, encode_custom, encode_end, encode_point, encode_start
from penstock.testing.decoder_tests import DecoderTests, Unit, decoded


class TestConformance(DecoderTests):
    decoder = SardanaDecoder

    def scan(self) -> Sequence[Unit]:
        points = [[encode_point(0.5 * n, point_nb=n, dummy_mot_01=0.0)] for n in range(2)]
        start = encode_start(20338, "ascan dummy_mot_01 0 1 1 0.1", scandir="/data", ref_moveables=["dummy_mot_01"])
        return [[start], [encode_custom(name="plot", value=[1])], *points, [encode_end()]]


def test_requests_become_messages() -> None:
    messages, lost = decoded(SardanaDecoder(), [packet for unit in TestConformance().scan() for packet in unit])
    assert not lost
    assert [m.kind for m in messages] == [Kind.START, Kind.DATA, Kind.DATA, Kind.END]
    assert messages[0].metadata["serialno"] == 20338
    assert messages[2].metadata == {"timestamp": 0.5, "point_nb": 1, "dummy_mot_01": 0.0}


def test_custom_data_is_filtered() -> None:
    decoder = SardanaDecoder()
    assert decoded(decoder, [encode_custom(anything=None)]) == ([], [])
    assert decoder.heartbeats == 1


@pytest.mark.parametrize(
    ("packet", "says"),
    [
        ([b"{}", b"data_desc"], "serialno is missing; a whole number is due"),
        ([b'{"serialno":1,"scandir":"","title":1}', b"data_desc"], "title is '1'; a text is due"),
        ([b'{"timestamp":"now"}', b"record_data"], "timestamp is 'now'; a number of seconds is due"),
        ([b'{"timestamp":true}', b"record_data"], "timestamp is 'True'"),
        ([b"[]", b"record_end"], "the body is not a JSON object"),
        ([b"{}", b"shutdown"], "'shutdown' is none of data_desc, record_data, record_end, custom_data"),
    ],
)
def test_what_is_wrong_is_named(packet: list[bytes], says: str) -> None:
    _, lost = decoded(SardanaDecoder(), [packet])
    assert len(lost) == 1
    assert says in lost[0]
