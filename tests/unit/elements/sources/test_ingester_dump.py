"""Dumps of ingesters as sources: each stream through its own decoder, at a rate, and what cannot be read is said."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core import Block, Kind, Message
from penstock.elements.sources.ingester_dump import IngesterDumpSource, packets_of
from penstock.elements.sources.recording import RecordingSource
from penstock.errors import SourceError
from penstock.formats.ingester_dump import DumpedEvent, DumpedStream, encode_event
from penstock.formats.recording import encode_record
from penstock.protocols import contrast, pandabox, stins

FIELD = pandabox.Field(name="COUNTER1.OUT", type="double", capture="Value")
ARM_NS = 1_700_000_000_000_000_000


def dumped(typ: str, *frames: bytes) -> DumpedStream:
    return DumpedStream(typ, frames)


def events() -> list[DumpedEvent]:
    """Return start, five images with a row and a custom value each (one has no row), and the end."""
    first = {
        "xrd": dumped("STINS", *stins.encode_start("a.h5")),
        "panda": dumped("PCAP_RAW", pandabox.encode_start([FIELD])),
    }
    made = [DumpedEvent(0, first, ARM_NS)]
    for n in range(5):
        streams = {"xrd": dumped("STINS", *stins.encode_image(n, np.full((2, 2), n, np.uint16)))}
        streams["pump"] = dumped("pump-pressure", b"%d" % n, b"mbar")
        if n != 2:
            streams["panda"] = dumped("PCAP_RAW", pandabox.encode_row(n + 0.5).rstrip(b"\n"))
        made.append(DumpedEvent(n + 1, streams, ARM_NS + n))
    last = {"xrd": dumped("STINS", *stins.encode_end()), "panda": dumped("PCAP_RAW", pandabox.encode_end(4))}
    return [*made, DumpedEvent(6, last)]


def opened(path: Path, name: str = "det", **arguments: Any) -> IngesterDumpSource:
    source = IngesterDumpSource(path.name, **arguments)
    source.stream, source.folder = name, str(path.parent)
    source.open()
    return source


def drain(source: IngesterDumpSource, now_ns: int = 7) -> tuple[list[Message], list[str]]:
    blocks: list[Block] = []
    lost: list[str] = []
    for _ in range(1000):
        reading = source.read(now_ns)
        blocks += reading.blocks
        lost += reading.unparsable
        if reading.ended:
            assert source.read(now_ns).ended
            return [message for block in blocks for message in block.messages()], lost
    raise AssertionError("no end after 1000 readings")


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "run7.cbors"
    path.write_bytes(b"".join(map(encode_event, events())))
    return path


def test_each_stream_goes_through_its_own_decoder(dump: Path) -> None:
    images, lost = drain(opened(dump, stream="xrd"))
    assert [(m.kind, m.key) for m in images] == [
        (Kind.START, None), *[(Kind.DATA, n) for n in range(5)], (Kind.END, None)
    ]  # fmt: skip
    assert [int(m.array[0, 0]) for m in images[1:-1]] == list(range(5))
    assert images[2].timestamp_ns == ARM_NS // 1000 * 1000
    rows, lost_rows = drain(opened(dump, "panda"))
    assert [float(m.array["COUNTER1.OUT.Value"]) for m in rows[1:-1]] == [0.5, 1.5, 3.5, 4.5]
    assert rows[-1].metadata["received"] == 4
    assert lost == lost_rows == []


def test_the_numbers_of_events_can_be_keys(dump: Path) -> None:
    source = opened(dump, "panda", number="event")
    rows, _ = drain(source)
    assert [m.key for m in rows] == [None, 1, 2, 4, 5, None]
    assert source.traits.number == ""


def test_frames_of_a_custom_ingester_are_given_as_they_are(dump: Path) -> None:
    values, lost = drain(opened(dump, stream="pump", protocol="frames"))
    assert [bytes(m.array) for m in values] == [b"0", b"1", b"2", b"3", b"4"]
    assert [bytes(m.more[0]) for m in values] == [b"mbar"] * 5
    assert lost == []


def test_it_keeps_its_rate(dump: Path) -> None:
    source = opened(dump, "xrd", every_s=0.01)
    given = 0
    for ms in range(0, 100, 5):
        now = ARM_NS + ms * 1_000_000
        if source.wait_s(now) == 0:
            given += sum(map(len, source.read(now).blocks))
        assert given == min(7, ms // 10 + 1)


def test_a_recording_keeps_a_rate_too(tmp_path: Path) -> None:
    packets = [stins.encode_image(n, np.zeros((2, 2), np.uint16)) for n in range(3)]
    (tmp_path / "a.cbors").write_bytes(b"".join(map(encode_record, packets)))
    source = RecordingSource(str(tmp_path / "a.cbors"), protocol="stins", every_s=0.01)
    source.open()
    assert source.wait_s(ARM_NS) == 0
    assert sum(map(len, source.read(ARM_NS).blocks)) == 1
    assert source.wait_s(ARM_NS) == pytest.approx(0.01)
    source.close()


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("det", {}, r"run7.cbors has the streams xrd, panda, pump; write which, such as stream: xrd"),
        ("pump", {}, "stream pump is of type pump-pressure, which tells no decoder; write protocol: frames"),
        ("xrd", {"protocol": "stinks"}, "no protocol is called 'stinks'"),
        ("det", {"stream": "xrt"}, "stream xrt says late what type it is"),
    ],
)
def test_what_is_not_known_is_asked_for(dump: Path, name: str, arguments: Any, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        opened(dump, name, **arguments)


def test_a_stream_that_never_comes_is_named(dump: Path) -> None:
    with pytest.raises(SourceError, match=r"run7.cbors has no stream xrt"):
        drain(opened(dump, stream="xrt", protocol="frames"))


def test_a_cut_a_mixture_and_a_wrong_frame_are_counted(tmp_path: Path) -> None:
    mixed = [
        DumpedEvent(0, {"a": dumped("STINS", *stins.encode_start("a.h5"))}),
        DumpedEvent(1, {"a": dumped("contrast", b"")}),
        DumpedEvent(2, {"a": dumped("STINS", b"nonsense")}),
        DumpedEvent(3, {"a": dumped("STINS", *stins.encode_end())}),
    ]
    path = tmp_path / "a.cbors"
    path.write_bytes(b"".join(map(encode_event, mixed)) + encode_event(mixed[0])[:-3])
    messages, lost = drain(opened(path))
    assert [m.kind for m in messages] == [Kind.START, Kind.END]
    assert len(lost) == 3
    assert "event 1 is of type contrast, those before of STINS" in lost[0]
    assert "cut off in the middle of item 5" in lost[2]


def test_a_dump_is_no_recording_and_the_reverse(dump: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="an ingester's dump, which the source ingester-dump reads"):
        RecordingSource(str(dump), protocol="stins").open()
    (tmp_path / "raw.cbors").write_bytes(b"\x81\x41a")
    with pytest.raises(SourceError, match="holds no ingester's dump: byte 0: no event"):
        opened(tmp_path / "raw.cbors")


def test_traces_of_an_oscilloscope_are_taken_apart() -> None:
    trace = [b'{"htype": "traces"}', b"samples", b"times"]
    start, end = b'{"htype": "msg", "what": 1}', b'{"htype": "msg", "what": 2}'
    assert packets_of("lecroy_9fwdWp6Rq7", [start, *trace, *trace, end]) == [[start], trace, trace, [end]]


def test_a_dump_of_contrast(tmp_path: Path) -> None:
    said = contrast.encode_point(0.5, pseudo={"x": np.array([1.5])})
    path = tmp_path / "c.cbors"
    path.write_bytes(encode_event(DumpedEvent(1, {"contrast": dumped("contrast", *said)})))
    (message,), lost = drain(opened(path))
    assert message.metadata["dt"] == 0.5
    assert lost == []


def test_a_real_dump(recordings: Path) -> None:
    messages, lost = drain(opened(recordings / "dump_xrd.cbors"))
    assert [m.key for m in messages] == [None, *range(9), None]
    assert all(m.array.shape == (10, 10) and m.array.dtype == np.uint16 for m in messages[1:-1])
    assert lost == []
