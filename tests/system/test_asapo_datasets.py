"""Datasets by ASAPO's genuine clients: one id made of parts, on our own mechanism for those."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from penstock.compat.asapo.server import AsapoServer
from penstock.streams.memory_store import MemoryStore
from penstock.streams.open_store import OpenStore
from tests.system.asapo_clients import Beamtime, Served, asapo_producer, raises

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with MemoryStore() as store, AsapoServer(store) as server:
        yield Served(server, store)


@pytest.fixture
def beamtime(served: Served) -> Beamtime:
    """A stream that nobody else uses, in a beamtime of all."""
    return Beamtime(served)


def send(beamtime: Beamtime, number: int, parts: Any, size: int = 3) -> None:
    producer = beamtime.producer()
    for part in parts:
        sent = {"dataset": (part, size), "user_meta": f'{{"part": {part}}}'}
        assert beamtime.send(producer, number, b"part %d of %d" % (part, number), **sent)[1] is None


def test_whole_datasets_are_read_with_all_their_parts(beamtime: Beamtime) -> None:  # [66], [73], [74], [28]
    consumer = beamtime.consumer()
    for number in (1, 2):
        send(beamtime, number, (3, 1, 2))
    reads: tuple[Callable[[], Any], ...] = (
        lambda: consumer.get_next_dataset("g", stream=beamtime.stream),
        lambda: consumer.get_next_dataset("h", stream=beamtime.stream, ordered=False),
        lambda: consumer.get_dataset_by_id(1, stream=beamtime.stream),
    )
    for read in reads:
        dataset = read()
        assert (dataset["id"], dataset["expected_size"]) == (1, 3)
        parts = {one["dataset_substream"]: one for one in dataset["content"]}
        assert sorted(parts) == [1, 2, 3]
        for part, meta in parts.items():
            assert meta["meta"] == {"part": part}
            assert bytes(consumer.retrieve_data(meta)) == b"part %d of 1" % part
    assert consumer.get_next_dataset("g", stream=beamtime.stream)["id"] == 2
    assert beamtime.finish(beamtime.producer(), 2, "next") is None
    with raises("AsapoStreamFinishedError") as caught:
        consumer.get_next_dataset("g", stream=beamtime.stream)
    assert (caught.value.id_max, caught.value.next_stream) == (2, "next")
    with raises("AsapoStreamFinishedError"):
        consumer.get_last_dataset(stream=beamtime.stream)  # [36]
    info = consumer.get_stream_info(beamtime.stream)
    assert (info["lastId"], info["finished"], info["nextStream"]) == (2, True, "next")
    with OpenStore(beamtime.store).datasets(beamtime.address()) as ours:  # as our own readers see them
        found = list(ours.follow(timeout_s=5))
    assert [(one.id, one.expected, sorted(one.parts)) for one in found] == [(1, 3, [1, 2, 3]), (2, 3, [1, 2, 3])]
    assert found[0].parts[2].array.tobytes() == b"part 2 of 1"


def test_datasets_end_with_the_last_id_that_their_producer_names_and_come_unordered_by_their_ids(
    beamtime: Beamtime,
) -> None:  # [28], [33]
    consumer = beamtime.consumer(timeout_ms=1)
    for number in (4, 2):
        send(beamtime, number, (1,), size=1)
    assert [consumer.get_next_dataset("g", stream=beamtime.stream, ordered=False)["id"] for _ in range(2)] == [2, 4]
    send(beamtime, 3, (1,), size=1)
    assert consumer.get_next_dataset("g", stream=beamtime.stream, ordered=False)["id"] == 3
    assert beamtime.finish(beamtime.producer(), 5) is None
    with raises("AsapoStreamFinishedError") as caught:
        consumer.get_next_dataset("g", stream=beamtime.stream, ordered=False)
    assert caught.value.id_max == 5
    assert consumer.get_stream_info(beamtime.stream)["lastId"] == 5


def test_what_is_incomplete_is_given_as_it_is(beamtime: Beamtime) -> None:  # [67]-[72]
    consumer = beamtime.consumer()
    send(beamtime, 1, (1, 2))
    send(beamtime, 2, (1,))
    with raises("AsapoEndOfStreamError"):
        consumer.get_last_dataset(stream=beamtime.stream)
    with raises("AsapoPartialDataError") as caught:
        consumer.get_next_dataset("g", stream=beamtime.stream)
    partial = caught.value.partial_data
    assert (partial["id"], partial["expected_size"], len(partial["content"])) == (1, 3, 2)
    with raises("AsapoPartialDataError"):
        consumer.get_dataset_by_id(2, min_size=2, stream=beamtime.stream)  # [5.1, 8]: ASAPO's own was content
    for least, number in ((2, 1), (1, 2)):
        last = consumer.get_last_dataset(min_size=least, stream=beamtime.stream, group_id=f"last {least}")
        assert (last["id"], len(last["content"])) == (number, 3 - number)
    with raises("AsapoEndOfStreamError"):
        consumer.get_last_dataset(min_size=1, stream=beamtime.stream, group_id="last 1")
    assert len(consumer.get_dataset_by_id(1, min_size=2, stream=beamtime.stream)["content"]) == 2
    assert consumer.get_next_dataset("g", min_size=1, stream=beamtime.stream)["id"] == 2  # it has moved on
    only = consumer.get_dataset_by_id(1, stream=beamtime.stream, substream=2)["content"]
    assert [one["dataset_substream"] for one in only] == [2]
    assert consumer.get_current_size(beamtime.stream) == 2
    count = consumer.get_current_dataset_count
    assert (count(beamtime.stream), count(beamtime.stream, include_incomplete=True)) == (0, 2)
    send(beamtime, 1, (3,))
    assert count(beamtime.stream) == 1
    assert consumer.get_last_dataset(stream=beamtime.stream)["id"] == 1


def test_a_part_that_is_late_completes_what_is_waited_for(beamtime: Beamtime) -> None:  # [105]
    consumer = beamtime.consumer(timeout_ms=10_000)
    send(beamtime, 1, (1, 2))
    got: list[dict[str, Any]] = []
    reading = threading.Thread(target=lambda: got.append(consumer.get_next_dataset("g", stream=beamtime.stream)))
    reading.start()
    time.sleep(0.05)  # so that it waits
    send(beamtime, 1, (3,))
    reading.join(8)
    assert [len(one["content"]) for one in got] == [3]


def test_messages_and_datasets_are_not_mixed_up(beamtime: Beamtime) -> None:
    producer, consumer = beamtime.producer(), beamtime.consumer()
    send(beamtime, 1, (1,), size=1)
    for sent, why in (
        ({}, "has datasets"),
        ({"dataset": (2, 2)}, "1 parts"),
        ({"dataset": (1, 2)}, "1 parts"),
        ({"dataset": (5, 2)}, "part 5 of 2"),
    ):
        error = beamtime.send(producer, 2, **sent)[1]
        assert isinstance(error, asapo_producer.AsapoWrongInputError)
        assert why in str(error)
    with raises("AsapoWrongInputError"):
        consumer.get_next("g", stream=beamtime.stream)
    assert consumer.get_next_dataset("g", stream=beamtime.stream)["id"] == 1
    error = beamtime.send(producer, 1, b"part 1 of 1", dataset=(1, 1), user_meta='{"part": 1}')[1]
    assert isinstance(error, asapo_producer.AsapoServerWarning)
    single = {"stream": f"{beamtime.stream} single"}
    beamtime.fill(producer, [1], **single)
    assert isinstance(beamtime.send(producer, 1, dataset=(1, 1), **single)[1], asapo_producer.AsapoWrongInputError)
    with raises("AsapoWrongInputError"):
        consumer.get_next_dataset("g", **single)
    assert consumer.get_next("g", **single)[1]["_id"] == 1


def test_a_deleted_stream_of_datasets_begins_anew_with_other_parts(beamtime: Beamtime) -> None:
    consumer = beamtime.consumer()
    send(beamtime, 1, (1, 2), size=2)
    assert consumer.get_next_dataset("g", stream=beamtime.stream)["id"] == 1
    consumer.delete_stream(beamtime.stream)
    assert consumer.get_current_size(beamtime.stream) == 0
    send(beamtime, 1, (1, 2, 3))
    assert len(consumer.get_next_dataset("g", stream=beamtime.stream)["content"]) == 3
