"""ASAPO's genuine clients, version 25.3.0, send to a server of ours and read from it, call by call.

Numbers in brackets are those of the statements in the specification that a test stands for.
"""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.compat.asapo.server import AsapoServer
from penstock.streams.directory import DirectoryStore
from penstock.streams.open_store import OpenStore
from tests.system.asapo_clients import Beamtime, Served, asapo_consumer, asapo_producer, raises

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with DirectoryStore(tmp_path_factory.mktemp("asapo") / "store", make=True) as store, AsapoServer(store) as server:
        yield Served(server, store)


@pytest.fixture
def beamtime(served: Served) -> Beamtime:
    """A stream that nobody else uses, in a beamtime of all."""
    return Beamtime(served)


@pytest.fixture
def own_beamtime(served: Served) -> Beamtime:
    return Beamtime(served, is_own=True)


# --- sending


@pytest.mark.parametrize("mode", [2, 9, 10, 13, 29])
def test_a_message_of_every_mode_is_there_as_it_was_sent(beamtime: Beamtime, mode: int) -> None:
    producer, consumer = beamtime.producer(), beamtime.consumer()
    meta = '{"a": {"b": [1, 2.5, null]}, "size": "large", "text": "\\u00e4"}'
    payload, error = beamtime.send(producer, 1, b"some data", user_meta=meta, ingest_mode=mode)
    assert error is None
    assert (payload["id"], payload["buffer"], payload["stream"]) == (1, "processed/f1", beamtime.stream)
    assert payload["data"] == b"some data"
    data, got = consumer.get_by_id(1, meta_only=True, stream=beamtime.stream)
    assert data is None
    assert got["meta"] == {"a": {"b": [1, 2.5, None]}, "size": "large", "text": "ä"}
    assert (got["name"], got["size"], got["ingest_mode"]) == ("processed/f1", 9, mode)
    assert (got["stream"], got["dataset_substream"]) == (beamtime.stream, 0)
    assert abs(got["timestamp"] / 1e9 - time.time()) < 60
    if mode & 1:
        assert bytes(consumer.retrieve_data(got)) == b"some data"
    else:
        with raises("AsapoDataNotInCacheError"):
            consumer.retrieve_data(got)


@pytest.mark.parametrize("mode", [5, 21])
def test_a_mode_that_only_writes_a_file_is_refused_where_no_files_are_written(beamtime: Beamtime, mode: int) -> None:
    _, error = beamtime.send(beamtime.producer(), 1, ingest_mode=mode)
    assert isinstance(error, asapo_producer.AsapoWrongInputError)
    assert "add 8" in str(error)


def test_files_and_arrays_are_sent_as_their_bytes(beamtime: Beamtime, tmp_path: Path) -> None:
    producer, consumer = beamtime.producer(), beamtime.consumer()
    frame = np.arange(60_000, dtype=np.uint16).reshape(200, 300)
    meta = '{"dtype": "<u2", "shape": [200, 300]}'
    assert beamtime.send(producer, 1, frame, user_meta=meta)[1] is None
    (tmp_path / "file").write_bytes(b"in a file" * 1000)
    wanted = {"exposed_path": "processed/a/file", "stream": beamtime.stream, "callback": beamtime.heard}
    told = beamtime.told(lambda: producer.send_file(2, local_path=str(tmp_path / "file"), **wanted))
    assert told[1] is None
    data, got = consumer.get_by_id(1, meta_only=False, stream=beamtime.stream)
    assert bytes(data) == frame.tobytes()
    assert got["size"] == frame.nbytes
    data, got = consumer.get_by_id(2, meta_only=False, stream=beamtime.stream)
    assert bytes(data) == b"in a file" * 1000
    with OpenStore(beamtime.store).consumer(beamtime.address()) as ours:  # with types, where they were said [the issue]
        first = ours.get(1)
        assert first.array.dtype == np.uint16
        np.testing.assert_array_equal(first.array, frame)
        assert first.metadata["exposed_path"] == "processed/f1"
        assert ours.get(2).array.dtype == np.uint8


