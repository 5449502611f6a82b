"""Sending: what goes in comes out, and each receipt says what became of it."""

import gc
import re
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from penstock.core.block import Block
from penstock.core.encoding import Encoding
from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.errors import (
    BusyError,
    ConflictError,
    NoDataError,
    ResultTypeError,
    StateError,
    StoreFullError,
    StreamError,
)
from penstock.streams.lane import Lane
from penstock.streams.memory_store import MemoryStore
from penstock.streams.producer import Producer
from penstock.streams.receipts import OutcomeKind, Receipt
from penstock.streams.sending import FEW, FEW_S, MAX_S, Sending
from penstock.streams.steps import run
from penstock.streams.store import StreamState
from tests.unit.streams.failing_store import FailingStore

RUN = StreamAddress("c2026", "eiger", "run 7")


def plain_id(value: object) -> str:
    """Name a case alike in every process: addresses in memory are not."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


@pytest.fixture
def store() -> Iterator[FailingStore]:
    with FailingStore() as store:
        yield store


def _messages(store: MemoryStore, address: StreamAddress = RUN) -> list[Message]:
    with store.read(address) as reader:
        return [message for stored in reader.blocks() for message in stored.messages()]


def _kinds(receipts: list[Receipt]) -> list[str]:
    return [receipt.wait().kind.value for receipt in receipts]


class _Gate:
    """Holds appends back until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.reached = threading.Event()

    def __call__(self, block: Block) -> None:
        self.reached.set()
        assert self.opened.wait(20)


@pytest.mark.parametrize(
    "data",
    [
        b"abc",
        b"",
        bytearray(b"abc"),
        memoryview(b"abc"),
        np.arange(6, dtype=">u2").reshape(2, 3),
        np.zeros((0, 4), np.float32),
        np.array(3.5),
        np.array(["2026-11-20"], "M8[ns]"),
        np.arange(12).reshape(3, 4)[:, ::2],
        np.array([b"ab"], "S2"),
    ],
    ids=plain_id,
)
def test_a_buffer_comes_out_as_it_went_in(store: FailingStore, data: Any) -> None:
    with Producer(store, RUN) as out:
        out.send(data)
    (message,) = _messages(store)
    expected = data if isinstance(data, np.ndarray) else np.frombuffer(bytes(data), np.uint8)
    assert message.array.dtype == expected.dtype
    assert message.array.shape == expected.shape
    np.testing.assert_array_equal(message.array, expected)


def test_several_buffers_no_buffers_and_different_ones_lie_in_one_stream(store: FailingStore) -> None:
    sent = [[b"ab", np.arange(3)], None, [], b"abcd", (np.zeros(2), b"", np.ones(1)), b"x"]
    with Producer(store, RUN) as out:
        for data in sent:
            out.send(data)
    found = _messages(store)
    assert [len(message.buffers) for message in found] == [2, 0, 0, 1, 3, 1]
    assert [buffer.shape for buffer in found[4].buffers] == [(2,), (0,), (1,)]
    assert bytes(found[3].array) == b"abcd"


def test_arrays_of_one_type_share_a_column(store: FailingStore) -> None:
    for dates in (False, True):
        store.before = gate = _Gate()
        with Producer(store, RUN) as out:
            for k in range(5):
                out.send(np.full(3, k, "M8[s]" if dates else np.int16))
            gate.opened.set()
    values = [int(message.array[0].astype(int)) for message in _messages(store)]
    assert values == [*range(5), *range(5)]


def test_everything_that_is_said_of_a_message_is_kept(store: FailingStore) -> None:
    metadata = {"energy_keV": 12.4, "motors": {"x": [1, 2]}}
    packed = Encoding("bslz4", "uint16", (2, 2))
    with Producer(store, RUN) as out:
        out.send([b"packed", np.arange(2)], id=5, key=77, timestamp_ns=123, metadata=metadata, encoding=[packed, None])
        out.send(b"packed", encoding="lz4", key=78)
    first, second = _messages(store)
    assert (first.id, first.key, first.timestamp_ns, first.metadata) == (5, 77, 123, metadata)
    assert first.encodings == (packed, None)
    assert bytes(first.buffers[0]) == b"packed"
    assert second.encodings == (Encoding("lz4"),)
    assert second.id == 6


