"""Datasets of parts that several producers send."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

import penstock
from penstock.errors import (
    ConflictError,
    MissingMessageError,
    NoDataError,
    PartialDataError,
    StreamAbortedError,
    StreamEndedError,
    StreamError,
    UnknownStreamError,
)
from penstock.streams import dataset_reading
from penstock.streams.dataset import Dataset, table_address
from penstock.streams.more import More
from penstock.streams.open_store import OpenStore
from penstock.streams.producer import Producer
from penstock.streams.store import StreamReader

RUN = "c2026/eiger/run 7"


@pytest.fixture(params=["memory", "directory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    with penstock.open_store("memory:" if request.param == "memory" else tmp_path / "store", make=True) as store:
        yield store


@pytest.fixture
def modules(store: OpenStore) -> Iterator[list[Producer]]:
    """Three producers, as three processes would have them."""
    producers = [store.producer(RUN) for _ in range(3)]
    yield producers
    for producer in producers:
        producer.close()


def _send(modules: list[Producer], number: int, *parts: int) -> None:
    for part in parts:
        modules[part - 1].send(np.full(2, 10 * number + part), id=number, part=(part, 3)).wait()


def _seen(dataset: Dataset) -> tuple[int, list[int]]:
    assert all(message.array.tolist() == [10 * dataset.id + part] * 2 for part, message in dataset.parts.items())
    assert dataset.expected == 3
    assert dataset.is_complete == (not dataset.missing)
    assert sorted([*dataset.parts, *dataset.missing]) == [1, 2, 3]
    return dataset.id, list(dataset.parts)


def test_parts_of_several_producers_make_a_dataset(store: OpenStore, modules: list[Producer]) -> None:
    _send(modules, 1, 3, 1, 2)
    _send(modules, 2, 1, 2, 3)
    for module in modules:
        module.finish()
    with store.datasets(RUN) as datasets:
        assert [_seen(dataset) for dataset in datasets.follow()] == [(1, [1, 2, 3]), (2, [1, 2, 3])]


def test_a_late_part_completes_the_call_that_waits(store: OpenStore, modules: list[Producer]) -> None:
    _send(modules, 1, 1)
    for call in ("get", "next"):
        with store.datasets(RUN) as datasets:
            found: list[Dataset] = []

            def wait(datasets: penstock.DatasetConsumer = datasets, call: str = call) -> None:
                found.append(datasets.get(1, timeout_s=20) if call == "get" else datasets.next(patience_s=20))  # noqa: B023

            thread = threading.Thread(target=wait)
            thread.start()
            _send(modules, 1, *((2, 3) if call == "get" else ()))
            thread.join(20)
            assert _seen(found[0]) == (1, [1, 2, 3])


def test_the_first_part_of_all_is_found_by_one_who_waits(store: OpenStore, modules: list[Producer]) -> None:
    for parts in (None, 3):
        with store.datasets(RUN, parts=parts) as datasets:
            if parts is None:
                with pytest.raises(UnknownStreamError):
                    datasets.next(timeout_s=0)
            found: list[Dataset] = []
            thread = threading.Thread(target=lambda: found.append(datasets.next(timeout_s=20)))  # noqa: B023
            thread.start()
            if parts is None:
                _send(modules, 1, 2, 3, 1)
            thread.join(20)
            assert _seen(found[0]) == (1, [1, 2, 3])


def test_too_few_parts_are_an_error_that_has_them_and_enough_are_not(store: OpenStore, modules: list[Producer]) -> None:
    _send(modules, 1, 1)
    _send(modules, 2, 1, 3)
    with store.datasets(RUN) as datasets:
        for min_size in (None, 0, 1, 2, 3):
            if min_size in (0, 1):
                assert _seen(datasets.get(1, min_size)) == (1, [1])
                continue
            with pytest.raises(PartialDataError, match="dataset 1 has 1 of 3 parts") as found:
                datasets.get(1, min_size)
            assert _seen(found.value.dataset) == (1, [1])
        assert _seen(datasets.get(2, 2)) == (2, [1, 3])
        with pytest.raises(PartialDataError):
            datasets.next(2, patience_s=0)
        assert _seen(datasets.next(2, patience_s=0)) == (2, [1, 3])  # it has gone on behind the one with too few
        with pytest.raises(NoDataError):
            datasets.next(2, timeout_s=0)


def test_nobody_waits_for_a_part_that_cannot_come(store: OpenStore, modules: list[Producer]) -> None:
    _send(modules, 1, 1, 2, 3)
    _send(modules, 2, 1, 2)
    modules[2].finish()
    with store.datasets(RUN) as datasets:
        with pytest.raises(PartialDataError):
            datasets.get(2, timeout_s=None)
        assert [_seen(d) for _, d in zip("ab", datasets.follow(min_size=2, patience_s=None), strict=False)] == [
            (1, [1, 2, 3]),
            (2, [1, 2]),
        ]


def test_last_is_the_newest_with_enough_parts(store: OpenStore, modules: list[Producer]) -> None:
    with store.datasets(RUN) as datasets:
        with pytest.raises(UnknownStreamError):
            datasets.last()
        _send(modules, 1, 1)
        with pytest.raises(NoDataError, match="no dataset yet with as many parts"):
            datasets.last()
        _send(modules, 20_000, 1, 2, 3)
        _send(modules, 50_000, 1, 2)
        _send(modules, 50_001, 2)
        assert _seen(datasets.last()) == (20_000, [1, 2, 3])
        assert _seen(datasets.last(2)) == (50_000, [1, 2])
        assert _seen(datasets.last(1)) == (50_001, [2])
        with pytest.raises(NoDataError):
            datasets.last(newer_than=20_000, timeout_s=0.001)
        for module in modules:
            module.finish()
        assert _seen(datasets.last()) == (20_000, [1, 2, 3])
        with pytest.raises(StreamEndedError):
            datasets.last(newer_than=20_000, timeout_s=None)


def test_datasets_come_by_id_and_those_that_are_late_come_late(store: OpenStore, modules: list[Producer]) -> None:
    with store.datasets(RUN, parts=3) as datasets:
        _send(modules, 5, 1, 2, 3)
        _send(modules, 3, 1, 2, 3)
        assert [datasets.next().id, datasets.next().id] == [3, 5]
        _send(modules, 4, 1, 2, 3)
        assert datasets.next().id == 4
        assert [dataset.id for dataset in datasets.range(4, 9)] == [4, 5]
        assert [dataset.id for dataset in datasets.range(1, 3)] == [3]


def test_each_absence_is_an_error_of_its_own(store: OpenStore, modules: list[Producer]) -> None:
    with store.datasets(RUN, parts=3) as datasets:
        with pytest.raises(UnknownStreamError):
            datasets.get(1)
        _send(modules, 2, 1, 2, 3)
        with pytest.raises(MissingMessageError):
            datasets.get(1)
        with pytest.raises(NoDataError, match="nothing yet"):
            datasets.get(3)
        with pytest.raises(StreamError, match="no id of a message"):
            datasets.get(0)
        for module in modules:
            module.finish(next_stream="run 8")
        with pytest.raises(StreamEndedError) as found:
            datasets.get(3, timeout_s=None)
        assert found.value.next_stream == "run 8"


def test_the_parts_are_one_stream_in_lists(store: OpenStore, modules: list[Producer]) -> None:
    with store.producer("c2026/eiger/plain") as out:
        out.send(b"")
    _send(modules, 1, 1, 2)
    _send(modules, 4, 2)
    plain, run = store.streams("c2026/eiger")
    assert plain.address.stream == "plain"
    assert (str(run.address), run.state, run.count, run.first_id, run.last_id, run.missing) == (RUN, "open", 2, 1, 4, 2)
    assert store.info(RUN) == run
    modules[2].send(b"", id=1, part=(3, 3)).wait()
    modules[0].finish()
    assert store.info(RUN).state == "open"
    modules[1].finish()
    modules[2].close()
    assert store.info(RUN).state == "stalled"
    with store.producer(RUN) as again:
        again.send(b"", id=4, part=(3, 3))
        again.finish()
    with store.datasets(RUN) as datasets:
        assert datasets.wait_for_end().state == "finished"
    assert store.delete(RUN)
    assert [str(info.address) for info in store.streams()] == ["c2026/eiger/plain"]
    assert not store.delete(RUN)
    assert store.store.metadata(penstock.StreamAddress("c2026", "eiger", "run 7 [parts]")) is None


def test_one_that_is_aborted_aborts_all(store: OpenStore, modules: list[Producer]) -> None:
    _send(modules, 1, 1, 2, 3)
    modules[1].abort("a cable")
    found = []
    with store.datasets(RUN) as datasets, pytest.raises(StreamAbortedError, match="a cable"):  # noqa: PT012
        for dataset in datasets.follow():
            found.append(_seen(dataset))  # noqa: PERF401
    assert found == [(1, [1, 2, 3])]


def test_the_same_part_again_is_a_duplicate_and_another_a_conflict(modules: list[Producer]) -> None:
    _send(modules, 1, 1)
    assert modules[0].send(np.full(2, 11), id=1, part=(1, 3)).wait().kind == "duplicate"
    with pytest.raises(ConflictError):
        modules[0].send(np.full(2, 12), id=1, part=(1, 3)).wait()


def test_datasets_of_a_stream_are_of_one_size_and_no_single_messages(store: OpenStore, modules: list[Producer]) -> None:
    _send(modules, 1, 1)
    with pytest.raises(ConflictError, match="have 3 parts"):
        modules[0].send(b"", id=2, part=(1, 4))
    with pytest.raises(ConflictError, match="have 3 parts"):
        modules[1].send(b"", id=2, part=(2, 4))
    with pytest.raises(StreamError, match="has datasets"):
        modules[0].send(b"")
    with store.consumer(RUN) as consumer, pytest.raises(UnknownStreamError, match=r"read it with datasets\(\)"):
        consumer.next(0)
    with store.producer("c2026/eiger/plain") as out:
        out.send(b"").wait()
        with pytest.raises(StreamError, match="has single messages"):
            out.send(b"", id=1, part=(1, 2))
    with (
        store.datasets("c2026/eiger/plain") as datasets,
        pytest.raises(StreamError, match=r"read it with consumer\(\)"),
    ):
        datasets.next()


def test_one_producer_may_send_all_parts(store: OpenStore) -> None:
    with store.producer("c2026/eiger") as out:
        for number in (1, 2):
            for part in (1, 2):
                out.send(b"%d" % part, stream="run 8", id=number, part=(part, 2))
        out.finish(stream="run 8", next_stream="run 9")
    with store.datasets("c2026/eiger/run 8") as datasets:
        assert [dataset.id for dataset in datasets.follow()] == [1, 2]
        assert datasets.info.next_stream == "run 9"


@pytest.mark.parametrize("first", [1, 3])
def test_the_first_part_of_all_is_pushed(store: OpenStore, monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    waits: list[float | None] = []
    is_waiting = threading.Event()

    class Told(More):
        def __init__(self, watched: Sequence[tuple[StreamReader, int]], timeout_s: float | None) -> None:
            super().__init__(watched, timeout_s)
            waits.append(timeout_s)

        def block(self) -> bool:
            is_waiting.set()
            return super().block()

    monkeypatch.setattr(dataset_reading, "More", Told)
    found: list[Dataset] = []
    with store.datasets(RUN) as datasets:
        waiting = threading.Thread(target=lambda: found.append(datasets.next(1, patience_s=0)))
        waiting.start()
        is_waiting.wait()
        with store.producer(RUN) as producer:
            producer.send(np.zeros(2), id=5, part=(first, 3)).wait()
            waiting.join()
    assert [(each.id, list(each.parts), each.expected) for each in found] == [(5, [first], 3)]
    assert set(waits) <= {None, 0.0}, "nobody looked again and again"
    assert len(waits) < 10


def test_the_first_part_is_told_of_although_who_told_before_was_killed(store: OpenStore) -> None:
    table = table_address(penstock.StreamAddress("c2026", "eiger", "run 7"))
    store.store.set_metadata(table, {"parts": 2})
    store.store.write(table).close()
    with store.store.read(table) as reader, store.producer(RUN) as producer:
        assert not reader.wait(0, 0)
        producer.send(np.zeros(2), id=5, part=(2, 2)).wait()
        assert reader.wait(0)
    assert [str(info.address) for info in store.streams()] == [RUN]
    store.delete(RUN)
    assert not store.store.streams()