def test_what_is_large_or_empty_comes_whole(beamtime: Beamtime, tmp_path: Path) -> None:  # [23], [89]
    producer, consumer = beamtime.producer(), beamtime.consumer()
    large = np.random.default_rng(1).integers(0, 255, 20_000_000, np.uint8)
    assert beamtime.send(producer, 1, large)[1] is None
    (tmp_path / "empty").touch()
    wanted = {"exposed_path": "processed/empty", "stream": beamtime.stream, "callback": beamtime.heard}
    assert beamtime.told(lambda: producer.send_file(2, local_path=str(tmp_path / "empty"), **wanted))[1] is None
    for _ in range(2):
        data = consumer.get_by_id(1, meta_only=False, stream=beamtime.stream)[0]
        np.testing.assert_array_equal(data.view(np.uint8), large)
    data, meta = consumer.get_by_id(2, meta_only=False, stream=beamtime.stream)
    assert (len(data), meta["size"]) == (0, 0)


def test_a_file_that_is_not_there_is_told_of_only_where_its_data_are_wanted(beamtime: Beamtime) -> None:  # [82]
    producer = beamtime.producer()
    wanted = {
        "local_path": "/no/such/file",
        "exposed_path": "processed/no",
        "stream": beamtime.stream,
        "callback": beamtime.heard,
    }
    assert beamtime.told(lambda: producer.send_file(1, ingest_mode=10, **wanted))[1] is None
    error = beamtime.told(lambda: producer.send_file(2, **wanted))[1]
    assert isinstance(error, asapo_producer.AsapoLocalIOError)


def test_what_is_sent_twice_is_there_once(beamtime: Beamtime) -> None:  # [76], [77], [34]
    producer = beamtime.producer()
    beamtime.fill(producer, [1])
    error = beamtime.send(producer, 1, b"data 1")[1]
    assert isinstance(error, asapo_producer.AsapoServerWarning)
    assert "duplicated request, ignored" in str(error)
    for more in ({"data": b"other data"}, {"user_meta": '{"a": 1}'}, {"exposed_path": "processed/other"}):
        error = beamtime.send(producer, 1, **({"data": b"data 1"} | more))[1]
        assert isinstance(error, asapo_producer.AsapoWrongInputError)
        assert "already have record with same id" in str(error)
    assert beamtime.finish(producer, 1) is None
    assert isinstance(beamtime.finish(producer, 1), asapo_producer.AsapoServerWarning)
    assert isinstance(beamtime.finish(producer, 1, "other"), asapo_producer.AsapoWrongInputError)
    assert isinstance(beamtime.send(producer, 1, b"data 1")[1], asapo_producer.AsapoServerWarning)
    assert isinstance(beamtime.send(producer, 2)[1], asapo_producer.AsapoWrongInputError)


def test_ids_that_the_server_gives_have_no_gaps(beamtime: Beamtime) -> None:  # [80]
    producers = [beamtime.producer(threads=4), beamtime.producer(threads=3)]
    for _ in range(60):
        for producer in producers:
            beamtime.begin(producer, 0, auto_id=True)
    answers = beamtime.wait(120)
    assert [error for _, error in answers if error is not None] == []
    given = sorted(int(payload["server_response"]) for payload, _ in answers)
    assert given == list(range(1, 121))
    assert beamtime.ids(beamtime.consumer(), "g", 120) == given


def test_callbacks_are_not_needed_and_queues_are_bounded(beamtime: Beamtime) -> None:  # [83]-[85], [107]
    producer = beamtime.producer()
    producer.send(1, "processed/f", b"data", stream=beamtime.stream)
    producer.send(2, "processed/f", b"data", stream=beamtime.stream, callback=None)
    producer.wait_requests_finished(5000)
    assert (producer.get_requests_queue_size(), producer.get_requests_queue_volume_mb()) == (0, 0)
    assert beamtime.consumer().get_current_size(beamtime.stream) == 2
    producer.set_requests_queue_limits(0, 1)
    with pytest.raises(asapo_producer.AsapoRequestsPoolIsFull):
        beamtime.begin(producer, 3, bytes(8_000_000))
    producer.set_requests_queue_limits(0, 0)
    assert beamtime.send(producer, 3, bytes(8_000_000))[1] is None