def test_what_is_changed_after_it_was_sent_is_stored_as_it_was(store: FailingStore) -> None:
    store.before = gate = _Gate()
    array, metadata, buffer = np.zeros(3), {"deep": [{"x": 1}]}, bytearray(b"abc")
    out = Producer(store, RUN)
    out.send(array, metadata=metadata)
    out.send(buffer)
    array[:], metadata["deep"][0]["x"], buffer[:] = 9, 9, b"zzz"
    gate.opened.set()
    out.close()
    first, second = _messages(store)
    assert first.array.tolist() == [0, 0, 0]
    assert first.metadata == {"deep": [{"x": 1}]}
    assert bytes(second.array) == b"abc"


def test_automatic_ids_go_on_behind_the_largest_so_far(store: FailingStore) -> None:
    with Producer(store, RUN) as out:
        ids = [out.send(b"", id=given).id for given in (None, 10, None, 4, None)]
    assert ids == [1, 10, 11, 4, 12]
    with Producer(store, RUN) as out:
        assert out.send(b"").id == 13


def test_ids_out_of_order_are_sorted_within_a_block(store: FailingStore) -> None:
    store.before = gate = _Gate()
    with Producer(store, RUN) as out:
        out.send(b"first", id=1)
        assert gate.reached.wait(20)
        receipts = [out.send(bytes([number]), id=number) for number in (9, 7, 8, 2)]
        gate.opened.set()
        assert _kinds(receipts) == ["stored"] * 4
    assert store.blocks == [1, 4]
    assert [(m.id, int(m.array[0])) for m in _messages(store)[1:]] == [(2, 2), (7, 7), (8, 8), (9, 9)]


def test_the_same_again_is_a_duplicate_and_another_a_conflict(store: FailingStore) -> None:
    with Producer(store, RUN) as out:
        out.send(b"one", id=1, metadata={"x": np.nan, "y": [1, 2]}, key=4).wait()
        again = out.send(b"one", id=1, metadata={"y": (1, 2), "x": np.nan}, key=4).wait()
        assert again.kind is OutcomeKind.DUPLICATE
        others: list[dict[str, Any]] = [
            {"data": b"two", "metadata": {"x": np.nan, "y": [1, 2]}, "key": 4},
            {"data": b"one", "metadata": {"x": np.nan, "y": [1, 3]}, "key": 4},
            {"data": b"one", "metadata": {"x": np.nan, "y": [1, 2]}, "key": 5},
            {"data": b"one", "metadata": {"x": np.nan, "y": [1, 2]}},
            {"data": b"one", "metadata": {"x": np.nan, "y": [1, 2]}, "key": 4, "timestamp_ns": 1},
            {"data": b"one", "metadata": {"x": np.nan, "y": [1, 2]}, "key": 4, "encoding": "lz4"},
            {"data": np.frombuffer(b"one", np.int8), "metadata": {"x": np.nan, "y": [1, 2]}, "key": 4},
            {"data": [b"one", b""], "metadata": {"x": np.nan, "y": [1, 2]}, "key": 4},
            {"data": None, "metadata": {"x": np.nan, "y": [1, 2]}, "key": 4},
        ]
        for other in others:
            receipt = out.send(other.pop("data"), id=1, **other)
            with pytest.raises(ConflictError, match="has message 1 already, with other content"):
                receipt.wait()
            assert receipt.outcome is not None
            assert receipt.outcome.kind is OutcomeKind.CONFLICT
        counts = out.counts
    assert (counts.stored, counts.duplicates, counts.conflicts, counts.failed, counts.open) == (1, 1, 9, 0, 0)
    assert [bytes(message.array) for message in _messages(store)] == [b"one"]


def test_one_id_twice_in_a_block_is_stored_once(store: FailingStore) -> None:
    store.before = gate = _Gate()
    out = Producer(store, RUN)
    out.send(b"first", id=1)
    assert gate.reached.wait(20)
    receipts = [out.send(data, id=2) for data in (b"a", b"a", b"b")]
    gate.opened.set()
    assert _kinds(receipts[:2]) == ["stored", "duplicate"]
    with pytest.raises(ConflictError):
        receipts[2].wait()
    out.close()


