"""Xspress3: conformance in both framings, what its frames become, and frames that are not whole."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from penstock.core import Kind, Message
from penstock.protocols.xspress3 import COUNTERS, Xspress3Decoder, encode_end, encode_image, encode_start
from penstock.testing.decoder_tests import DecoderTests, Packet, Unit, decoded

COUNTS = np.arange(46, dtype=np.uint32).reshape(2, 23)
COUNTERS_SENT = {"ClockTicks": np.array([7, 9]), "dtc": np.array([1.0, 1.5])}
WINDOWS = {"window_counts": np.array([[1, 2], [3, 4]])}


def separate(frame: int) -> Unit:
    return encode_image(frame, COUNTS + frame, COUNTERS_SENT, framing="separate")


def in_one(frame: int) -> Unit:
    return encode_image(frame, COUNTS + frame, COUNTERS_SENT | WINDOWS)


class TestSeparate(DecoderTests):
    decoder = Xspress3Decoder

    def scan(self) -> Sequence[Unit]:
        return [encode_start("scan.h5"), separate(0), separate(1), separate(2), encode_end()]


class TestMultipart(DecoderTests):
    decoder = Xspress3Decoder

    def scan(self) -> Sequence[Unit]:
        return [encode_start("scan.h5", limits=[[1, 2]]), in_one(0), in_one(1), encode_end()]


class TestMixed(DecoderTests):
    decoder = Xspress3Decoder

    def scan(self) -> Sequence[Unit]:
        return [encode_start("scan.h5"), in_one(0), separate(1), in_one(2), encode_end()]


@pytest.mark.parametrize("unit", [separate(3), in_one(3)])
def test_a_frame_is_what_was_sent(unit: Unit) -> None:
    (message,), lost = decoded(Xspress3Decoder(), unit)
    assert not lost
    assert message.key == 3
    np.testing.assert_array_equal(message.array, COUNTS + 3)
    assert message.metadata["exptime"] == 0.1
    np.testing.assert_array_equal(message.metadata["ClockTicks"], [7, 9])
    assert message.metadata["AllGood"].dtype == np.uint32


def test_the_windows_are_kept_when_they_are_sent() -> None:
    assert "window_counts" not in only(separate(0)).metadata
    np.testing.assert_array_equal(only(in_one(0)).metadata["window_counts"], [[1, 2], [3, 4]])


@pytest.mark.parametrize("missing", [0, 1, 2])
@pytest.mark.parametrize("follow", [separate(1), in_one(1), encode_end(), encode_start("next.h5")])
def test_a_frame_that_is_not_whole_shifts_nothing(missing: int, follow: Unit) -> None:
    pieces = list(separate(0))
    del pieces[missing]
    messages, lost = decoded(Xspress3Decoder(), [*pieces, *follow, *separate(2)])
    assert lost
    assert [message.key for message in messages][-1] == 2
    assert 0 not in [message.key for message in messages]
    assert len(messages) == 2


def test_a_wrong_piece_is_one_loss() -> None:
    pieces: list[Packet] = list(separate(0))
    for wrong in range(3):
        sent = [*pieces]
        sent[wrong] = [pieces[wrong][0][:-1]]
        messages, lost = decoded(Xspress3Decoder(), [*sent, *separate(1)])
        assert [message.key for message in messages] == [1]
        assert len(lost) == (1 if wrong else 3), "without a header the other two pieces belong to nothing"


def test_a_connection_that_ends_in_a_frame_is_reported() -> None:
    decoder = Xspress3Decoder()
    decoded(decoder, separate(4)[:2])
    with pytest.raises(Exception, match="frame 4 is not whole: its counters did not come"):
        decoder.finish()


def test_counters_must_fit_the_channels() -> None:
    unit = encode_image(0, COUNTS, {"dtc": np.ones(3)})
    _, (text,) = decoded(Xspress3Decoder(), unit)
    assert text == "frame 0: dtc has shape [3] of float64 for 2 channels"


def only(unit: Unit) -> Message:
    (message,), lost = decoded(Xspress3Decoder(), unit)
    assert not lost
    return message


def test_the_recorded_scan(recordings: Path) -> None:
    from penstock.elements.recording_file import RecordingFile

    file = RecordingFile(recordings / "xspress3-dump.cbors")
    packets = [record.parts for record in file]
    messages, lost = decoded(Xspress3Decoder(), packets)
    assert (len(packets), lost, file.trouble) == (62, [], "")
    assert [message.kind for message in messages] == [Kind.START, *[Kind.DATA] * 20, Kind.END]
    frames = messages[1:-1]
    assert [frame.key for frame in frames] == list(range(20))
    assert np.sum([frame.array for frame in frames], axis=(0, 2)).tolist() == [5, 7, 3, 32]
    assert {frame.array.shape for frame in frames} == {(4, 4096)}
    assert {frame.metadata["exptime"] for frame in frames} == {0.099999875}
    assert {tuple(frame.metadata["ClockTicks"]) for frame in frames} == {(7999990,) * 4}
    assert set(frames[0].metadata) & set(COUNTERS) == set(COUNTERS) - {"window_counts"}
