"""LeCroy: conformance in both modes, pieces that are lost, and the recorded acquisitions."""

import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock.core import Kind
from penstock.errors import RemoteProtocolError
from penstock.protocols.lecroy import (
    LecroyDecoder,
    encode_acquisition,
    encode_end,
    encode_sequence,
    encode_start,
)
from penstock.testing.decoder_tests import DecoderTests, Packet, Unit, decoded

CHANNELS = (2, 4)
TIMES = [1_740_736_916.5, 1_740_736_916.75]


def volts(number: int) -> dict[int, NDArray[np.float64]]:
    return {ch: np.arange(6, dtype=np.float64).reshape(2, 3) + 10 * ch + number for ch in CHANNELS}


def acquisition(number: int) -> list[list[bytes]]:
    return encode_acquisition(2 * number, volts(number), TIMES, offset_s=-1e-7, interval_s=1.25e-11)


class TestTriggered(DecoderTests):
    decoder = LecroyDecoder

    def scan(self) -> Sequence[Unit]:
        units = [
            [encode_sequence(CHANNELS, frame=2 * n, seqno=n, ntriggers=2), *acquisition(n)] for n in range(2)
        ]  # fmt: skip
        return [[encode_start()], *units, [encode_end(4)]]


def continuous(*acquisitions: Sequence[Packet]) -> list[Packet]:
    packets = [packet for each in acquisitions for packet in each]
    return [encode_start(), encode_sequence(CHANNELS), *packets, encode_end(2 * len(acquisitions))]


def numbers(packets: Sequence[Packet]) -> tuple[list[int | None], list[str]]:
    messages, lost = decoded(LecroyDecoder(), packets)
    assert [m.kind for m in messages if m.key is None] == [Kind.START, Kind.END]
    for message in messages[1:-1]:
        assert message.key is not None
        for array, wanted in zip(message.buffers, volts(message.key).values(), strict=True):
            np.testing.assert_array_equal(array, wanted)
    return [message.key for message in messages[1:-1]], lost


def test_an_acquisition_is_what_was_sent() -> None:
    packets = continuous(acquisition(0), acquisition(1))
    messages, lost = decoded(LecroyDecoder(), packets)
    assert not lost
    message = messages[2]
    assert (message.key, message.timestamp_ns, message.kind) == (1, round(TIMES[0] * 1e9), Kind.DATA)
    assert message.array.shape == (2, 3)
    np.testing.assert_array_equal(message.more[0], volts(1)[4])
    assert np.shares_memory(message.array, np.frombuffer(packets[5][1], np.uint8))
    assert message.metadata["channels"] == [2, 4]
    assert [head["horiz_interval"] for head in message.metadata["traces"]] == [1.25e-11] * 2
    np.testing.assert_array_equal(message.metadata["timestamps"][1], TIMES)


def test_a_sequence_may_have_other_channels_than_the_one_before() -> None:
    one = encode_acquisition(2, {7: np.ones((1, 2))}, [1.0])
    packets = [encode_sequence(CHANNELS, ntriggers=2), *acquisition(0), encode_sequence([7], frame=2, seqno=1), *one]
    messages, lost = decoded(LecroyDecoder(), packets)
    assert not lost
    assert [(m.key, len(m.buffers)) for m in messages] == [(0, 2), (1, 1)]


@pytest.mark.parametrize("piece", [0, 1])
def test_a_lost_piece_costs_its_acquisition_and_one_error(piece: int) -> None:
    first = acquisition(0)
    del first[piece]
    found, lost = numbers(continuous(first, acquisition(1), acquisition(2)))
    assert (found, len(lost)) == ([1, 2], 1)
    assert "acquisition 0" in lost[0]


