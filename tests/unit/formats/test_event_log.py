"""The event log's bytes: what was noted is read back, and a torn or damaged tail is found, never believed."""

import re
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst

from penstock.core.ledger import Account
from penstock.core.log_records import (
    ClockRead,
    EventsEnded,
    EventsFormed,
    LogRecord,
    Merged,
    ParametersSet,
    RangeWorked,
    RunEnded,
    Ticked,
)
from penstock.errors import RemoteProtocolError
from penstock.formats.event_log import EventLogReader, LogHeader, encode_header, encode_record

HEADER = LogHeader(run="r1", pipeline="xrf-map", begun_ns=1)
names = st.text(max_size=5)
ns = st.integers(-(2**63), 2**63 - 1)


def column(dtype: str, *shape: int) -> st.SearchStrategy[Any]:
    """Columns of any values, and such with equal steps."""
    made = np.dtype(dtype)
    low, high = (int(limit) for limit in (np.iinfo(made).min, np.iinfo(made).max))
    value = st.integers(low, high)
    steps = st.tuples(value, value).map(
        lambda pair: np.broadcast_to(
            np.array(pair[0], made) + np.arange(shape[-1]).astype(made) * np.array(pair[1], made), shape
        )
    )
    return st.one_of(nst.arrays(made, shape), steps)


@st.composite
def records(draw: st.DrawFn) -> LogRecord:
    n, streams = draw(st.integers(0, 6)), draw(st.lists(names, max_size=3).map(tuple))
    numbers = draw(column("<i8", n))
    kinds: list[st.SearchStrategy[LogRecord]] = [
        st.builds(
            EventsFormed,
            join=names, streams=st.just(streams), kind=st.integers(0, 2), numbers=st.just(numbers),
            first_ids=column("<u8", len(streams), n), counts=column("<i4", len(streams), n), ids=column("<u8", n),
        ),
        st.builds(
            EventsEnded, consumer=names, numbers=st.just(numbers), accounts=column("u1", n), revisions=column("<u4", n)
        ),
        st.builds(
            RangeWorked, stage=names, worker=names, lane=names, attempts=st.integers(1, 3), began_ns=ns, took_ns=ns,
            numbers=st.just(numbers), masks=column("<u8", n),
        ),
        st.builds(Ticked, stage=names, worker=names, now_ns=ns, after=ns),
        st.builds(ClockRead, stage=names, worker=names, numbers=st.just(numbers), readings_ns=column("<i8", n)),
        st.builds(
            ParametersSet, revision=st.integers(0, 9), first=ns,
            values=st.dictionaries(names, st.one_of(st.none(), st.booleans(), st.floats(allow_nan=False), ns, names)),
        ),
        st.builds(Merged, merge=names, stream=names, count=st.integers(0, 9)),
        st.builds(RunEnded, outcome=names, reasons=st.lists(names, max_size=2).map(tuple), ended_ns=ns),
    ]  # fmt: skip
    return draw(st.one_of(kinds))


def same(a: LogRecord, b: LogRecord) -> bool:
    def equal(x: Any, y: Any) -> bool:
        if isinstance(x, np.ndarray):
            return bool(x.dtype == y.dtype and x.shape == y.shape and (x == y).all())
        return type(x) is type(y) and bool(x == y)

    return type(a) is type(b) and all(equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))


def formed(n: int) -> EventsFormed:
    return EventsFormed(
        join="scan", streams=("a", "b"), numbers=np.arange(n),
        first_ids=np.tile(np.arange(1, n + 1, dtype=np.uint64), (2, 1)),
        counts=np.ones((2, n), np.int32),
    )  # fmt: skip


@given(st.lists(records(), max_size=5))
def test_what_was_written_is_read(written: list[LogRecord]) -> None:
    reader = EventLogReader(encode_header(HEADER) + b"".join(map(encode_record, written)))
    found = list(reader)
    assert reader.header == HEADER
    assert reader.torn is None
    assert len(found) == len(written)
    assert all(map(same, found, written))
    assert len(list(reader)) == len(written)


