"""What the memory store does beyond what every store does: a bound, a forgotten writer, threads, its end."""

import gc
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.block import Block
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, StateError, StoreFullError
from penstock.streams.memory_store import MemoryStore
from penstock.streams.store import StreamState
from penstock.testing.store_cases import ADDRESS, arrived, message, numbered, read, told, write

OTHER = StreamAddress("c20261120", "pilatus", "run 1")


def frames(*ids: int) -> Block:
    """Return a block that takes as much room as any other of as many messages."""
    numbers = np.array(ids, np.uint64)
    return Block(stream="any", ids=numbers, timestamps=numbers.astype(np.int64), columns=(np.zeros((len(ids), 1000)),))


def size_of(block: Block) -> int:
    with MemoryStore() as store:
        write(store, block)
        return store.info(ADDRESS).nbytes


def test_the_oldest_blocks_make_room_and_are_counted() -> None:
    with MemoryStore(most_bytes=3 * size_of(frames(1))) as store, store.write(ADDRESS) as writer:
        for number in range(1, 11):
            writer.append(frames(number))
        info = store.info(ADDRESS)
        assert (info.count, info.removed, info.first_id, info.last_id, info.missing) == (3, 7, 8, 10, 0)
        assert info.nbytes == 3 * size_of(frames(1))
        with store.read(ADDRESS) as reader:
            assert [(stored.position, stored.block.ids.tolist()) for stored in reader.blocks()] == [
                (7, [8]),
                (8, [9]),
                (9, [10]),
            ]
            assert (reader.message(7), reader.ids().tolist()) == (None, [8, 9, 10])
            assert [stored.block.ids.tolist() for stored in reader.get(1, 8)] == [[8]]
            assert [stored.block.ids.tolist() for stored in reader.between(1, 8)] == [[8]]
        assert writer.written == info.count + info.removed == 10


def test_what_was_removed_was_there() -> None:
    with MemoryStore(most_bytes=size_of(frames(1))) as store, store.write(ADDRESS) as writer:
        writer.append(frames(1))
        writer.append(frames(2))
        assert writer.present(np.array([1, 2, 3], np.uint64)).tolist() == [True, True, False]
        with pytest.raises(ConflictError, match=r"\b1\b"):
            writer.append(frames(1))


def test_the_bound_is_that_of_all_streams_together() -> None:
    with MemoryStore(most_bytes=2 * size_of(frames(1))) as store:
        with store.write(ADDRESS) as writer, store.write(OTHER) as other:
            writer.append(frames(1))
            other.append(frames(1))
            other.append(frames(2))
            assert (store.info(ADDRESS).count, store.info(ADDRESS).removed, store.info(ADDRESS).first_id) == (0, 1, 0)
            assert (store.info(OTHER).count, store.info(OTHER).removed) == (2, 0)
            writer.append(frames(2))
        assert [info.first_id for info in store.streams()] == [2, 2]
        assert store.delete(OTHER)
        write(store, frames(3))
        assert store.info(ADDRESS).removed == 1, "what was deleted takes room"


def test_a_block_above_the_bound_is_refused_and_removes_nothing() -> None:
    with MemoryStore(most_bytes=2 * size_of(frames(1))) as store, store.write(ADDRESS) as writer:
        writer.append(frames(1))
        with pytest.raises(StoreFullError, match="in all"):
            writer.append(frames(2, 3, 4))
        assert (writer.written, store.info(ADDRESS).count) == (1, 1)
        writer.append(frames(2))


def test_what_was_removed_stays_with_who_holds_it() -> None:
    with MemoryStore(most_bytes=size_of(numbered(4))) as store, store.write(ADDRESS) as writer:
        writer.append(numbered(4))
        with store.read(ADDRESS) as reader:
            held = list(reader.blocks())
            writer.append(numbered(9))
            assert arrived(held) == told([message(4)])
            assert arrived(reader.blocks()) == told([message(9)])


def test_a_reader_that_is_overtaken_goes_on_behind_the_gap() -> None:
    with MemoryStore(most_bytes=2 * size_of(frames(1))) as store, store.write(ADDRESS) as writer:
        writer.append(frames(1))
        writer.append(frames(2))
        with store.read(ADDRESS) as reader:
            blocks = reader.blocks()
            assert next(blocks).position == 0
            for number in (3, 4, 5):
                writer.append(frames(number))
            assert list(blocks) == [], "of what was there, all is gone"
            assert [stored.position for stored in reader.blocks(1)] == [3, 4]