def test_wrong_input_is_refused_with_a_reason(beamtime: Beamtime) -> None:  # [87]
    producer = beamtime.producer()
    for more, why in (
        ({"exposed_path": "processed/../f"}, ".."),
        ({"exposed_path": "elsewhere/f"}, "processed/"),
        ({"stream": "x [part 1]"}, "another name"),
        ({"user_meta": '{"n": 123456789012345678901234567890}'}, "64 bits"),
    ):
        error = beamtime.send(producer, 1, **more)[1]
        assert isinstance(error, asapo_producer.AsapoWrongInputError), more
        assert why in str(error)
    assert beamtime.send(producer, 1)[1] is None
    with raises("AsapoWrongInputError"):
        beamtime.consumer(beamtime="auto").get_current_size(beamtime.stream)


# --- reading


def test_next_goes_from_one_to_the_end_and_each_group_for_itself(
    beamtime: Beamtime,
) -> None:  # [1]-[3], [10], [11], [28]
    producer, consumer = beamtime.producer(), beamtime.consumer()
    patient = beamtime.consumer(timeout_ms=60_000)
    beamtime.fill(producer, [3, 1, 2])
    beamtime.fill(producer, [1], stream="other")
    assert beamtime.ids(consumer, "a", 3) == [1, 2, 3]
    assert beamtime.ids(consumer, "b", 1) == [1]
    assert beamtime.ids(consumer, "a", 1, stream="other") == [1]
    with raises("AsapoEndOfStreamError") as caught:
        consumer.get_next("a", stream=beamtime.stream)
    assert caught.value.id_max == 3
    with raises("AsapoEndOfStreamError"):
        consumer.get_next("a", stream="never")
    assert beamtime.finish(producer, 3, "t") is None
    for _ in range(2):
        with raises("AsapoStreamFinishedError") as caught:
            patient.get_next("a", stream=beamtime.stream)  # [29]: at once, and not after a minute
        assert (caught.value.id_max, caught.value.next_stream) == (3, "t")
    assert beamtime.ids(consumer, "b", 2) == [2, 3]


def test_many_share_what_one_group_reads(beamtime: Beamtime) -> None:  # [4]
    beamtime.fill(beamtime.producer(), range(1, 41))
    found: list[int] = []

    def read() -> None:
        consumer = beamtime.consumer(timeout_ms=1)
        try:
            while True:
                found.extend(beamtime.ids(consumer, "g", 1))
        except asapo_consumer.AsapoEndOfStreamError:
            pass

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, 41))


def test_last_is_the_newest_and_moves_nothing(beamtime: Beamtime) -> None:  # [5]-[9], [30]
    producer, consumer = beamtime.producer(), beamtime.consumer()
    beamtime.fill(producer, [1, 2])
    assert beamtime.ids(consumer, "g", 1) == [1]
    assert [consumer.get_last(stream=beamtime.stream)[1]["_id"] for _ in range(2)] == [2, 2]
    assert consumer.get_last(stream=beamtime.stream, group_id="g")[1]["_id"] == 2
    with raises("AsapoEndOfStreamError"):
        consumer.get_last(stream=beamtime.stream, group_id="g")
    assert consumer.get_by_id(1, stream=beamtime.stream)[1]["_id"] == 1
    assert beamtime.ids(consumer, "g", 1) == [2]
    beamtime.fill(producer, [5])
    assert consumer.get_last(stream=beamtime.stream, group_id="g")[1]["_id"] == 5
    assert consumer.get_last(stream=beamtime.stream)[1]["_id"] == 5
    beamtime.finish(producer, 5)
    for group in ("", "new"):
        with raises("AsapoStreamFinishedError") as caught:
            consumer.get_last(stream=beamtime.stream, group_id=group)
        assert (caught.value.id_max, caught.value.next_stream) == (5, "asapo_no_next")  # [32]


def test_a_message_is_got_by_its_id_or_it_is_said_why_not(beamtime: Beamtime) -> None:  # [12], [16], [17], [31]
    producer, consumer = beamtime.producer(), beamtime.consumer()
    beamtime.fill(producer, [1, 3])
    with raises("AsapoEndOfStreamError") as end:
        consumer.get_by_id(4, stream=beamtime.stream)
    assert end.value.id_max == 3
    with raises("AsapoNoDataError") as hole:
        consumer.get_by_id(2, stream=beamtime.stream)
    assert (hole.value.id, hole.value.id_max) == (2, 3)
    with raises("AsapoWrongInputError"):
        consumer.get_by_id(0, stream=beamtime.stream)
    beamtime.finish(producer, 3)
    with raises("AsapoStreamFinishedError") as finished:
        consumer.get_by_id(4, stream=beamtime.stream)
    assert finished.value.id_max == 3


