"""A durable stream as a sink: ids, content, doubles, and how it ends."""

from typing import Any

import numpy as np
import pytest

from penstock.core import Message
from penstock.core.stream_address import StreamAddress
from penstock.core.timestamp import Timestamp
from penstock.elements.sink import RunFacts, Written
from penstock.elements.sinks.stream import StreamSink
from penstock.elements.stage_recorder import StageRecorder
from penstock.errors import SinkError
from penstock.streams.memory_store import MemoryStore
from penstock.streams.store import StreamState

FACTS = RunFacts(pipeline="p", run="r/1", sink="hits")
ADDRESS = StreamAddress("c1", "hits", "r/1")


def opened(store: MemoryStore, address: str = "c1/{sink}", kind: type[StreamSink] = StreamSink, **options: Any) -> Any:
    sink = kind(address, store=store, **options)
    sink.open(FACTS)
    return sink


def write(sink: StreamSink, *items: Any, first: int = 0) -> Written:
    return sink.write_numbered(np.arange(first, first + len(items)), items)


def messages(store: MemoryStore, address: StreamAddress = ADDRESS) -> list[Message]:
    with store.read(address) as reader:
        return [message for stored in reader.blocks() for message in stored.messages()]


def test_items_are_in_the_store_when_they_are_written() -> None:
    store = MemoryStore()
    sink = opened(store)
    image = np.arange(6, dtype=np.uint16).reshape(2, 3)
    assert write(sink, {"n": 0, "image": image}, 2.5) == Written(done=2)
    image[:] = 0
    first, second = messages(store)
    assert [first.id, first.key, second.id, second.key] == [1, None, 2, None]
    assert first.metadata == {"n": 0, "buffers": ["image"]}
    assert (first.array.dtype, first.array.tolist()) == (np.dtype("u2"), [[0, 1, 2], [3, 4, 5]])
    assert (second.metadata, second.buffers) == ({"value": 2.5}, ())
    assert store.info(ADDRESS).state is StreamState.OPEN
    sink.close(ended_well=True, outcome="finished")
    assert store.info(ADDRESS).state is StreamState.FINISHED
    assert store.metadata(ADDRESS) == {"pipeline": "p", "run": "r/1", "sink": "hits"}


def test_messages_keep_what_they_are() -> None:
    store = MemoryStore()
    sink = opened(store, id="message")
    given = Message(id=5, key=77, timestamp_ns=123, metadata={"a": 1}, array=np.zeros(3, "f4"), more=(np.ones(2),))
    assert sink.write_numbered(np.array([5, 6]), [given, Message(id=6)]) == Written(done=2)
    first, second = messages(store)
    assert [first.id, first.key, first.timestamp_ns, first.metadata] == [5, 77, 123, {"a": 1}]
    assert [buffer.shape for buffer in first.buffers] == [(3,), (2,)]
    assert (second.id, second.key, second.buffers) == (6, None, ())


@pytest.mark.parametrize(("by", "ids"), [("event", [4, 5]), ("message", [3, 4]), ("arrival", [1, 2]), ("n", [40, 30])])
def test_what_numbers_the_messages(by: str, ids: list[int]) -> None:
    store = MemoryStore()
    write(opened(store, id=by), {"n": 40}, {"n": np.uint8(30)}, first=3)
    assert sorted(message.id for message in messages(store)) == sorted(ids)


def test_the_same_once_more_is_no_double() -> None:
    store = MemoryStore()
    sink = opened(store, ends=False)
    write(sink, {"a": np.arange(3)}, {"a": np.arange(4)})
    sink.close(ended_well=False, outcome="failed")
    assert store.info(ADDRESS).state is StreamState.STALLED
    again = opened(store, ends=False)
    assert write(again, {"a": np.arange(3)}, {"a": np.arange(4)}, {"a": 3}) == Written(done=1, duplicates=2)
    assert [message.id for message in messages(store)] == [1, 2, 3]
    with pytest.raises(SinkError, match="hits: c1/hits/r%2F1 has message 2 already, with other content; name another"):
        write(again, {"a": 9}, first=1)
    again.close(ended_well=True)
    keeps = opened(store, existing="keep")
    assert write(keeps, {"a": 9}, {"a": 8}, first=2) == Written(done=1, duplicates=1)
    assert [message.metadata["a"] for message in messages(store)[2:]] == [3, 8]