@given(st.lists(st.lists(st.integers(1, 80), min_size=2, max_size=2, unique=True), max_size=40), st.integers(1, 5))
def test_any_order_of_ids_below_a_bound(pairs: list[list[int]], most_blocks: int) -> None:
    ever: list[int] = []
    blocks: list[list[int]] = []
    with MemoryStore(most_bytes=most_blocks * size_of(frames(1, 2))) as store, store.write(ADDRESS) as writer:
        for pair in map(sorted, pairs):
            if not set(pair) & set(ever):
                writer.append(frames(*pair))
                blocks.append(pair)
                ever += pair
        there = sorted(number for pair in blocks[-most_blocks:] for number in pair)
        info = store.info(ADDRESS)
        assert (info.count, info.removed) == (len(there), len(ever) - len(there))
        assert (info.first_id, info.last_id) == (min(there, default=0), max(ever, default=0))
        assert info.missing == info.last_id - len(ever)
        with store.read(ADDRESS) as reader:
            assert reader.ids().tolist() == there
            assert [n for stored in reader.get(1, 80) for n in stored.block.ids.tolist()] == there
            for limit in (1, 3):
                assert reader.ids(10, limit).tolist() == [number for number in there if number >= 10][:limit]


def test_a_writer_that_was_forgotten_is_gone() -> None:
    with MemoryStore() as store:
        writer = store.write(ADDRESS)
        writer.append(numbered(1))
        with pytest.raises(ConflictError, match="MainThread of process"):
            store.write(ADDRESS)
        del writer
        gc.collect()
        assert store.info(ADDRESS).state is StreamState.STALLED
        write(store, numbered(2))
        assert read(store) == told([message(1), message(2)])


def test_times_are_those_of_its_clock_which_may_jump() -> None:
    times = iter([1000, 1010, 1010, 510, 200, 200, 200])
    with MemoryStore(now_ns=lambda: next(times)) as store, store.write(ADDRESS) as writer:
        assert (store.info(ADDRESS).created_ns, store.info(ADDRESS).last_ns) == (1000, 0)
        writer.append(numbered(1))
        writer.append(numbered(2))
        assert (store.info(ADDRESS).created_ns, store.info(ADDRESS).last_ns) == (1010, 510)
        write(store, numbered(1), to=OTHER)
        assert [info.address for info in store.streams()] == [ADDRESS, OTHER]


def test_a_stream_that_is_there_first_and_empty_is_created_by_its_first_message() -> None:
    with MemoryStore() as store, store.write(ADDRESS) as writer:
        write(store, numbered(1), to=OTHER)
        assert [info.address for info in store.streams()] == [ADDRESS, OTHER]
        writer.append(numbered(1))
        assert [info.address for info in store.streams()] == [OTHER, ADDRESS]


def test_closing_the_store_ends_readers_and_writers() -> None:
    store = MemoryStore()
    writer, reader = store.write(ADDRESS), store.read(ADDRESS)
    writer.append(numbered(1))
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            reader.wait(1)
        except StateError as error:
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    store.close()
    thread.join()
    assert len(raised) == 1
    for call in (lambda: writer.append(numbered(2)), lambda: store.write(OTHER), lambda: store.read(OTHER)):
        with pytest.raises(StateError):
            call()
    store.close()


def test_threads_that_share_a_writer_each_write_whole_blocks() -> None:
    with MemoryStore() as store, store.write(ADDRESS) as writer:

        def append(first: int) -> None:
            for at in range(50):
                writer.append(numbered(first + 8 * at, first + 8 * at + 1))

        threads = [threading.Thread(target=append, args=(first,)) for first in (1, 3, 5, 7)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with store.read(ADDRESS) as reader:
            assert reader.ids().tolist() == list(range(1, 401))
            assert [stored.position for stored in reader.blocks()] == list(range(0, 400, 2))


def test_a_reader_that_was_forgotten_gives_its_descriptor_back() -> None:
    gc.collect()  # what others have left may hold lower descriptors
    with MemoryStore() as store, store.write(ADDRESS) as writer:
        reader = store.read(ADDRESS)
        descriptor = reader.fileno()
        del reader
        gc.collect()
        writer.append(numbered(1))
        with store.read(ADDRESS) as another:
            assert another.fileno() == descriptor


def test_what_comes_while_groups_are_asked_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has asked whether they need it; and the bound may take what was to be removed, meanwhile."""
    with MemoryStore(most_bytes=3 * size_of(frames(1))) as store, store.write(ADDRESS) as writer:

        def asked(*_: object) -> dict[str, list[tuple[int, int]]]:
            writer.append(frames(4))
            return {"fit": []}

        monkeypatch.setattr("penstock.streams.memory_store.unread_by_pinned", asked)
        for number in (1, 2, 3):
            writer.append(frames(number))
        store.retain(ADDRESS, count=0)
        assert [one[0] for one in read(store)] == [4]
        assert store.info(ADDRESS).removed == 3