def test_a_gap_is_told_once_and_passed_over(beamtime: Beamtime) -> None:  # [13], [14]
    producer, consumer = beamtime.producer(), beamtime.consumer()
    beamtime.fill(producer, [2])
    with raises("AsapoNoDataError") as caught:
        consumer.get_next("g", stream=beamtime.stream)
    assert (caught.value.id, caught.value.id_max) == (1, 2)
    assert beamtime.ids(consumer, "g", 1) == [2]
    beamtime.fill(producer, [1])
    with raises("AsapoEndOfStreamError"):
        consumer.get_next("g", stream=beamtime.stream)


def test_a_stream_ends_with_the_last_id_that_its_producer_names(beamtime: Beamtime) -> None:  # [28], [31], [33]
    producer, consumer = beamtime.producer(), beamtime.consumer(timeout_ms=1)
    beamtime.fill(producer, [1, 2])
    assert beamtime.finish(producer, 4, "t") is None
    assert beamtime.ids(consumer, "g", 2) == [1, 2]
    for missing in (3, 4):  # [13]: as of any other that is missing
        with raises("AsapoNoDataError") as hole:
            consumer.get_next("g", stream=beamtime.stream)
        assert (hole.value.id, hole.value.id_max) == (missing, 5)
    with raises("AsapoNoDataError"):
        consumer.get_by_id(4, stream=beamtime.stream)
    assert beamtime.ids(consumer, "arrival", 2, ordered=False) == [1, 2]
    reads: tuple[Callable[[], Any], ...] = (
        lambda: consumer.get_next("g", stream=beamtime.stream),
        lambda: consumer.get_next("arrival", stream=beamtime.stream, ordered=False),
        lambda: consumer.get_last(stream=beamtime.stream),
        lambda: consumer.get_by_id(5, stream=beamtime.stream),
    )
    for read in reads:
        with raises("AsapoStreamFinishedError") as end:
            read()
        assert (end.value.id_max, end.value.next_stream) == (4, "t")
    assert consumer.get_stream_info(beamtime.stream)["lastId"] == 4
    assert producer.get_stream_info(beamtime.stream)["lastId"] == 4
    assert consumer.get_current_size(beamtime.stream) == 2
    assert isinstance(beamtime.finish(producer, 4, "t"), asapo_producer.AsapoServerWarning)
    again = beamtime.finish(producer, 3, "t")
    assert isinstance(again, asapo_producer.AsapoWrongInputError)
    assert "with 4 as its last id" in str(again)
    consumer.delete_stream(beamtime.stream)
    beamtime.fill(producer, [1])
    assert beamtime.finish(producer, 1) is None
    assert consumer.get_stream_info(beamtime.stream)["lastId"] == 1


def test_who_waits_gets_what_comes_at_once(beamtime: Beamtime) -> None:  # [15]
    producer, consumer = beamtime.producer(), beamtime.consumer(timeout_ms=10_000)
    beamtime.fill(producer, [2])
    got: list[int] = []
    reading = threading.Thread(target=lambda: got.extend(beamtime.ids(consumer, "g", 3)))
    reading.start()
    time.sleep(0.05)  # so that it has met the gap
    beamtime.fill(producer, [1])
    beamtime.fill(producer, [3])
    reading.join(8)
    assert got == [1, 2, 3]


def test_unordered_reading_follows_arrival(beamtime: Beamtime) -> None:
    producer, consumer = beamtime.producer(threads=1), beamtime.consumer()
    beamtime.fill(producer, [7, 3, 5])
    assert beamtime.ids(consumer, "g", 3, ordered=False) == [7, 3, 5]
    beamtime.fill(producer, [1])
    assert beamtime.ids(consumer, "g", 1, ordered=False) == [1]
    with raises("AsapoEndOfStreamError"):
        consumer.get_next("g", stream=beamtime.stream, ordered=False)