@pytest.mark.parametrize(
    ("outcome", "trouble", "state", "reason"),
    [
        ("finished", "", "finished", ""),
        ("incomplete", "events lack a part", "finished", ""),
        ("failed", "stage fit broke", "aborted", "run r/1 failed: stage fit broke"),
        ("aborted", "stopped on request", "aborted", "run r/1 was aborted: stopped on request"),
        ("", "", "aborted", "run r/1 failed"),
    ],
)
def test_the_end_of_the_run_ends_the_stream(outcome: str, trouble: str, state: str, reason: str) -> None:
    store = MemoryStore()
    sink = opened(store)
    write(sink, 1.0)
    sink.trouble = trouble
    sink.close(ended_well=outcome == "finished", outcome=outcome)
    info = store.info(ADDRESS)
    assert (info.state, info.reason, info.count) == (state, reason, 1)


@pytest.mark.parametrize(
    ("options", "value", "says"),
    [
        ({}, {"image": np.zeros(2), "buffers": 1}, 'hits: event 7 cannot be stored: a result with an entry "buffers"'),
        ({"id": "n"}, {"n": 0}, "hits: event 7 cannot be stored: its n is 0, and its id must be a whole"),
        ({"id": "n"}, {"n": True}, "its n is True, and its id must be"),
        ({"id": "n"}, {"m": 1}, 'hits: event 7 cannot be stored: no field "n" in this dict; there are m'),
        ({"key": "t"}, {"t": -1}, "its t is -1, and its key must be a whole number from 0"),
        ({"time": "t"}, {"t": 1.5}, "its t is 1.5, and its time must be nanoseconds"),
    ],
)
def test_a_bad_value_is_refused_and_what_stood_before_is_stored(options: Any, value: Any, says: str) -> None:
    store = MemoryStore()
    sink = opened(store, **options)
    with pytest.raises(SinkError, match=says):
        sink.write_numbered(np.array([6, 7]), [{"n": 5, "m": 5, "t": 5}, value])
    assert [message.metadata["m"] for message in messages(store)] == [5]


def test_times_and_keys_are_those_that_fields_say() -> None:
    store = MemoryStore()
    write(opened(store, time="t", key="k"), {"t": 5, "k": 0}, {"t": Timestamp(7), "k": np.uint64(2**64 - 1)})
    assert [(message.timestamp_ns, message.key) for message in messages(store)] == [(5, 0), (7, 2**64 - 1)]


def test_each_write_of_views_is_a_message() -> None:
    store = MemoryStore()
    sink = opened(store)
    sink.write({"sum": np.arange(2), "title": "Cu"})
    sink.write({"sum": np.arange(3), "title": "Cu"})
    assert [(m.id, m.array.shape, m.metadata["title"]) for m in messages(store)] == [(1, (2,), "Cu"), (2, (3,), "Cu")]


@pytest.mark.parametrize("address", ["c1", "", "a/b/c/d", "c1/a/{date}"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(SinkError):
        opened(MemoryStore(), address)


def test_a_stream_that_somebody_writes_or_that_has_ended_is_refused() -> None:
    store = MemoryStore()
    first = opened(store)
    with pytest.raises(SinkError, match="hits: c1/hits/r%2F1 is written"):
        opened(store)
    first.close(ended_well=True)
    with pytest.raises(SinkError, match="hits: c1/hits/r%2F1 was finished"):
        opened(store)


def test_a_recorder_of_a_stage_ends_with_what_cannot_be_stored_and_says_so() -> None:
    store = MemoryStore(most_bytes=4000)
    recorder = opened(store, kind=StageRecorder)
    assert write(recorder, np.zeros(10)) == Written(done=1)
    lost = write(recorder, np.zeros(10), np.zeros(100_000), first=1)
    assert lost.dropped == 2
    assert lost.why.startswith("the recording ends among events 1 to 2: hits: ")
    assert write(recorder, 1.0, first=3) == Written(dropped=1, why=lost.why)
    with pytest.raises(SinkError, match="the recording ends among events 1 to 2"):
        recorder.close(ended_well=True)
    info = store.info(ADDRESS)
    assert (info.state, info.reason) == (StreamState.ABORTED, lost.why)


def test_a_recorder_of_a_stage_has_everything_however_the_run_ends() -> None:
    store = MemoryStore()
    recorder = opened(store, kind=StageRecorder)
    write(recorder, 1.0)
    recorder.close(ended_well=False, outcome="failed")
    assert store.info(ADDRESS).state is StreamState.FINISHED
