"""PandABox over ZeroMQ: conformance, points out of packets, and the recorded energy scan."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from penstock.core import Block, Kind, Timestamp
from penstock.core.block_builder import BlockBuilder
from penstock.elements.decoding import Decoding
from penstock.protocols.pandabox_zmq import PandaboxZmqDecoder, encode_end, encode_points, encode_start
from penstock.testing.decoder_tests import DecoderTests, Unit, decoded

COLUMNS = {"energy": [8879.125, 8879.25, 8879.5], "INENC3.VAL.Mean": [0.0, 1.0, -2.0]}


class TestConformance(DecoderTests):
    decoder = PandaboxZmqDecoder

    def scan(self) -> Sequence[Unit]:
        points = [[encode_points(3 * n, COLUMNS, message_id=n + 2, position="in")] for n in range(2)]
        return [[encode_start()], *points, [encode_end(message_id=4)]]


def test_a_packet_is_its_points() -> None:
    messages, lost = decoded(PandaboxZmqDecoder(), [encode_points(7, COLUMNS, mode="fly", message_id=3)])
    assert not lost
    assert [(m.key, m.timestamp_ns, m.kind, m.metadata) for m in messages] == [
        (key, 1_000_000_000, Kind.DATA, {"mode": "fly"}) for key in (7, 8, 9)
    ]
    assert [float(m.array["energy"]) for m in messages] == COLUMNS["energy"]
    assert messages[2].array.dtype.names == ("energy", "INENC3.VAL.Mean")
    assert messages[2].array.shape == ()


def test_whole_numbers_are_read_and_become_float64() -> None:
    (part,) = encode_points(0, {"x": [1.0]})
    (message,), _ = decoded(PandaboxZmqDecoder(), [[part.replace(b"[1.0]", b"[1]")]])
    assert message.array["x"].dtype == np.float64


def test_a_packet_of_no_points_carries_nothing() -> None:
    decoder = PandaboxZmqDecoder()
    assert decoded(decoder, [encode_points(0, {"x": []})]) == ([], [])
    assert decoder.heartbeats == 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ((b"8879.5]", b"8879.5,1]"), "4 values of energy, but 3 of INENC3.VAL.Mean; all would be as many"),
        ((b"8879.25", b'"high"'), "here energy is [8879.125, 'high', 8879.5]"),
        ((b"8879.25", b"null"), "points have lists of numbers and plain values; here energy is"),
        ((b"8879.25", b"true"), "points have lists of numbers and plain values; here energy is"),
        ((b"8879.25", b"[1]"), "points have lists of numbers and plain values; here energy is"),
        ((b'"frame_number":7', b'"frame_number":7.5'), "frame_number '7.5' is no number"),
        ((b'"frame_number":7', b'"frame_number":18446744073709551614'), "goes beyond 2**64 - 1"),
        ((b'"version":1', b'"version":9'), "version 9"),
        ((b'"energy"', b'""'), "a column without a name"),
    ],
)
def test_what_is_wrong_is_named(wrong: tuple[bytes, bytes], says: str) -> None:
    (part,) = encode_points(7, COLUMNS)
    assert wrong[0] in part
    messages, lost = decoded(PandaboxZmqDecoder(), [[part.replace(*wrong)]])
    assert (messages, len(lost)) == ([], 1)
    assert says in lost[0]


def test_a_start_has_the_time_of_arming() -> None:
    (message,), _ = decoded(PandaboxZmqDecoder(), [encode_start(arm_time="2024-10-07T08:49:10.627Z")])
    assert message.timestamp_ns == Timestamp.from_iso("2024-10-07T08:49:10.627Z").ns
    _, (lost,) = decoded(PandaboxZmqDecoder(), [encode_start(arm_time="now")])
    assert "arm_time 'now' is no time" in lost


def test_a_sender_of_ever_new_columns_fills_no_memory() -> None:
    decoder = PandaboxZmqDecoder()
    decoded(decoder, [encode_points(0, {f"x{n}": [1.0]}) for n in range(100)])
    assert len(decoder._dtypes) <= 16


def test_the_recorded_scan(recordings: Path) -> None:
    from penstock.elements.recording_file import RecordingFile

    builder = BlockBuilder("pcap")
    decoding = Decoding(PandaboxZmqDecoder(), builder)
    for record in RecordingFile(recordings / "pcap-zmq.cbors"):
        decoding.feed(record.parts, 5)
    reading = decoding.reading()
    assert not reading.unparsable
    start, points, end = reading.blocks
    assert (start.kind, points.kind, end.kind) == (Kind.START, Kind.DATA, Kind.END)
    assert isinstance(points, Block)
    assert points.keys is not None
    assert points.ids.tolist() == list(range(2, 1502))
    assert points.keys.tolist() == list(range(1500))
    rows = np.asarray(points.columns[0])
    assert rows.dtype.names == ("inttime", "triggernumber", "repeatindex", "energy", "INENC3.VAL.Mean")
    np.testing.assert_array_equal(rows["triggernumber"], np.arange(1, 1501))
    assert rows["energy"][[0, 14, 15]].tolist() == [8879.101048716273, 8881.900461311128, 8882.10023931892]
    assert (np.diff(rows["energy"]) > 0.15).all()
