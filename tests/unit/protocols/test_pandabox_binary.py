"""PandABox in binary: conformance of frames, rows by whole blocks, frames that are wrong, and bare bytes."""

from collections.abc import Sequence
from itertools import pairwise
from struct import pack

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Block, Kind, Message, Timestamp
from penstock.errors import RemoteProtocolError
from penstock.protocols.pandabox import (
    Field,
    PandaboxDecoder,
    PandaboxFramedDecoder,
    PandaboxUnframedDecoder,
    encode_end,
    encode_frame,
    encode_row,
    encode_start,
)
from penstock.testing.decoder_tests import DecoderTests, Unit, decoded, described

ARM = "2023-12-19T08:07:41.163Z"
FIELDS = [
    Field(name="PCAP.BITS2", type="uint32", capture="Value"),
    Field(name="COUNTER1.OUT", type="double", capture="Mean"),
    Field(name="PCAP.TS_TRIG", type="double", capture="Value", scale=8e-9, units="s"),
]
HEADER = encode_start(FIELDS, arm_time=ARM, format="Framed")
ROWS = [(0, 1.5, 0.125), (1, 2.5, 0.25), (4294967295, -1e300, 0.5)]


def row(*values: float) -> bytes:
    return pack("<Idd", *values)


def frame(*rows: bytes) -> bytes:
    return b"".join(encode_frame(*rows))


STREAM = b"OK\n" + HEADER + frame(row(*ROWS[0]), row(*ROWS[1])) + frame(row(*ROWS[2])) + encode_end(3, "Ok")


class TestFramed(DecoderTests):
    decoder = PandaboxFramedDecoder

    def scan(self) -> Sequence[Unit]:
        return [[[HEADER]], [[frame(row(*ROWS[0]))]], [[frame(row(*ROWS[1]), row(*ROWS[2]))]], [[encode_end(3)]]]


class TestTwoArms(TestFramed):
    def scan(self) -> Sequence[Unit]:
        return [[[b"OK\n"]], *super().scan(), *super().scan()]


def decode(text: bytes) -> tuple[list[Message], list[str]]:
    return decoded(PandaboxFramedDecoder(), [[text]])


def test_frames_hold_what_lines_do() -> None:
    lines = b"OK\n" + encode_start(FIELDS, arm_time=ARM) + b"".join(encode_row(*r) for r in ROWS) + encode_end(3, "Ok")
    wanted, _ = decoded(PandaboxDecoder(), [[lines]])
    messages, lost = decode(STREAM)
    assert not lost
    assert described(messages[1:]) == described(wanted[1:])
    assert messages[0].metadata == {**wanted[0].metadata, "format": "Framed", "sample_bytes": "20"}
    armed = Timestamp.from_iso(ARM).ns
    assert [m.timestamp_ns - armed for m in messages[:4]] == [0, 125_000_000, 250_000_000, 500_000_000]


def test_all_frames_that_lie_ready_are_one_block() -> None:
    given_ = list(PandaboxFramedDecoder().feed_blocks([STREAM], 5))
    assert [type(each) for each in given_] == [Message, Block, Message]
    block = given_[1]
    assert isinstance(block, Block)
    assert len(block) == 3
    assert np.asarray(block.columns[0])["PCAP.BITS2.Value"].tolist() == [0, 1, 4294967295]


