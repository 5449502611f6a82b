"""The event log on its way out: the same bytes into a file and a stream; a stream that ends is no end of the run."""

from pathlib import Path

import numpy as np
import pytest

from penstock.core.log_records import EventsEnded, MapSet, RunEnded
from penstock.core.stream_address import StreamAddress
from penstock.errors import SinkError
from penstock.formats.event_log import EventLogReader, LogHeader
from penstock.services.log_file import LogFile, LogStream, RunLog
from penstock.streams.memory_store import MemoryStore
from penstock.streams.store import StreamState

ADDRESS = StreamAddress("c1", "event.log", "r1")


def ended(n: int) -> EventsEnded:
    numbers = np.random.default_rng(7).integers(0, 1 << 40, n)
    return EventsEnded(
        consumer="fit", numbers=numbers, accounts=np.zeros(n, np.uint8), revisions=np.zeros(n, np.uint32)
    )


def read(store: MemoryStore) -> bytes:
    with store.read(ADDRESS) as reader:
        return b"".join(m.array.tobytes() for stored in reader.blocks() for m in stored.block.messages())


def test_file_and_stream_hold_the_same_bytes(tmp_path: Path) -> None:
    store = MemoryStore()
    log = RunLog(LogHeader(run="r1"), [LogFile(tmp_path / "log"), LogStream(store, ADDRESS)])
    for n in (3, 20_000, 5):
        log.log.append(ended(n))
        log.flush()
    log.log.append(MapSet(join="scan", table=b"\x80"))
    log.log.append(RunEnded(outcome="finished"))
    log.close()
    data = (tmp_path / "log").read_bytes()
    assert read(store) == data
    assert store.info(ADDRESS).state is StreamState.FINISHED
    reader = EventLogReader(data)
    assert [type(record).__name__ for record in reader] == ["EventsEnded"] * 3 + ["MapSet", "RunEnded"]
    assert reader.torn is None
    assert log.troubles == []


def test_a_stream_without_room_ends_and_says_so_while_the_file_goes_on(tmp_path: Path) -> None:
    store = MemoryStore(most_bytes=10_000)
    log = RunLog(LogHeader(run="r1"), [LogFile(tmp_path / "log"), LogStream(store, ADDRESS)])
    for _ in range(3):
        log.log.append(ended(20_000))
        log.flush()
    log.close()
    assert log.troubles[0].startswith("the event log is recorded no further: ")
    assert store.info(ADDRESS).state is StreamState.ABORTED
    assert len(list(EventLogReader((tmp_path / "log").read_bytes()))) == 3


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    with pytest.raises(SinkError, match="is there already; name another file"):
        LogFile(tmp_path / "log")


def test_a_log_that_is_cut_off_has_no_end_and_can_go_on() -> None:
    store = MemoryStore()
    log = RunLog(LogHeader(run="r1"), [LogStream(store, ADDRESS)])
    log.log.append(ended(3))
    log.close(is_over=False)
    assert store.info(ADDRESS).state is StreamState.STALLED
    before = read(store)
    with store.write(ADDRESS):  # as whoever resumes the run
        pass
    assert read(store) == before != b""