def test_of_a_message_that_was_removed_nobody_can_tell_whether_it_was_the_same() -> None:
    with MemoryStore(most_bytes=3000) as store, Producer(store, RUN) as out:
        for _ in range(10):
            out.send(bytes(1000)).wait()
        with pytest.raises(ConflictError, match="removed since"):
            out.send(bytes(1000), id=1).wait()


def test_what_cannot_be_stored_fails_alone(store: FailingStore) -> None:
    store.before = gate = _Gate()
    out = Producer(store, RUN)
    out.send(b"first")
    assert gate.reached.wait(20)
    receipts = [out.send(b"", metadata={"x": object() if k == 3 else k}) for k in range(8)]
    gate.opened.set()
    assert _kinds(receipts[:3] + receipts[4:]) == ["stored"] * 7
    with pytest.raises(ResultTypeError, match="object"):
        receipts[3].wait()
    out.close()
    assert len(_messages(store)) == 8


@pytest.mark.parametrize("error", [StoreFullError("no room"), RuntimeError("a bug"), OSError(5, "I/O")], ids=plain_id)
def test_a_failure_tells_its_reason_to_every_receipt(store: FailingStore, error: Exception) -> None:
    store.before = lambda block: error
    out = Producer(store, RUN)
    receipts = [out.send(b"") for _ in range(3)]
    for receipt in receipts:
        with pytest.raises(StreamError) as found:
            receipt.wait()
        assert str(error) in str(found.value)
        assert receipt.outcome is not None
        assert receipt.outcome.kind is OutcomeKind.FAILED
        assert str(error) in receipt.outcome.reason
    store.before = lambda block: None
    assert out.send(b"").wait().kind is OutcomeKind.STORED
    assert out.counts.failed == 3
    out.close()


def test_closing_raises_what_nobody_was_told(store: FailingStore) -> None:
    store.before = lambda block: StoreFullError("no room")
    out = Producer(store, RUN)
    told, _ = out.send(b""), out.send(b"")
    with pytest.raises(StoreFullError):
        told.wait()
    with pytest.raises(StoreFullError, match="no room"):
        out.flush()
    out.flush()  # once is enough
    out.send(b"")
    out.send(b"")
    with pytest.raises(StoreFullError) as found:
        out.close()
    assert "2 messages were not stored" in found.value.__notes__[0]
    out.close()


def test_an_error_in_the_block_is_not_hidden_by_one_of_closing(store: FailingStore) -> None:
    store.before = lambda block: StoreFullError("no room")
    with pytest.raises(KeyError) as found, Producer(store, RUN) as out:  # noqa: PT012
        out.send(b"")
        raise KeyError("mine")
    assert "no room" in found.value.__notes__[0]


def test_too_many_on_their_way_are_waited_for_or_refused(store: FailingStore) -> None:
    store.before = gate = _Gate()
    out = Producer(store, RUN, most_open=3)
    for _ in range(3):
        out.send(b"")
    with pytest.raises(BusyError, match="3 messages"):
        out.send(b"", timeout_s=0)
    threading.Timer(0.05, gate.opened.set).start()
    assert out.send(b"").wait().kind is OutcomeKind.STORED
    out.close()
    assert len(_messages(store)) == 4


def test_a_message_larger_than_the_bound_may_go_alone(store: FailingStore) -> None:
    with Producer(store, RUN, most_open_bytes=1000) as out:
        for _ in range(3):
            out.send(bytes(5000))
    assert len(_messages(store)) == 3


def test_a_waiter_closes_the_block_and_a_timeout_tells_so(store: FailingStore) -> None:
    store.before = gate = _Gate()
    out = Producer(store, RUN)
    receipt = out.send(b"")
    assert not receipt.done
    assert receipt.outcome is None
    with pytest.raises(NoDataError, match="not stored within"):
        receipt.wait(0.01)
    assert gate.reached.is_set()
    gate.opened.set()
    assert receipt.wait().kind is OutcomeKind.STORED
    assert receipt.address == RUN
    out.close()