def test_names_of_any_characters_go_through(own_beamtime: Beamtime) -> None:  # [26], [27], [102]
    beamtime = own_beamtime
    odd = "a$b/c d.e%f&g?h*i#j'k_ä+"
    producer, consumer = beamtime.producer(source=odd), beamtime.consumer(source=odd)
    beamtime.fill(producer, [1], stream=odd)
    assert beamtime.ids(consumer, odd, 1, stream=odd) == [1]
    assert consumer.get_stream_list()[0]["name"] == odd
    assert consumer.get_source_list() == [odd]
    assert beamtime.consumer().get_stream_list() == []
    for group in ("g" * 51, ""):
        with raises("AsapoWrongInputError"):
            consumer.get_next(group, stream=beamtime.stream)
    with raises("AsapoWrongInputError"):
        consumer.get_current_size("s" * 101)


# --- groups


def test_a_group_goes_on_where_it_is_told(beamtime: Beamtime) -> None:  # [19], [20]
    consumer = beamtime.consumer()
    beamtime.fill(beamtime.producer(), range(1, 7))
    assert beamtime.ids(consumer, "g", 2) == [1, 2]
    consumer.set_lastread_marker("g", 4, beamtime.stream)
    assert beamtime.ids(consumer, "g", 1) == [5]
    consumer.reset_lastread_marker("g", beamtime.stream)
    assert beamtime.ids(consumer, "g", 1) == [1]
    consumer.set_resend_nacs(True, 0, 3)
    consumer.set_lastread_marker("g", 0, beamtime.stream)
    assert beamtime.ids(consumer, "g", 2) == [1, 1]


def test_what_is_acknowledged_is_known(beamtime: Beamtime) -> None:  # [49]-[55]
    producer, consumer = beamtime.producer(), beamtime.consumer()
    with raises("AsapoNoDataError"):
        consumer.get_last_acknowledged_message("g", beamtime.stream)
    assert consumer.get_unacknowledged_messages("g", stream=beamtime.stream) == []
    beamtime.fill(producer, range(1, 11))
    assert beamtime.ids(consumer, "g", 3) == [1, 2, 3]
    for asked, found in (((0, 0), range(1, 11)), ((0, 5), range(1, 6)), ((5, 0), range(5, 11)), ((1, 1), [1])):
        assert consumer.get_unacknowledged_messages("g", *asked, beamtime.stream) == list(found)
    with raises("AsapoWrongInputError"):
        consumer.get_unacknowledged_messages("g", 5, 4, beamtime.stream)
    for number in (2, 4, 3, 77):
        consumer.acknowledge("g", number, beamtime.stream)
    assert consumer.get_last_acknowledged_message("g", beamtime.stream) == 77
    assert consumer.get_unacknowledged_messages("g", stream=beamtime.stream) == [1, 5, 6, 7, 8, 9, 10]
    assert consumer.get_unacknowledged_messages("g", 2, 4, beamtime.stream) == []
    assert consumer.get_unacknowledged_messages("other", 2, 4, beamtime.stream) == [2, 3, 4]
    with raises("AsapoWrongInputError"):
        consumer.acknowledge("g", 2, beamtime.stream)
    assert beamtime.ids(consumer, "g", 2) == [4, 5]  # what is acknowledged unread is read nevertheless


def test_what_is_not_acknowledged_comes_again(beamtime: Beamtime) -> None:  # [56]-[61], [65]
    consumer = beamtime.consumer()
    beamtime.fill(beamtime.producer(), [1, 2])
    consumer.set_resend_nacs(True, 0, 1)
    assert beamtime.ids(consumer, "a", 4) == [1, 1, 2, 2]
    with raises("AsapoEndOfStreamError"):
        consumer.get_next("a", stream=beamtime.stream)
    consumer.set_resend_nacs(True, 100, 3)
    assert beamtime.ids(consumer, "b", 4) == [1, 2, 1, 2]
    consumer.acknowledge("b", 1, beamtime.stream)
    assert beamtime.ids(consumer, "b", 2) == [2, 2]
    consumer.set_resend_nacs(True, 0, 0)
    assert beamtime.ids(consumer, "c", 20) == [1] * 20


