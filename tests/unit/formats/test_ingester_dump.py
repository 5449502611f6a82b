"""Dumps of ingesters: what goes in comes out, cut anywhere, and nothing else is taken for one."""

from contextlib import suppress
from pathlib import Path

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import RemoteProtocolError
from penstock.formats.ingester_dump import DumpedEvent, DumpedStream, DumpReader, encode_event

stream = st.builds(DumpedStream, st.text(max_size=8), st.lists(st.binary(max_size=300), max_size=4).map(tuple))
times = st.none() | st.integers(0, 4_000_000_000_000_000).map(lambda us: us * 1000)
event = st.builds(
    DumpedEvent, st.integers(0, 2**63 - 1), st.dictionaries(st.text(max_size=8), stream, max_size=3), times
)


def read(raw: bytes, step: int = 1 << 20) -> tuple[list[DumpedEvent], str]:
    reader = DumpReader()
    events = [event for at in range(0, len(raw), step) for event in reader.feed(raw[at : at + step])]
    return events, reader.finish()


def plain(events: list[DumpedEvent]) -> list[object]:
    return [(each.number, dict(each.streams), each.created_ns) for each in events]


@given(st.lists(event, max_size=6), st.integers(1, 50))
def test_events_come_back(events: list[DumpedEvent], step: int) -> None:
    got, missing = read(b"".join(map(encode_event, events)), step)
    assert plain(got) == plain(events)
    assert missing == ""


def test_a_cut_leaves_what_was_whole_and_is_told() -> None:
    one = encode_event(DumpedEvent(1, {"a": DumpedStream("STINS", (b"x" * 300,))}, 1_700_000_000_000_000_000))
    for length in range(1, len(one)):
        got, missing = read(one + one[:length])
        assert len(got) == 1
        assert missing == f"it is cut off in the middle of item 2, at byte {len(one) + length}"


GOOD = cbor2.CBORTag(42878, ["STINS", [b"{}"]])


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ([b"a part"], "no event of an ingester's dump"),
        (cbor2.CBORTag(42877, [0]), "no list of number, streams and time"),
        (cbor2.CBORTag(42877, [-1, {}]), "-1 is no number of an event"),
        (cbor2.CBORTag(42877, [True, {}]), "True is no number of an event"),
        (cbor2.CBORTag(42877, [0, ["a"]]), "event 0 has no map of streams"),
        (cbor2.CBORTag(42877, [0, {1: GOOD}]), "a stream that is named 1"),
        (cbor2.CBORTag(42877, [0, {"a": ["STINS", []]}]), "stream a is no list of type and frames"),
        (cbor2.CBORTag(42877, [0, {"a": cbor2.CBORTag(42878, ["STINS", ["text"]])}]), "frames that are no byte"),
        (cbor2.CBORTag(42877, [0, {"a": GOOD}, "noon"]), "'noon' is no time"),
    ],
)
def test_what_is_no_event_is_refused_with_its_place(item: object, says: str) -> None:
    first = encode_event(DumpedEvent(0, {}))
    reader = DumpReader()
    given = reader.feed(first + cbor2.dumps(item))
    assert next(given).number == 0
    with pytest.raises(RemoteProtocolError, match=f"byte {len(first)}: .*{says}"):
        next(given)


@given(st.binary(max_size=200))
def test_other_bytes_raise_nothing_else(raw: bytes) -> None:
    with suppress(RemoteProtocolError):
        read(raw)


def test_a_dump_of_an_ingester(recordings: Path) -> None:
    raw = (recordings / "dump_xrd.cbors").read_bytes()
    events, missing = read(raw, 1000)
    assert [each.number for each in events] == list(range(11))
    assert {name for each in events for name in each.streams} == {"xrd"}
    assert [len(each.streams["xrd"].frames) for each in events] == [1, *[2] * 9, 1]
    assert missing == ""
    assert b"".join(map(encode_event, events)) == raw