@given(st.lists(st.integers(0, len(STREAM)), max_size=6))
def test_wherever_it_is_cut_the_rows_are_the_same(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    pieces = [[STREAM[a:b]] for a, b in pairwise(places)]
    messages, lost = decoded(PandaboxFramedDecoder(), pieces)
    assert not lost
    assert described(messages) == described(decode(STREAM)[0])


@pytest.mark.parametrize(
    "wrong",
    [
        b"BIM " + frame(row(*ROWS[0]))[4:],
        b"BIN " + pack("<I", 29) + row(*ROWS[0]),
        b"BIN " + pack("<I", 0) + row(*ROWS[0]),
        b"BIN " + pack("<I", 2**32 - 4) + row(*ROWS[0]),
        b"BIN " + pack("<I", 48) + row(*ROWS[0]),  # as if it were two rows, into the next frame
        b"\n" * 40,
        b"END of it\n",
        b"END 1 " + b"x" * 1000,
    ],
)
def test_a_wrong_frame_is_lost_alone(wrong: bytes) -> None:
    good = frame(row(*ROWS[0]), row(*ROWS[1]))
    assert STREAM[len(HEADER) + 3 :].startswith(good)
    behind = STREAM[len(HEADER) + 3 + len(good) :]
    if wrong.startswith(b"BI"):  # what stands before what is nearly a frame is kept, too
        messages, lost = decode(b"OK\n" + HEADER + good + wrong + behind)
        assert (described(messages), len(lost)) == (described(decode(STREAM)[0]), 1)
    messages, lost = decode(b"OK\n" + HEADER + wrong + good + behind)
    assert len(lost) == 1
    assert "where a frame of whole rows or the END line was due" in lost[0]
    assert described(messages) == described(decode(STREAM)[0])


def test_a_length_that_reaches_into_the_next_arm_costs_no_more_than_its_own() -> None:
    messages, lost = decode(b"OK\n" + HEADER + b"BIN " + pack("<I", 8 + 20 * 1000) + row(*ROWS[0]) + STREAM[2:] * 2)
    assert len(lost) == 2
    assert [m.kind for m in messages] == [Kind.START, *[Kind.START, *[Kind.DATA] * 3, Kind.END] * 2]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ((b"Framed", b"ASCII"), "the header's format is 'ASCII'; the box was asked for Framed"),
        ((b"sample_bytes: 20", b"sample_bytes: 24"), "the header's sample_bytes is 24, but its fields have 20"),
        ((b"uint32", b"uint33"), "of a known type"),
        ((b"BITS2", b"B\xffTS2"), "a line that is not ASCII"),
        ((b"fields:\n", b"fields:\n" + b" x" * 40_000 + b"\n"), "a line of more than"),
    ],
)
def test_a_wrong_header_loses_its_arm_with_one_error(wrong: tuple[bytes, bytes], says: str) -> None:
    assert wrong[0] in STREAM
    messages, lost = decode(STREAM.replace(*wrong) + STREAM[3:])
    assert len(lost) == 1
    assert says in lost[0]
    assert described(messages) == described(decode(STREAM)[0])


BARE = encode_start(FIELDS, arm_time=ARM, format="Unframed") + b"".join(row(*r) for r in ROWS)


@given(st.lists(st.integers(0, len(BARE)), max_size=6))
def test_bare_bytes_are_rows_until_the_connection_ends(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(BARE)]
    decoder = PandaboxUnframedDecoder()
    messages, lost = decoded(decoder, [[BARE[a:b]] for a, b in pairwise(places)])
    messages += decoder.finish()
    assert not lost
    assert [m.kind for m in messages] == [Kind.START, *[Kind.DATA] * 3, Kind.END]
    assert described(messages[1:4]) == described(decode(STREAM)[0][1:4])
    assert messages[4].metadata == {"samples": 3, "reason": "", "received": 3}


def test_bare_bytes_that_end_in_a_row_or_a_header_say_so() -> None:
    decoder = PandaboxUnframedDecoder()
    decoded(decoder, [[BARE[:-3]]])
    left = decoder.finish()
    assert next(left).kind is Kind.END
    with pytest.raises(RemoteProtocolError, match="in the middle of a row, after 17 bytes"):
        next(left)
    decoder = PandaboxUnframedDecoder()
    decoded(decoder, [[BARE[:50]]])
    with pytest.raises(RemoteProtocolError, match="in the middle of a header"):
        list(decoder.finish())


def test_a_wrong_header_of_bare_bytes_costs_all_with_one_error() -> None:
    decoder = PandaboxUnframedDecoder()
    messages, lost = decoded(decoder, [[BARE.replace(b"Unframed", b"Framed")], [bytes(1000)]])
    assert (messages, len(lost), list(decoder.finish())) == ([], 1, [])
    assert "asked for Unframed" in lost[0]


@pytest.mark.parametrize("kind", [PandaboxFramedDecoder, PandaboxUnframedDecoder])
def test_a_line_without_end_fills_no_memory(kind: type[PandaboxFramedDecoder]) -> None:
    decoder = kind()
    _, lost = decoded(decoder, [[b"x" * 50_000]] * 100)
    assert len(lost) == 1
    assert len(decoder._buffer) < 200_000