def test_what_is_acknowledged_once_more_does_not_come_again(beamtime: Beamtime) -> None:
    consumer = beamtime.consumer()
    beamtime.fill(beamtime.producer(), [1, 2])
    consumer.set_resend_nacs(True, 100, 0)
    assert beamtime.ids(consumer, "g", 1) == [1]
    store: Any = beamtime.store
    kept = store.kept_group(beamtime.address(), "g [acknowledged]")
    with kept.change() as acknowledged:  # as if the server had been killed just then
        acknowledged.acknowledge([(1, 1)])
    kept.close()
    assert beamtime.ids(consumer, "g", 2) == [2, 1]
    with raises("AsapoWrongInputError"):
        consumer.acknowledge("g", 1, beamtime.stream)
    assert beamtime.ids(consumer, "g", 2) == [2, 2]


def test_what_comes_again_is_shared_too(beamtime: Beamtime) -> None:  # [64]
    beamtime.fill(beamtime.producer(), range(1, 21))
    found: list[list[int]] = [[], []]
    for turn in found:

        def read(turn: list[int] = turn) -> None:
            consumer = beamtime.consumer(timeout_ms=10_000)
            consumer.set_resend_nacs(True, 60_000, 1)
            turn.extend(beamtime.ids(consumer, "g", 5))

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(turn) == list(range(1, 21))
        for number in range(1, 21):
            beamtime.consumer().neg_acknowledge("g", number, 0, beamtime.stream)


def test_the_end_is_told_when_nothing_can_come_again(beamtime: Beamtime) -> None:  # [61]
    producer, consumer = beamtime.producer(), beamtime.consumer(timeout_ms=3000)
    beamtime.fill(producer, [1])
    beamtime.finish(producer, 1)
    consumer.set_resend_nacs(True, 150, 1)
    assert beamtime.ids(consumer, "g", 2) == [1, 1]
    consumer.acknowledge("g", 1, beamtime.stream)
    with raises("AsapoStreamFinishedError"):
        consumer.get_next("g", stream=beamtime.stream)


def test_what_is_refused_comes_once_more(beamtime: Beamtime) -> None:  # [62], [63]
    consumer = beamtime.consumer()
    beamtime.fill(beamtime.producer(), [1, 2])
    assert beamtime.ids(consumer, "g", 1) == [1]
    consumer.neg_acknowledge("g", 1, 0, beamtime.stream)
    assert beamtime.ids(consumer, "g", 2) == [1, 2]
    consumer.neg_acknowledge("g", 1, 500, beamtime.stream)
    with raises("AsapoEndOfStreamError"):
        beamtime.consumer(timeout_ms=1).get_next("g", stream=beamtime.stream)
    assert beamtime.ids(beamtime.consumer(timeout_ms=5000), "g", 1) == [1]


# --- streams, metadata, queries


def test_streams_are_listed_with_how_they_stand(own_beamtime: Beamtime) -> None:  # [21], [33], [38]-[45]
    beamtime = own_beamtime
    producer, consumer = beamtime.producer(), beamtime.consumer()
    assert consumer.get_stream_list() == []
    for name in ("z", "a", "m"):
        beamtime.fill(producer, [1, 2], stream=name)
    producer.send_stream_meta('{"a": 1}', stream="only metadata")
    producer.wait_requests_finished(5000)
    beamtime.finish(producer, 2, "z", stream="a")
    names = [one["name"] for one in consumer.get_stream_list()]
    assert names == ["z", "a", "m"]
    beamtime.finish(producer, 0, "a", stream="nothing")  # a run that was given up
    assert [one["name"] for one in consumer.get_stream_list("a", "all")] == ["a", "m", "nothing"]
    assert [one["name"] for one in consumer.get_stream_list("", "finished")] == ["a", "nothing"]
    info = consumer.get_stream_info("nothing")
    assert (info["lastId"], info["finished"], info["nextStream"]) == (0, True, "a")
    consumer.delete_stream("nothing")
    assert [one["name"] for one in consumer.get_stream_list("a", "unfinished", False)] == ["m"]
    assert consumer.get_stream_list("never") == []
    with raises("AsapoWrongInputError"):
        consumer.get_stream_list("", "wrong")
    info = consumer.get_stream_info("a")
    assert (info["lastId"], info["finished"], info["nextStream"]) == (2, True, "z")
    assert info["timestampCreated"] <= info["timestampLast"]
    assert consumer.get_stream_info("never")["lastId"] == 0
    assert consumer.get_last_stream()["name"] == "m"
    assert producer.get_stream_info("a")["lastId"] == 2
    assert producer.get_last_stream()["name"] == "m"
    assert (consumer.get_current_size("a"), consumer.get_current_size("never")) == (2, 0)
    with raises("AsapoWrongInputError"):
        consumer.get_current_dataset_count("a")
    consumer.set_stream_persistent("a")
    producer.set_stream_persistent("a")
    assert producer.stream_info("a") == producer.get_stream_info("a")
    assert producer.last_stream() == producer.get_last_stream()


