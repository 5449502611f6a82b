"""Recordings: byte for byte what goes in comes out, in both forms, cut anywhere."""

import re

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import RemoteProtocolError
from penstock.formats.recording import (
    Record,
    RecordingReader,
    RecordingTraits,
    encode_closing,
    encode_opening,
    encode_record,
)

TRAITS = RecordingTraits(protocol="xspress3", socket="sub", address="tcp://x3mini:5556")
RECORDS = [
    Record((b"header",), 1_700_000_000_000_000_000),
    Record((b"", b"x" * 300, b"\x80\x04]."), 1_700_000_000_000_000_001),
    Record((b"y" * 70_000,), -5),
]
TIMED = encode_opening(TRAITS) + b"".join(encode_record(r.parts, r.received_ns) for r in RECORDS) + encode_closing(3)
PLAIN = b"".join(encode_record(record.parts) for record in RECORDS)
UNTIMED = [Record(record.parts) for record in RECORDS]

parts = st.lists(st.binary(max_size=300), min_size=1, max_size=4).map(tuple)


def read(raw: bytes, step: int = 1 << 20) -> tuple[list[Record], str]:
    reader = RecordingReader()
    records = [record for at in range(0, len(raw), step) for record in reader.feed(raw[at : at + step])]
    return records, reader.finish()


def same(got: list[Record], expected: list[Record]) -> bool:
    return [(r.parts, r.received_ns) for r in got] == [(r.parts, r.received_ns) for r in expected]


@given(st.lists(st.builds(Record, parts, st.integers(-(2**63), 2**63 - 1)), max_size=8), st.integers(1, 50))
def test_timed_records_come_back(records: list[Record], step: int) -> None:
    raw = [encode_record(record.parts, record.received_ns) for record in records]
    got, missing = read(encode_opening(TRAITS) + b"".join(raw) + encode_closing(len(records)), step)
    assert same(got, records)
    assert missing == ""


@given(st.lists(parts, max_size=8), st.integers(1, 50))
def test_plain_records_come_back(records: list[tuple[bytes, ...]], step: int) -> None:
    got, missing = read(b"".join(map(encode_record, records)), step)
    assert [record.parts for record in got] == records
    assert missing == ""


def test_what_was_recorded_is_known() -> None:
    reader = RecordingReader()
    list(reader.feed(TIMED))
    assert reader.traits == TRAITS
    assert reader.is_timed


@pytest.mark.parametrize("raw", [TIMED, PLAIN])
def test_a_cut_at_any_byte_leaves_what_was_whole(raw: bytes) -> None:
    whole, _ = read(raw)
    for length in [*range(1200), *range(len(raw) - 60, len(raw))]:
        got, missing = read(raw[:length])
        assert same(got, whole[: len(got)])
        if raw is TIMED and length:
            assert missing, f"cut after {length} bytes, nothing is said"
        elif missing:
            assert f"at byte {length}" in missing


def test_the_bytes_are_those_of_the_reference() -> None:
    raw = encode_opening(RecordingTraits(protocol="stins")) + encode_record([b"ab", b""], 1) + encode_closing(1)
    assert raw[:3] == bytes.fromhex("d9d9f7")
    assert cbor2.loads(raw[3:]) == {
        "penstock": "recording",
        "version": 1,
        "protocol": "stins",
        "socket": "",
        "address": "",
    }
    assert raw.endswith(bytes.fromhex("82 01 82 42 6162 40") + bytes.fromhex("a1 67") + b"records" + b"\x01")


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "not a list of the parts|no recording|cut off"),
        (b'{"htype": "header"}\n' * 100, "no recording|parts|CBOR"),
        (cbor2.dumps([b"a"]) + b"\xff\xff", "no recording"),
        (cbor2.dumps([b"a"]) + cbor2.dumps("text"), "byte 3: not a list of the parts"),
        (cbor2.dumps([]), "not a list of the parts"),
        (cbor2.dumps([b"a", 1]), "not a list of the parts"),
        (cbor2.dumps(cbor2.CBORTag(55799, {"penstock": "event log"})), "no recording"),
        (cbor2.dumps(cbor2.CBORTag(55799, cbor2.CBORTag(42877, [0, {}]))), "no recording"),
        (cbor2.dumps(cbor2.CBORTag(55799, {"penstock": "recording", "version": 2})), "a recording of version 2; 1 can"),
        (TIMED + b"\x81\x40", "something follows the end"),
        (encode_opening(TRAITS) + encode_closing(7), "7 records were written, 0 are there"),
        (encode_opening(TRAITS) + encode_record([b"a"]), "not a list of a time and the parts"),
        (b"\x9f\x41a\xff", "no recording"),
        (b"\x9b" + b"\xff" * 8 + b"\x40" * 10, "no recording"),
        (b"\x81" * 1000, "no recording"),
        (b"\x81\x5b\x7f" + b"\xff" * 7, "no recording"),
    ],
)
def test_what_is_no_recording_is_refused(raw: bytes, says: str) -> None:
    try:
        got, missing = read(raw)
        text = missing or f"read as {got}"
    except RemoteProtocolError as error:
        text = str(error)
    assert re.search(says, text)


@given(st.binary(max_size=200))
def test_garbage_gives_the_one_error(garbage: bytes) -> None:
    try:
        read(garbage)
    except RemoteProtocolError:
        return