@pytest.mark.parametrize("piece", [0, 1, 2])
@pytest.mark.parametrize("part", [0, 2])
def test_a_wrong_piece_costs_its_acquisition_and_one_error(piece: int, part: int) -> None:
    first = [list(packet) for packet in acquisition(0)]
    if part >= len(first[piece]):
        return
    first[piece][part] = first[piece][part][:-3]
    found, lost = numbers(continuous(first, acquisition(1), acquisition(2)))
    assert (found, len(lost)) == ([1, 2] if piece < 2 else [0, 1, 2], 1)


def test_nothing_is_lost_with_an_end() -> None:
    assert numbers(continuous(acquisition(0)[:2], acquisition(1)[:2], acquisition(2)[:2])) == ([0, 1, 2], [])


def test_channels_of_two_acquisitions_are_never_mixed() -> None:
    first, second, third = acquisition(0), acquisition(1), acquisition(2)
    found, lost = numbers(continuous([first[0]], second[1:], third))
    assert (found, len(lost)) == ([2], 2)


def test_a_refused_sequence_costs_its_acquisition_and_one_error() -> None:
    wrong = [encode_sequence(CHANNELS)[0].replace(b"[2,4]", b"[2,2]")]
    packets = [wrong, *acquisition(0), encode_sequence(CHANNELS, frame=2, seqno=1), *acquisition(1)]
    found, lost = numbers([encode_start(), *packets, encode_end(4)])
    assert (found, len(lost)) == ([1], 1)
    assert "1 to 64 different ones" in lost[0]


def test_a_connection_that_ends_in_an_acquisition_says_so() -> None:
    decoder = LecroyDecoder()
    decoded(decoder, continuous(acquisition(0))[:3])
    with pytest.raises(RemoteProtocolError, match="acquisition 0 is not whole: traces of channel 4 did not come"):
        list(decoder.finish())


@pytest.mark.parametrize(
    ("packet", "says"),
    [
        ([b'{"htype":"msg","what":4}'], "what is '4'; 0, 1, 2 or 3"),
        ([b'{"htype":"msg","what":true}'], "what is 'True'"),
        ([b'{"htype":"traces"}'], "traces of 1 parts; traces have 3"),
        (acquisition(0)[0], "traces of channel 2 before the start of their sequence"),
        ([acquisition(0)[0][0], acquisition(0)[0][1], pickle.dumps([1.0])], "no list of 2 times in s"),
        ([acquisition(0)[0][0], acquisition(0)[0][1], pickle.dumps([1.0, float("nan")])], "no list of 2 times in s"),
        ([acquisition(0)[0][0].replace(b"[2,3]", b"[6]"), *acquisition(0)[0][1:]], "the header of traces is wrong"),
        ([b'{"htype":"msg","what":1,"frame":0,"seqno":0,"ntriggers":-1,"channels":"2"}'], "a list of numbers is due"),
        ([b'{"htype":"msg","what":1,"frame":0,"ntriggers":-1,"channels":[2]}'], "seqno of a sequence is 'None'"),
    ],
)
def test_what_is_wrong_is_named(packet: Packet, says: str) -> None:
    _, lost = decoded(LecroyDecoder(), [packet])
    assert len(lost) == 1
    assert says in lost[0]


def test_the_recorded_acquisitions(recordings: Path) -> None:
    from penstock.elements.recording_file import RecordingFile

    packets = [record.parts for record in RecordingFile(recordings / "maui-02-continuous-3.cbor.gz")]
    messages, lost = decoded(LecroyDecoder(), packets)
    assert not lost
    assert [(m.kind, m.key) for m in messages] == [(Kind.START, None), (Kind.DATA, 0), (Kind.DATA, 1), (Kind.END, None)]
    last = messages[2]
    assert [array.shape for array in last.buffers] == [(1, 8002)] * 2
    assert (float(last.array.max()), last.timestamp_ns) == (0.1675630532008654, round(1740563664.335 * 1e9))
    assert last.metadata["timestamps"][0].tolist() == [1740563664.335]
    assert messages[3].metadata["frames"] == 4
