"""Reading a stream: in order, by id, by time, and what is said where there is nothing."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import penstock
from penstock.core.timestamp import Timestamp
from penstock.errors import (
    IntegrityError,
    MissingMessageError,
    NoDataError,
    QueryError,
    StateError,
    StreamAbortedError,
    StreamEndedError,
    StreamError,
    StreamStalledError,
    UnknownStreamError,
)
from penstock.streams.consumer import Consumer
from penstock.streams.memory_store import MemoryStore
from penstock.streams.open_store import OpenStore
from penstock.streams.producer import Producer

RUN = "c2026/eiger/run 7"


@pytest.fixture(params=["memory", "directory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    with penstock.open_store("memory:" if request.param == "memory" else tmp_path / "store", make=True) as store:
        yield store


@pytest.fixture
def out(store: OpenStore) -> Iterator[Producer]:
    with store.producer(RUN) as out:
        yield out


@pytest.fixture
def consumer(store: OpenStore) -> Iterator[Consumer]:
    with store.consumer(RUN) as consumer:
        yield consumer


def _send(out: Producer, *ids: int) -> None:
    for number in ids:
        out.send(b"%d" % number, id=number, timestamp_ns=1000 * number).wait()


def _kind(call: Any) -> type[StreamError]:
    with pytest.raises(StreamError) as found:
        call()
    return type(found.value)


def test_follow_yields_what_comes_until_the_stream_finishes(out: Producer, consumer: Consumer) -> None:
    _send(out, 1, 2)
    found: list[int] = []
    half = threading.Event()

    def follow() -> None:
        for message in consumer.follow():
            found.append(message.id)
            if len(found) == 2:
                half.set()

    thread = threading.Thread(target=follow)
    thread.start()
    assert half.wait(20)
    _send(out, 7, 3)
    out.finish()
    thread.join(20)
    assert found == [1, 2, 7, 3]


def test_follow_begins_at_an_id_or_a_time(out: Producer, consumer: Consumer) -> None:
    for number in (5, 1, 9, 4, 6):
        out.send(b"", id=number, timestamp_ns=100 - number).wait()
    out.finish()
    assert [message.id for message in consumer.follow(from_id=5)] == [5, 9, 6]
    assert [message.id for message in consumer.follow(from_time=Timestamp(95))] == [5, 1, 4]
    assert [message.id for message in consumer.follow(from_time=95, from_id=4)] == [5, 4]


def test_follow_says_why_nothing_comes(store: OpenStore, consumer: Consumer) -> None:
    assert _kind(lambda: next(consumer.follow(timeout_s=0))) is UnknownStreamError
    out = store.producer(RUN)
    _send(out, 1)
    assert [message.id for _, message in zip([0], consumer.follow(timeout_s=0), strict=False)] == [1]
    assert _kind(lambda: list(consumer.follow(timeout_s=0))) is NoDataError
    out.close()
    assert _kind(lambda: list(consumer.follow(timeout_s=0.001))) is StreamStalledError
    with store.producer(RUN) as out:
        out.abort("the beam is gone")
    found: list[int] = []
    with pytest.raises(StreamAbortedError, match="the beam is gone"):
        found.extend(message.id for message in consumer.follow())
    assert not found or found == [1]


def test_next_goes_on_in_the_order_of_arrival_and_ends_for_ever(out: Producer, consumer: Consumer) -> None:
    _send(out, 2, 1)
    assert [consumer.next().id, consumer.next().id] == [2, 1]
    assert _kind(lambda: consumer.next(0)) is NoDataError
    _send(out, 3)
    assert consumer.next().id == 3
    out.finish(next_stream="run 8")
    for _ in range(2):
        with pytest.raises(StreamEndedError) as found:
            consumer.next()
        assert (found.value.next_stream, found.value.state) == ("run 8", "finished")


def test_each_absence_of_a_message_is_an_error_of_its_own(store: OpenStore, consumer: Consumer) -> None:
    assert _kind(lambda: consumer.get(1)) is UnknownStreamError
    out = store.producer(RUN)
    _send(out, 2, 4)
    assert consumer.get(4).id == 4
    assert _kind(lambda: consumer.get(5)) is NoDataError
    assert _kind(lambda: consumer.get(3)) is MissingMessageError
    assert _kind(lambda: consumer.get(0)) is StreamError
    assert _kind(lambda: consumer.get(2**64)) is StreamError
    out.close()
    assert _kind(lambda: consumer.get(5)) is StreamStalledError
    assert _kind(lambda: consumer.get(3)) is MissingMessageError
    with store.producer(RUN) as out:
        out.finish()
    assert _kind(lambda: consumer.get(5, timeout_s=None)) is StreamEndedError
    assert _kind(lambda: consumer.get(3, timeout_s=None)) is MissingMessageError


def test_get_waits_for_one_that_is_late(out: Producer, consumer: Consumer) -> None:
    _send(out, 2)
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(consumer.get(1, timeout_s=20).id))
    thread.start()
    _send(out, 3, 1)
    thread.join(20)
    assert found == [1]


def test_last_is_the_newest_also_of_a_stream_that_has_ended(out: Producer, consumer: Consumer) -> None:
    _send(out, 2, 9, 4)
    assert [consumer.last().id, consumer.last().id] == [9, 9]
    assert _kind(lambda: consumer.last(newer_than=9)) is NoDataError
    _send(out, 10)
    assert consumer.last(newer_than=9).id == 10
    out.finish()
    assert consumer.last().id == 10
    assert _kind(lambda: consumer.last(newer_than=10, timeout_s=None)) is StreamEndedError


def test_ranges_by_id_and_by_time_yield_what_is_there(out: Producer, consumer: Consumer) -> None:
    _send(out, 5, 1, 9, 4)
    assert [message.id for message in consumer.range(2, 9)] == [4, 5, 9]
    assert [message.id for message in consumer.between(1000, Timestamp(5000))] == [5, 1, 4]
    assert consumer.missing().tolist() == [2, 3, 6, 7, 8]
    assert consumer.missing(4, 11).tolist() == [6, 7, 8, 10, 11]


@given(st.sets(st.integers(1, 40)), st.integers(1, 40), st.none() | st.integers(1, 45))
def test_what_is_missing_is_what_is_not_there(ids: set[int], first: int, last: int | None) -> None:
    with penstock.open_store("memory:") as store, store.producer(RUN) as out:
        for number in ids:
            out.send(b"", id=number)
        out.flush()
        end = max(ids, default=0) if last is None else last
        missing = store.consumer(RUN).missing(first, last).tolist()
        assert missing == [number for number in range(first, end + 1) if number not in ids]


def test_the_end_is_waited_for(out: Producer, consumer: Consumer) -> None:
    _send(out, 1)
    assert _kind(lambda: consumer.wait_for_end(0.001)) is NoDataError
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(consumer.wait_for_end()))
    thread.start()
    _send(out, 2)
    out.abort("enough")
    thread.join(20)
    assert (found[0].state, found[0].reason, found[0].count) == ("aborted", "enough", 2)


def test_closing_ends_what_waits(consumer: Consumer) -> None:
    found: list[BaseException] = []

    def wait() -> None:
        try:
            consumer.next()
        except StateError as error:
            found.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    consumer.close()
    thread.join(20)
    assert len(found) == 1


def test_what_was_removed_unread_is_counted() -> None:
    with OpenStore(MemoryStore(most_bytes=4000)) as store, store.producer(RUN) as out:
        consumer = store.consumer(RUN)
        for _ in range(10):
            out.send(bytes(1000)).wait()
        first = consumer.next().id
        assert consumer.skipped == first - 1 > 0
        for _ in range(10):
            out.send(bytes(1000)).wait()
        read = [first]
        while read[-1] < 20:
            read.append(consumer.next().id)
        assert consumer.skipped == 20 - len(read)


def test_messages_tell_how_their_buffers_are_encoded(out: Producer, consumer: Consumer) -> None:
    packed = penstock.Encoding("bslz4", "uint16", (4, 4))
    out.send([b"packed", np.arange(3)], encoding=packed)
    out.finish()
    (message,) = consumer.follow()
    assert message.encodings == (packed, None) or message.encodings == (packed,)
    assert bytes(message.buffers[0]) == b"packed"


def test_arrays_stay_valid_after_everything_is_closed() -> None:
    with penstock.open_store("memory:") as store, store.producer(RUN) as out:
        out.send(np.arange(5)).wait()
        with store.consumer(RUN) as consumer:
            array = consumer.get(1).array
    assert array.tolist() == [0, 1, 2, 3, 4]
    assert not array.flags.writeable


def test_an_address_without_a_stream_cannot_be_read(store: OpenStore) -> None:
    assert _kind(lambda: store.consumer("c2026/eiger")) is StreamError
    assert _kind(lambda: store.consumer("c2026/eiger/a [part 1]")) is StreamError


def test_a_query_finds_messages_by_what_is_said_of_them(out: Producer, consumer: Consumer) -> None:
    for number in range(1, 8):
        out.send(bytes(number), id=number, metadata={"energy_keV": 7 - number, "name": f"shot {number}"})
    out.flush()
    found = consumer.query("meta.energy_keV < 4 AND meta.name REGEXP '^shot' ORDER BY _id DESC LIMIT 2")
    assert [(message.id, len(message.array)) for message in found] == [(7, 7), (6, 6)]
    assert [message.id for message in consumer.query("size = 3")] == [3]
    with pytest.raises(QueryError) as wrong:
        consumer.query("meta.energy_keV <")
    assert wrong.value.at == 17


def test_what_is_damaged_is_said_once_and_what_lies_behind_is_read(tmp_path: Path) -> None:
    with penstock.open_store(tmp_path / "store") as store:
        with store.producer(RUN) as out:
            for number in (1, 2, 3):
                out.send(bytes([number]) * 5000).wait()
            out.finish()
        (segment,) = (
            path for path in (tmp_path / "store").rglob("*") if path.is_file() and b"PENSTSEG" in path.read_bytes()[:8]
        )
        segment.write_bytes(segment.read_bytes().replace(b"\2" * 5000, b"\2" * 4999 + b"x"))
        with store.consumer(RUN) as consumer:
            assert consumer.next().id == 1
            with pytest.raises(IntegrityError):
                consumer.next()
            assert (consumer.next().id, consumer.skipped) == (3, 1)
            with pytest.raises(StreamEndedError):
                consumer.next()