def test_few_messages_wait_for_few_others(store: FailingStore) -> None:
    lane = Lane(store, RUN, store.write(RUN))
    sending = Sending(store, level="written", most_open=100, most_open_bytes=100)

    def put(count: int) -> None:
        for _ in range(count):
            sending.put(lane, b"", 0, id=None, key=None, timestamp_ns=0, is_timed=False, metadata=None, encodings=())
        run(sending.flush())

    assert sending.gather_s == FEW_S
    for count in (1, FEW - 1):
        put(count)
        assert sending.gather_s == FEW_S
    sending.gather_s = 3600  # so that all are in one batch
    put(FEW)
    assert sending.gather_s == MAX_S
    sending.stop()
    lane.close()


def test_synced_means_that_one_sync_comes_before_many_receipts(store: FailingStore) -> None:
    store.before = gate = _Gate()
    out = Producer(store, RUN, level="synced")
    first = out.send(b"")
    assert gate.reached.wait(20)
    later = [out.send(b"", key=number if number % 2 else None) for number in range(6)]  # six blocks
    with pytest.raises(NoDataError):
        later[-1].wait(0)
    gate.opened.set()
    assert _kinds([first, *later]) == ["stored"] * 7
    assert store.blocks == [1] * 7
    assert store.syncs == 2
    store.sync_error = OSError(5, "I/O")
    with pytest.raises(StreamError, match="I/O"):
        out.send(b"").wait()
    out.close()


def test_a_store_that_cannot_sync_says_so_at_once() -> None:
    with MemoryStore() as store, pytest.raises(StreamError, match="ask for level 'written'"):
        Producer(store, RUN, level="synced")


def test_threads_share_a_producer_and_its_ids_have_no_gaps(store: FailingStore) -> None:
    with Producer(store, RUN, most_open=50) as out:

        def send() -> None:
            for _ in range(100):
                out.send(b"x")

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [message.id for message in _messages(store)] == list(range(1, 401))


def test_finish_and_abort_end_a_stream_for_good(store: FailingStore) -> None:
    out = Producer(store, StreamAddress("c2026", "eiger"))
    out.send(b"", stream="a")
    out.finish(stream="a", next_stream="b")
    out.abort("the beam is gone", stream="b")
    infos = {info.address.stream: info for info in store.streams()}
    assert (infos["a"].state, infos["a"].next_stream, infos["a"].count) == (StreamState.FINISHED, "b", 1)
    assert (infos["b"].state, infos["b"].reason) == (StreamState.ABORTED, "the beam is gone")
    with pytest.raises(StateError, match="was finished by this producer"):
        out.send(b"", stream="a")
    out.close()
    with pytest.raises(StateError), Producer(store, RUN) as other:
        other.send(b"", stream="a")


def test_a_stream_with_a_failed_message_is_not_finished_untold(store: FailingStore) -> None:
    out = Producer(store, RUN)
    store.before = lambda block: StoreFullError("no room")
    out.send(b"")
    with pytest.raises(StoreFullError):
        out.finish()
    store.before = lambda block: None
    assert store.info(RUN).state is StreamState.OPEN
    out.send(b"")
    out.finish()
    out.finish()
    assert (store.info(RUN).state, store.info(RUN).count) == (StreamState.FINISHED, 1)
    out.close()


def test_the_next_stream_follows_the_one_before(store: FailingStore) -> None:
    with Producer(store, RUN) as out:
        out.send(b"")
        out.next_stream("run 8")
        assert out.send(b"").address.stream == "run 8"
        out.next_stream("run 9")
        out.send(b"")
    assert [(info.address.stream, info.state, info.next_stream) for info in store.streams()] == [
        ("run 7", "finished", "run 8"),
        ("run 8", "finished", "run 9"),
        ("run 9", "stalled", ""),
    ]


