"""AlbaEM: conformance, what its messages become, and the recorded series."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from penstock.core import Kind
from penstock.protocols.albaem import AlbaemDecoder, encode_end, encode_reading, encode_start
from penstock.testing.decoder_tests import DecoderTests, Unit, decoded

NS = 1_704_807_770_443_944_912
CURRENTS = [-2.5e-11, 0.0, 2.5e-10, 4.8e-10]


class TestConformance(DecoderTests):
    decoder = AlbaemDecoder

    def scan(self) -> Sequence[Unit]:
        readings = [[encode_reading(n, CURRENTS, acquired_ns=NS + n, timestamp_s=0.5)] for n in range(2)]
        return [[encode_start()], *readings, [encode_end(message_id=4)]]


def test_a_reading_is_what_was_sent() -> None:
    (message,) = AlbaemDecoder().feed(encode_reading(7, CURRENTS, acquired_ns=NS, gain="1nA"), 5)
    assert (message.key, message.timestamp_ns, message.kind) == (7, NS, Kind.DATA)
    np.testing.assert_array_equal(message.array, CURRENTS)
    assert message.metadata["gain"] == "1nA"
    assert message.metadata["message_id"] == 9


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ((b'"version":1', b'"version":2'), "version 2 of a message; 1 can be read"),
        ((b'"data"', b'"date"'), "message_type 'date' is none of series-start, data, series-end"),
        ((b'"message_id":2', b'"message_id":"2"'), "message_id '2' is no whole number"),
        ((b'"frame_number":0', b'"frame_number":-1'), "frame_number '-1' is no number from 0"),
        ((b'"frame_number":0', b'"frame_number":true'), "frame_number 'True' is no number from 0"),
        ((str(NS).encode(), b"1.5"), "acquisition_timestamp '1.5' is no time in ns"),
        ((b'"channel3":', b'"channel5":'), "a reading without channel3"),
        ((b'"channel2":0.0', b'"channel2":null'), "channel2 is 'None'; a current in A"),
        ((b'"channel2":0.0', b'"channel2":1' + b"0" * 400), "the message is not a JSON object"),
    ],
)
def test_what_is_wrong_is_named(wrong: tuple[bytes, bytes], says: str) -> None:
    (part,) = encode_reading(0, CURRENTS, acquired_ns=NS)
    assert wrong[0] in part
    _, lost = decoded(AlbaemDecoder(), [[part.replace(*wrong)]])
    assert len(lost) == 1
    assert says in lost[0] or "too large" in lost[0]


def test_the_recorded_series(recordings: Path) -> None:
    from penstock.elements.recording_file import RecordingFile

    packets = [record.parts for record in RecordingFile(recordings / "albaem-dump.cbors")]
    messages, lost = decoded(AlbaemDecoder(), packets)
    assert not lost
    assert [message.kind for message in messages] == [Kind.START, *[Kind.DATA] * 4, Kind.END]
    assert [message.key for message in messages[1:-1]] == [0, 1, 2, 3]
    first = [-2.8302592615927417e-11, -6.091210149949596e-11, 2.5349278603830644e-10, 4.80528800718246e-10]
    assert messages[1].array.tolist() == first
    assert messages[1].timestamp_ns == 1704807770443944912
    assert messages[-1].metadata["detector_specific"] == {"read_overflow": False, "memory_overflow": False}
