"""PandABox: conformance, what its text becomes, several arms, and what is refused."""

from collections.abc import Sequence

import numpy as np
import pytest

from penstock.core import Kind, Message, Timestamp
from penstock.errors import RemoteProtocolError
from penstock.protocols.pandabox import Field, PandaboxDecoder, encode_end, encode_row, encode_start
from penstock.testing.decoder_tests import DecoderTests, Unit, decoded, described

ARM = "2023-12-19T08:07:41.163Z"
FIELDS = [
    Field(name="PCAP.BITS2", type="uint32", capture="Value"),
    Field(name="COUNTER1.OUT", type="double", capture="Mean"),
    Field(name="PCAP.TS_TRIG", type="double", capture="Value", scale=8e-9, units="s"),
]
HEADER = encode_start(FIELDS, arm_time=ARM)
TEXT = b"""OK
arm_time: 2023-12-19T08:07:41.163Z
missed: 0
process: Scaled
format: ASCII
fields:
 PCAP.BITS2 uint32 Value
 COUNTER1.OUT double Mean scale: 1 offset: 0 units:
 PCAP.TS_TRIG double Value scale: 8e-09 offset: 0 units: s

 0 1.5 5.6e-08
 1 2.5 0.010000056
END 2 Disarmed
"""


class TestConformance(DecoderTests):
    decoder = PandaboxDecoder

    def scan(self) -> Sequence[Unit]:
        return [[[HEADER]], [[encode_row(0, 1.5, 0.1)]], [[encode_row(1, 2.5, 0.2)]], [[encode_end(2)]]]


class TestTwoArms(TestConformance):
    def scan(self) -> Sequence[Unit]:
        return [[[b"OK\n"]], *super().scan(), *super().scan()]


def decode(text: bytes) -> tuple[list[Message], list[str]]:
    return decoded(PandaboxDecoder(), [[text]])


def test_an_arm_is_what_was_sent() -> None:
    messages, lost = decode(TEXT)
    assert not lost
    start, first, second, end = messages
    assert [message.kind for message in messages] == [Kind.START, Kind.DATA, Kind.DATA, Kind.END]
    assert start.metadata["process"] == "Scaled"
    assert [field["name"] for field in start.metadata["fields"]] == ["PCAP.BITS2", "COUNTER1.OUT", "PCAP.TS_TRIG"]
    assert first.array["COUNTER1.OUT.Mean"] == 1.5
    assert second.array["PCAP.BITS2.Value"] == 1
    assert second.array.dtype["PCAP.BITS2.Value"] == np.uint32
    assert end.metadata == {"samples": 2, "reason": "Disarmed", "received": 2}


def test_our_header_is_the_box_s() -> None:
    assert TEXT.startswith(b"OK\n" + HEADER)


def test_rows_have_the_time_of_the_trigger() -> None:
    armed = Timestamp.from_iso(ARM)
    messages, _ = decode(TEXT)
    assert [message.timestamp_ns - armed.ns for message in messages[:3]] == [0, 56, 10_000_056]


def test_unscaled_times_are_scaled_here() -> None:
    text = TEXT.replace(b"Scaled", b"Unscaled").replace(b"5.6e-08", b"7")
    messages, _ = decode(text)
    assert messages[1].timestamp_ns - Timestamp.from_iso(ARM).ns == 56


def test_without_a_trigger_time_rows_have_that_of_reception() -> None:
    text = b"\n".join(line for line in TEXT.split(b"\n") if b"TS_TRIG" not in line).replace(b" 5.6e-08", b"")
    messages, _ = decode(text.replace(b" 0.010000056", b""))
    assert [message.timestamp_ns for message in messages[1:3]] == [1_000_000_000] * 2


def test_arms_follow_each_other_with_other_fields() -> None:
    other = encode_start(FIELDS[:2]) + encode_row(7, 8.0) + encode_end(1, "Ok")
    messages, lost = decode(TEXT + other)
    assert not lost
    assert messages[5].array.dtype.names == ("PCAP.BITS2.Value", "COUNTER1.OUT.Mean")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (b" 1 2.5", "a row of 2 values for 3 fields"),
        (b" 1 2.5 3 4", "a row of 4 values for 3 fields"),
        (b" 1 x 3", "could not convert"),
        (b" -1 2 3", "no uint32"),
        (b" 4294967296 2 3", "no uint32"),
        (b" 1.5 2 3", "invalid literal"),
        (b" 1_0 2 3", "no number"),
        (b"1 2 3", "belongs to no header"),
        (b" \xff 2 3", "wrong value"),
    ],
)
def test_a_wrong_row_is_lost_alone(row: bytes, says: str) -> None:
    lines = TEXT.split(b"\n")
    messages, lost = decode(b"\n".join([*lines[:11], row, *lines[11:]]))
    good, _ = decode(TEXT)
    assert len(lost) == 1
    assert says in lost[0]
    assert described(messages) == described(good)


@pytest.mark.parametrize(
    "broken",
    [
        TEXT.replace(b"ASCII", b"FRAMED"),
        TEXT.replace(b"uint32", b"uint33"),
        TEXT.replace(b"8e-09", b"fast"),
        TEXT.replace(b"2023-12-19", b"yesterday"),
        TEXT.replace(b"2023-12-19", b"9999999-12-19"),
        TEXT.replace(b"COUNTER1.OUT double Mean", b"PCAP.BITS2 uint32 Value"),
        TEXT.replace(b"missed: 0", b"what is this"),
        TEXT.replace(b"fields:\n", b""),
    ],
)
def test_a_wrong_header_loses_its_arm_and_no_other(broken: bytes) -> None:
    messages, lost = decode(broken + TEXT)
    assert lost
    assert described(messages) == described(decode(TEXT)[0])


def test_an_arm_whose_end_is_missing_is_reported() -> None:
    messages, lost = decode(TEXT.replace(b"END 2 Disarmed\n", b"") + TEXT)
    assert [message.kind.name for message in messages].count("END") == 1
    assert len(messages) == 7
    assert len(lost) == 1


def test_a_line_without_end_fills_no_memory() -> None:
    decoder = PandaboxDecoder()
    _, lost = decoded(decoder, [[b"x" * 50_000]] * 100 + [[b"\n" + TEXT]])
    assert len(lost) == 1
    assert len(decode(TEXT)[0]) == 4


def test_the_end_of_the_connection_in_an_arm_is_reported() -> None:
    decoder = PandaboxDecoder()
    decoded(decoder, [[TEXT[:-5]]])
    with pytest.raises(RemoteProtocolError, match="END line did not come"):
        decoder.finish()