def test_metadata_are_set_at_each_level(store: FailingStore) -> None:
    with Producer(store, RUN) as out:
        out.set_metadata({"sample": "lysozyme"}, of="beamtime")
        out.set_metadata({"module": {"x": 1, "y": 2}}, of="source")
        out.set_metadata({"module": {"x": 5}}, "update", of="source")
        out.set_metadata({"energy_keV": 12.4})
        with pytest.raises(ConflictError):
            out.set_metadata({}, "insert")
    assert store.metadata(StreamAddress("c2026")) == {"sample": "lysozyme"}
    assert store.metadata(StreamAddress("c2026", "eiger")) == {"module": {"x": 5, "y": 2}}
    assert store.metadata(RUN) == {"energy_keV": 12.4}
    assert not store.streams()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"id": 0}, "an id is a whole number from 1"),
        ({"id": -1}, "an id is a whole number"),
        ({"id": 2**64}, "an id is a whole number"),
        ({"id": 1.5}, "not 1.5"),
        ({"key": -1}, "a key is a whole number from 0"),
        ({"timestamp_ns": 2**63}, "beyond what 64 bits hold"),
        ({"data": "text"}, "a str cannot be sent"),
        ({"data": np.array([object()])}, "Python objects"),
        ({"metadata": [1]}, "must be a mapping"),
        ({"encoding": ["lz4", "lz4"]}, "2 encodings for 1 buffers"),
        ({"data": np.zeros(3), "encoding": "lz4"}, "buffer 0 is lz4, but no bytes"),
        ({"part": (1, 2)}, "needs the id"),
        ({"part": (3, 2), "id": 1}, "part 3 of 2"),
        ({"stream": "run 7 [part 1]"}, "have a meaning of their own"),
        ({"stream": "run 7 [retention]"}, "have a meaning of their own"),
    ],
    ids=plain_id,
)
def test_what_is_not_as_it_must_be_is_refused_at_once(store: FailingStore, given: dict[str, Any], words: str) -> None:
    with Producer(store, RUN) as out:
        with pytest.raises(StreamError, match=words):
            out.send(given.pop("data", b"x"), **given)
        out.send(b"good").wait()
    assert len(_messages(store)) == 1


def test_an_address_without_a_stream_needs_one_where_it_is_used(store: FailingStore) -> None:
    with Producer(store, RUN.parent) as out:
        with pytest.raises(StreamError, match="names no stream"):
            out.send(b"")
        with pytest.raises(StreamError, match="names no stream"):
            out.next_stream("b")
    with pytest.raises(StreamError, match="names no source"):
        Producer(store, StreamAddress("c2026"))


def test_no_id_follows_the_largest_one(store: FailingStore) -> None:
    with Producer(store, RUN) as out:
        out.send(b"", id=2**64 - 1)
        with pytest.raises(StreamError, match="no id after"):
            out.send(b"")


def test_another_writer_is_a_conflict_and_a_closed_producer_an_error(store: FailingStore) -> None:
    with Producer(store, RUN) as out, Producer(store, RUN) as other:
        out.send(b"")
        with pytest.raises(ConflictError, match="is written by"):
            other.send(b"")
    with pytest.raises(StateError, match="closed"):
        out.send(b"")


def test_a_forgotten_producer_stores_what_was_sent(store: FailingStore) -> None:
    Producer(store, RUN).send(b"")
    gc.collect()
    assert len(_messages(store)) == 1
    assert store.info(RUN).state is StreamState.STALLED


def test_no_thread_is_left(store: FailingStore) -> None:
    with Producer(store, RUN) as out:
        out.send(b"")
    assert not [thread for thread in threading.enumerate() if thread.name == "penstock producer"]


def test_blocks_are_cut_at_a_megabyte_and_around_big_messages(store: FailingStore) -> None:
    store.before = gate = _Gate()
    with Producer(store, RUN) as out:
        out.send(bytes(10))
        assert gate.reached.wait(20)
        for size in (*[100_000] * 12, 300_000, 10, 10):
            out.send(bytes(size))
        gate.opened.set()
    assert store.blocks[0] == 1
    assert sum(store.blocks) == 16
    assert 1 in store.blocks[1:]
    sizes = iter([10, *[100_000] * 12, 300_000, 10, 10])
    for count in store.blocks:
        block = [next(sizes) for _ in range(count)]
        assert sum(block) <= 1 << 20
        assert 300_000 not in block or len(block) == 1
