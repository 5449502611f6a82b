"""What users of ASAPO rely on when they produce and read, by the numbers of the statements in the specification.

Where we mean something else on purpose, the test says what: see decision 20.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import penstock
from penstock.errors import (
    BusyError,
    ConflictError,
    MissingMessageError,
    NoDataError,
    PartialDataError,
    StreamEndedError,
    StreamError,
    UnknownStreamError,
)
from penstock.streams.open_store import OpenStore

RUN = "c2026/eiger/run 7"


@pytest.fixture(params=["memory", "directory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    with penstock.open_store("memory:" if request.param == "memory" else tmp_path / "store", make=True) as store:
        yield store


def _send(store: OpenStore, *ids: int, address: str = RUN, end: str | None = None) -> None:
    with store.producer(address) as out:
        for number in ids:
            out.send(b"%d" % number, id=number).wait()
        if end is not None:
            out.finish(next_stream=end)


def test_5_6_last_and_get_do_not_move_next(store: OpenStore) -> None:
    _send(store, 1, 2, 3)
    with store.consumer(RUN) as consumer:
        assert [consumer.next().id, consumer.last().id, consumer.get(3).id, consumer.next().id] == [1, 3, 3, 2]


def test_7_last_returns_the_newest_again_and_follows(store: OpenStore) -> None:
    with store.consumer(RUN) as consumer:
        for number in (1, 2):
            _send(store, number)
            assert [consumer.last().id, consumer.last().id] == [number, number]


def test_10_11_12_13_16_each_absence_is_told_apart(store: OpenStore) -> None:
    with store.consumer(RUN) as consumer:
        calls: list[Callable[[], object]] = [lambda: consumer.next(0), lambda: consumer.get(1), consumer.last]
        for call in calls:  # 11
            with pytest.raises(UnknownStreamError):
                call()
        with store.producer(RUN) as out:
            out.send(b"", id=2).wait()
            with pytest.raises(MissingMessageError, match="no message 1, though there is 2"):  # 13, 16
                consumer.get(1)
            with pytest.raises(NoDataError, match="after message 2"):  # 12
                consumer.get(3)
            assert consumer.next().id == 2
            with pytest.raises(NoDataError, match="after message 2"):  # 10
                consumer.next(0)


def test_14_what_was_late_is_not_lost_for_ever(store: OpenStore) -> None:
    """There, a gap once reported is never offered again; here, what comes late is read late."""
    with store.consumer(RUN) as consumer:
        _send(store, 2)
        assert consumer.next().id == 2
        _send(store, 1)
        assert consumer.next().id == 1


def test_17_18_ids_and_names_that_cannot_be_are_refused_at_once(store: OpenStore) -> None:
    with store.consumer(RUN) as consumer, store.datasets(RUN) as datasets:
        for call in (lambda: consumer.get(0), lambda: datasets.get(0), lambda: store.consumer("c2026/eiger")):
            with pytest.raises(StreamError):
                call()


def test_21_counts_leave_out_the_end_and_are_0_for_no_stream(store: OpenStore) -> None:
    assert store.info(RUN).count == 0
    _send(store, 1, 2, end="")
    assert store.info(RUN).count == 2


@pytest.mark.parametrize(
    "name", ["$", "a/b", "\\", "a b", ".", "..", "%", "&", "?", "*", "#", "'", "_", "Größe", "%2F"]
)
def test_26_names_of_any_characters_work(store: OpenStore, name: str) -> None:
    address = penstock.StreamAddress(name, name, name)
    with store.producer(address) as out:
        out.send(b"x")
        out.finish(next_stream=name)
    with store.consumer(str(address)) as consumer:
        assert [bytes(message.array) for message in consumer.follow()] == [b"x"]
    (info,) = store.streams(str(address.parent))
    assert (info.address, info.next_stream) == (address, name)


def test_27_names_that_are_too_long_are_refused() -> None:
    with pytest.raises(StreamError, match="at most 200"):
        penstock.StreamAddress("c", "e", "x" * 201)


def test_28_29_31_32_33_the_end_is_told_for_ever_and_at_once(store: OpenStore) -> None:
    _send(store, 1, 2, end="run 8")
    with store.consumer(RUN) as consumer:
        assert [message.id for message in consumer.follow()] == [1, 2]
        assert [consumer.next().id, consumer.next().id] == [1, 2]
        for call in (consumer.next,) * 3:
            with pytest.raises(StreamEndedError, match="message 2") as found:  # 28, 29: no timeout is waited for
                call()
            assert found.value.next_stream == "run 8"
        with pytest.raises(StreamEndedError):  # 31
            consumer.get(3, timeout_s=None)
    _send(store, 1, address="c2026/eiger/other", end="")
    infos = {info.address.stream: info for info in store.streams()}
    assert infos["other"].next_stream == ""  # 32
    assert (infos["run 7"].state, infos["run 7"].last_id, infos["run 7"].next_stream) == ("finished", 2, "run 8")  # 33


def test_30_last_of_a_finished_stream_is_its_last_message(store: OpenStore) -> None:
    """There, it is an error; here, how a stream stands is a state, and who waits for more says so."""
    _send(store, 1, 2, end="")
    with store.consumer(RUN) as consumer:
        assert consumer.last().id == 2
        with pytest.raises(StreamEndedError):
            consumer.last(newer_than=2, timeout_s=None)


def test_34_35_a_stream_ends_once(store: OpenStore) -> None:
    with store.producer(RUN) as out:
        out.send(b"")
        out.finish(next_stream="b")
        out.finish(next_stream="b")
        with pytest.raises(ConflictError):
            out.finish(next_stream="c")
        with pytest.raises(penstock.PenstockError):
            out.send(b"")


def test_38_39_40_43_streams_are_listed_by_creation_and_filtered(store: OpenStore) -> None:
    for name, end in (("b", ""), ("a", None), ("c", None)):
        _send(store, 1, address=f"c2026/eiger/{name}", end=end)

    def names(**filters: Any) -> list[str]:
        return [info.address.stream for info in store.streams("c2026/eiger", **filters)]

    assert names() == ["b", "a", "c"]  # 38
    assert names(from_stream="a") == ["a", "c"]  # 39
    assert names(from_stream="nobody") == []
    assert names(states="finished") == ["b"]  # 40
    assert names(states=["stalled", "open"], from_stream="c") == ["c"]
    assert names(pattern="[ab]") == ["b", "a"]
    with pytest.raises(StreamError, match="streams are open, finished"):
        names(states="done")
    last = store.last_stream("c2026/eiger")
    assert last is not None
    assert last.address.stream == "c"  # 43
    second = store.streams()[1].created_ns
    assert names(created_after=second) == ["a", "c"]
    assert names(created_before=penstock.Timestamp(second)) == ["b", "a"]


def test_42_44_45_what_is_said_of_a_stream(store: OpenStore) -> None:
    assert (store.info(RUN).last_id, store.info(RUN).state) == (0, "open")  # 42
    store.set_metadata(RUN, {"x": 1})
    assert list(store.streams()) == []  # 45
    _send(store, 1, 2)
    (info,) = store.streams()
    assert 0 < info.created_ns <= info.last_ns  # 44


def test_46_47_102_delete_removes_exactly_one_stream(store: OpenStore) -> None:
    for address in (RUN, "c2026/eiger/run 77", "c2026/other/run 7", "c2027/eiger/run 7"):
        _send(store, 1, 2, address=address, end="")
        store.set_metadata(address, {"x": 1})
    assert store.delete(RUN)
    assert not store.delete(RUN)  # 47
    assert [str(info.address) for info in store.streams()] == [
        "c2026/eiger/run 77",
        "c2026/other/run 7",
        "c2027/eiger/run 7",
    ]
    assert store.metadata(RUN) is None
    assert store.metadata("c2026/eiger/run 77") == {"x": 1}
    with store.producer(RUN) as out:
        assert out.send(b"").id == 1  # 46


def test_66_to_74_datasets(store: OpenStore) -> None:
    with store.producer(RUN) as out, store.datasets(RUN) as datasets:
        for part in (1, 2):
            out.send(bytes([part]), id=1, part=(part, 3), metadata={"part": part})
        out.flush()
        calls: list[Callable[[], object]] = [lambda: datasets.get(1), lambda: datasets.next(patience_s=0)]
        for call in calls:  # 67, 68
            with pytest.raises(PartialDataError) as found:
                call()
            assert (found.value.dataset.expected, list(found.value.dataset.parts)) == (3, [1, 2])
        with pytest.raises(NoDataError):  # 69
            datasets.last()
        assert len(datasets.get(1, 2).parts) == len(datasets.last(2).parts) == 2  # 70
        with pytest.raises(PartialDataError):  # and enforced
            datasets.get(1, 3)
        out.send(b"x", id=1, part=(3, 3), metadata={"part": 3})
        out.flush()
        dataset = datasets.get(1)
        assert [message.metadata["part"] for message in dataset.parts.values()] == [1, 2, 3]  # 66, 73, 74
        assert datasets.last().id == 1
        with pytest.raises(NoDataError):  # 71
            datasets.last(newer_than=1)
        assert out.send(b"x", id=1, part=(3, 3), metadata={"part": 3}).wait().kind == "duplicate"  # 73
        assert datasets.info.count == 1  # 72
        with pytest.raises(NoDataError):  # 67: it has moved on
            datasets.next(timeout_s=0)
        out.finish()
        with pytest.raises(StreamEndedError):  # 36
            datasets.next()


def test_76_77_the_same_again_and_another_under_the_same_id(store: OpenStore) -> None:
    with store.producer(RUN) as out:
        out.send(b"a", id=1, metadata={"x": 1})
        assert out.send(b"a", id=1, metadata={"x": 1}).wait().kind == "duplicate"
        for data, metadata in ((b"b", {"x": 1}), (b"a", {"x": 2}), (b"aa", {"x": 1})):
            with pytest.raises(ConflictError, match="has message 1 already"):
                out.send(data, id=1, metadata=metadata).wait()
    assert store.info(RUN).count == 1


def test_81_arrays_of_any_layout_are_taken(store: OpenStore) -> None:
    """There, one that is not contiguous is an error."""
    arrays = [np.arange(12).reshape(3, 4)[:, ::2], np.arange(12).reshape(3, 4).T, np.arange(4)[1:3]]
    with store.producer(RUN) as out:
        for array in arrays:
            out.send(array)
        out.finish()
    with store.consumer(RUN) as consumer:
        for message, array in zip(consumer.follow(), arrays, strict=True):
            np.testing.assert_array_equal(message.array, array)


def test_82_messages_without_data_are_messages(store: OpenStore) -> None:
    with store.producer(RUN) as out:
        out.send(metadata={"path": "nowhere"})
        out.send(b"")
        out.finish()
    with store.consumer(RUN) as consumer:
        assert [(len(m.buffers), dict(m.metadata)) for m in consumer.follow()] == [(0, {"path": "nowhere"}), (1, {})]


def test_83_too_much_on_its_way_is_refused_if_one_does_not_wait(store: OpenStore) -> None:
    with store.producer(RUN, most_open=1) as out:
        out.send(b"").wait()
        with out._core.sending.lock:  # nothing is stored meanwhile
            out._core.sending._open += 1
        with pytest.raises(BusyError):
            out.send(b"", timeout_s=0)
        out._core.sending._open -= 1
        out.send(b"")
    assert store.info(RUN).count == 2


def test_92_94_metadata_are_replaced_merged_and_inserted(store: OpenStore) -> None:
    assert store.metadata(RUN) is None  # 94
    with store.producer(RUN) as out:
        with pytest.raises(StreamError):
            out.set_metadata({"a": 1}, "update", upsert=False)
        out.set_metadata({"embedded": {"x": 1, "y": 2}}, "insert")
        out.set_metadata({"embedded": {"y": 3}}, "update")
        with pytest.raises(ConflictError):
            out.set_metadata({}, "insert")
    assert store.metadata(RUN) == {"embedded": {"x": 1, "y": 3}}