def test_a_deleted_stream_begins_anew(beamtime: Beamtime) -> None:  # [46]-[48]
    producer, consumer = beamtime.producer(), beamtime.consumer()
    beamtime.fill(producer, [1, 2])
    other = f"{beamtime.stream} and more"
    beamtime.fill(producer, [1], stream=other)
    assert beamtime.ids(consumer, "g", 2) == [1, 2]
    consumer.acknowledge("g", 1, beamtime.stream)
    consumer.delete_stream(beamtime.stream)
    names = {one["name"] for one in consumer.get_stream_list()}
    assert (beamtime.stream in names, other in names) == (False, True)
    with raises("AsapoWrongInputError"):
        consumer.delete_stream(beamtime.stream)
    consumer.delete_stream(beamtime.stream, error_on_not_exist=False)
    with pytest.raises(asapo_producer.AsapoWrongInputError):
        producer.delete_stream(beamtime.stream)
    beamtime.fill(producer, [1])
    assert consumer.get_unacknowledged_messages("g", stream=beamtime.stream) == [1]
    assert beamtime.ids(consumer, "g", 1) == [1]
    producer.delete_stream(beamtime.stream)
    assert consumer.get_current_size(beamtime.stream) == 0


def test_metadata_of_beamtime_and_stream_are_replaced_updated_and_inserted(own_beamtime: Beamtime) -> None:  # [92]-[94]
    beamtime = own_beamtime
    producer, consumer = beamtime.producer(), beamtime.consumer()
    with raises("AsapoNoDataError"):
        consumer.get_stream_meta(beamtime.stream)
    assert producer.get_stream_meta(beamtime.stream) is None
    assert producer.get_beamtime_meta() is None

    def said(call: Any, text: str, mode: str, upsert: bool, **of: Any) -> Any:
        return beamtime.told(lambda: call(text, mode=mode, upsert=upsert, callback=beamtime.heard, **of))[1]

    for call, of, get in (
        (producer.send_stream_meta, {"stream": beamtime.stream}, lambda: consumer.get_stream_meta(beamtime.stream)),
        (producer.send_beamtime_meta, {}, consumer.get_beamtime_meta),
    ):
        wrong = asapo_producer.AsapoWrongInputError
        assert isinstance(said(call, '{"a": 1}', "replace", False, **of), wrong)
        assert isinstance(said(call, '{"a": 1}', "update", False, **of), wrong)
        assert said(call, '{"a": 1, "b": {"c": 2, "d": 3}}', "insert", False, **of) is None
        assert isinstance(said(call, '{"a": 1}', "insert", False, **of), wrong)
        assert said(call, '{"b": {"c": 5}}', "update", True, **of) is None
        assert isinstance(said(call, "{not JSON", "replace", True, **of), wrong)
        assert get() == {"a": 1, "b": {"c": 5, "d": 3}}
        assert said(call, '{"e": "' + "x" * 3000 + '"}', "replace", True, **of) is None
        assert get() == {"e": "x" * 3000}
    assert producer.get_stream_meta(beamtime.stream) == consumer.get_stream_meta(beamtime.stream)
    assert producer.get_beamtime_meta() == consumer.get_beamtime_meta()
    assert OpenStore(beamtime.store).metadata(beamtime.address()) == {"e": "x" * 3000}