@given(st.lists(records(), min_size=1, max_size=4), st.data())
def test_a_cut_off_file_is_read_up_to_its_last_whole_record(written: list[LogRecord], data: st.DataObject) -> None:
    pieces = [encode_header(HEADER), *map(encode_record, written)]
    ends = np.cumsum([len(piece) for piece in pieces]).tolist()
    cut = data.draw(st.integers(ends[0], ends[-1]))
    reader = EventLogReader(b"".join(pieces)[:cut])
    whole = sum(end <= cut for end in ends[1:])
    assert len(list(reader)) == whole
    if cut in ends:
        assert reader.torn is None
    else:
        assert reader.torn is not None
        assert reader.torn.offset == ends[whole]
        assert "cut off" in reader.torn.why


@given(st.lists(records(), min_size=1, max_size=4), st.data())
def test_a_damaged_record_ends_the_reading(written: list[LogRecord], data: st.DataObject) -> None:
    pieces = [encode_header(HEADER), *map(encode_record, written)]
    at = data.draw(st.integers(1, len(pieces) - 1))
    position = data.draw(st.integers(0, len(pieces[at]) - 1))
    damaged = bytearray(pieces[at])
    damaged[position] ^= data.draw(st.integers(1, 255))
    reader = EventLogReader(b"".join([*pieces[:at], bytes(damaged), *pieces[at + 1 :]]))
    assert len(list(reader)) == at - 1
    assert reader.torn is not None
    assert reader.torn.offset == sum(map(len, pieces[:at]))


def test_ranges_in_order_take_little_room() -> None:
    assert len(encode_record(formed(4096))) < 260
    assert len(encode_record(formed(4096))) == len(encode_record(formed(3000)))


def test_written_columns_are_views() -> None:
    log = encode_header(HEADER) + encode_record(
        ClockRead(stage="fit", worker="fit-0", numbers=np.array([0, 5, 6]), readings_ns=np.array([1, 2, 4]))
    )
    (record,) = EventLogReader(log)
    assert isinstance(record, ClockRead)
    assert not record.readings_ns.flags.owndata


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not an event log"),
        (b"\x89HDF\r\n\x1a\n" + bytes(20), "not an event log: it begins with"),
        (encode_header(HEADER).replace(b"LOG\x01", b"LOG\x02"), "version 2; this penstock reads version 1"),
        (encode_header(HEADER)[:-1], "damaged or cut off"),
        (encode_header(HEADER).replace(b"xrf", b"xrg"), "damaged or cut off"),
    ],
)
def test_what_is_no_log_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(RemoteProtocolError, match=says):
        EventLogReader(data)


@pytest.mark.parametrize(
    ("record", "old", "new"),
    [
        (formed(4096), b"numbers", b"nombres"),
        (formed(4096), b"\x91\xcd\x10\x00\x01", b"\x91\xcd\x10\x00\x07"),
        (RunEnded(outcome="finished"), b"outcome", b"outkome"),
        (RunEnded(outcome="finished"), b"\x07\x00\x00\x00", b"\x63\x00\x00\x00"),
    ],
)
def test_a_record_with_a_good_sum_but_no_sense_ends_the_reading(record: LogRecord, old: bytes, new: bytes) -> None:
    body = encode_record(record)[:-4]
    assert old in body
    made = body.replace(old, new)
    reader = EventLogReader(encode_header(HEADER) + made + zlib.crc32(made).to_bytes(4, "little"))
    assert list(reader) == []
    assert reader.torn is not None
    assert "says nothing sensible" in reader.torn.why


def test_two_numbers_do_not_make_an_endless_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.formats.event_log.MAX_LENGTH", 4095)
    reader = EventLogReader(encode_header(HEADER) + encode_record(formed(4096)))
    assert list(reader) == []
    assert reader.torn is not None
    assert "axes of at most 4095" in reader.torn.why


def test_the_page_names_every_record_field_and_account() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/event-log.md").read_text()
    for kind in LogRecord.__subclasses__():
        for field in fields(kind):
            assert f"`{field.name}`" in page, f"{kind.__name__}.{field.name}"
        for name, (dtype, _) in kind.columns.items():
            short = {"<i8": "i64", "<u8": "u64", "<i4": "i32", "<u4": "u32", "u1": "u8"}[dtype]
            assert f"`{name}` {short}" in page
    for account in Account:
        assert re.search(rf"\b{account.value}\s+{account.label}\b", page)