def test_queries_find_messages(beamtime: Beamtime) -> None:  # [95]
    producer, consumer = beamtime.producer(), beamtime.consumer()
    for number in range(1, 6):
        beamtime.fill(producer, [number], user_meta=f'{{"n": {number}, "deep": {{"er": "v{number % 2}"}}}}')
    for text, found in (
        ("_id > 3", [4, 5]),
        ("meta.n BETWEEN 2 AND 3", [2, 3]),
        ("meta.n NOT BETWEEN 2 AND 5 OR name = 'processed/f4' ORDER BY _id DESC", [4, 1]),
        ("meta.deep.er = 'v1' AND meta.n <> 3 ORDER BY meta.n", [1, 5]),
        ("meta.n IN (1, 2) AND meta.deep.er NOT REGEXP '1$'", [2]),
        ("meta.n > 99", []),
    ):
        assert [one["_id"] for one in consumer.query_messages(text, beamtime.stream)] == found, text
    for text in ("meta.n =", "meta.n = bare", "(_id > 1", "LIKE"):
        with raises("AsapoWrongInputError"):
            consumer.query_messages(text, beamtime.stream)
    assert consumer.query_messages("_id > 0", "never") == []


# --- everything else


def test_versions_groups_timeouts_and_interruption(beamtime: Beamtime) -> None:  # [96]-[98]
    producer, consumer = beamtime.producer(), beamtime.consumer(timeout_ms=60_000)
    about = consumer.get_version_info()
    assert about["supported"] is True
    assert "penstock" in about["server"]
    assert producer.get_version_info()["supported"] is True
    assert len({consumer.generate_group_id() for _ in range(3)}) == 3
    threading.Timer(0.2, consumer.interrupt_current_operation).start()
    with raises("AsapoInterruptedTransactionError"):
        consumer.get_next("g", stream=beamtime.stream)
    consumer.set_timeout(1)
    with raises("AsapoEndOfStreamError"):
        consumer.get_next("g", stream=beamtime.stream)
    consumer.disable_monitoring(True)
    consumer.force_no_rdma()
    beamtime.fill(producer, [1])
    assert bytes(consumer.get_next("g", meta_only=False, stream=beamtime.stream)[0]) == b"data 1"
    assert consumer.current_connection_type() == "TCP"


def test_a_payload_comes_by_file_transfer_where_the_cache_cannot_give_it(
    beamtime: Beamtime,
) -> None:  # [99], [100], [104]
    producer, consumer = beamtime.producer(), beamtime.consumer()
    large = bytes(range(256)) * 8192
    beamtime.send(producer, 1, large)
    beamtime.send(producer, 2, b"in the cache only", ingest_mode=9)
    meta = consumer.get_by_id(1, stream=beamtime.stream)[1]
    for changed in ({"buf_id": 0}, {"buf_id": 12345}, {"buf_id": 0, "size": 0}, {"source": "127.0.0.1:1"}):
        assert bytes(consumer.retrieve_data(meta | changed)) == large, changed
    with raises("AsapoDataNotInCacheError"):
        consumer.retrieve_data(consumer.get_by_id(2, stream=beamtime.stream)[1] | {"buf_id": 0})


def test_what_our_own_producer_sends_is_read_by_theirs_and_groups_are_shared(beamtime: Beamtime) -> None:
    ours, consumer = OpenStore(beamtime.store), beamtime.consumer()
    frame = np.arange(12, dtype=np.float32).reshape(3, 4)
    with ours.producer(f"{beamtime.name}/det") as out:
        out.send(frame, stream=beamtime.stream, metadata={"energy_keV": 12.5, "array": np.arange(2)}).wait()
        out.send(None, stream=beamtime.stream, metadata={"n": 2}).wait()
        out.send([frame, frame[0]], stream=beamtime.stream).wait()
        out.finish(stream=beamtime.stream, next_stream="t")
    data, meta = consumer.get_next("g", meta_only=False, stream=beamtime.stream)
    assert np.frombuffer(data, np.float32).tolist() == frame.ravel().tolist()
    assert meta["meta"] == {"energy_keV": 12.5, "array": [0, 1], "dtype": "<f4", "shape": [3, 4]}
    with ours.group(beamtime.address(), "g", prefetch=1) as group:
        assert group.next(1).id == 2
        data, meta = consumer.get_next("g", meta_only=False, stream=beamtime.stream)
        assert (meta["_id"], meta["size"], len(data)) == (3, 64, 64)
        assert [one["size"] for one in meta["meta"]["buffers"]] == [48, 16]
        group.ack(2)
    with raises("AsapoStreamFinishedError") as caught:
        consumer.get_next("g", stream=beamtime.stream)
    assert caught.value.next_stream == "t"
