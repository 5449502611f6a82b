"""Removing the oldest segments: what limits say, beside a writer and readers, and never an id twice."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from penstock.errors import ConflictError
from penstock.streams.directory import DirectoryStore
from penstock.streams.directory.stream_lock import StreamLock
from penstock.streams.store import StreamState
from tests.unit.streams.directory.stored_cases import ADDRESS, FOLDER, as_if_killed, block, ids_of, is_right

NS = 1_000_000_000


class Time:
    """A clock that goes where it is put, backwards too."""

    def __init__(self) -> None:
        self.now_ns = 100 * NS

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def store(tmp_path: Path, clock: Time) -> Iterator[DirectoryStore]:
    """A store in which each block has a segment of its own."""
    with DirectoryStore(tmp_path / "store", segment_bytes=1, now_ns=clock) as store:
        yield store


def test_count(store: DirectoryStore) -> None:
    with store.write(ADDRESS, sync="none") as writer:
        for first in range(1, 41, 4):
            writer.append(block(*range(first, first + 4)))
        assert store.retain(ADDRESS, count=40) == 0
        assert store.retain(ADDRESS, count=39) == 0, "a segment goes as a whole or not at all"
        assert store.retain(ADDRESS, count=36) == 4
        assert store.retain(ADDRESS, count=10) == 24
        assert ids_of(store) == list(range(29, 41))
        info = store.info(ADDRESS)
        assert (info.count, info.removed, info.first_id, info.last_id, info.missing) == (12, 28, 29, 40, 0)
        assert writer.present(np.array([1, 28, 29, 41], np.uint64)).tolist() == [True, True, True, False]
        with pytest.raises(ConflictError):
            writer.append(block(28))
        assert store.retain(ADDRESS, count=0) == 8, "the segment that grows stays"
        writer.append(block(50))
    assert ids_of(store) == [37, 38, 39, 40, 50]
    assert store.retain(ADDRESS, count=0) == 5
    closed = store.info(ADDRESS)
    assert (closed.count, closed.removed, closed.first_id, closed.last_id) == (0, 41, 0, 50)
    with store.read(ADDRESS) as reader:
        assert reader.wait(40, 0)
        assert not reader.wait(41, 0)
    with store.write(ADDRESS) as writer:
        assert (writer.written, writer.last_id) == (41, 50)
        with pytest.raises(ConflictError):
            writer.append(block(3))
        writer.append(block(45))
    assert ids_of(store) == [45]
    with store.read(ADDRESS) as reader:
        assert next(reader.blocks()).position == 41


def test_size(store: DirectoryStore) -> None:
    with store.write(ADDRESS, sync="none") as writer:
        for number in range(1, 11):
            writer.append(block(number, size=100))
        each = store.info(ADDRESS).nbytes // 10
        assert store.retain(ADDRESS, nbytes=10 * each) == 0
        assert store.retain(ADDRESS, nbytes=4 * each + 1) == 6
        assert store.info(ADDRESS).nbytes == 4 * each


def test_age_by_a_clock_that_jumps(store: DirectoryStore, clock: Time) -> None:
    with store.write(ADDRESS, sync="none") as writer:
        for number, now_s in enumerate((100, 110, 50, 120), 1):
            clock.now_ns = now_s * NS
            writer.append(block(number))
        clock.now_ns = 125 * NS
        assert store.retain(ADDRESS, age_s=30) == 0
        assert store.retain(ADDRESS, age_s=20) == 1
        assert store.retain(ADDRESS, age_s=10) == 2, "the third is older than it seems, and goes after the second"
        clock.now_ns = 0
        assert store.retain(ADDRESS, age_s=10) == 0
        writer.append(block(5))
    assert ids_of(store) == [4, 5]


def test_what_somebody_has_not_read_is_kept(store: DirectoryStore) -> None:
    with store.write(ADDRESS, sync="none") as writer:
        for first in range(1, 20, 2):
            writer.append(block(first, first + 1))
    assert store.retain(ADDRESS, count=0, keep=5) == 4
    assert store.retain(ADDRESS, count=0, keep=6) == 2
    assert ids_of(store)[0] == 7


def test_sparse_ids_are_remembered_one_by_one(store: DirectoryStore) -> None:
    with store.write(ADDRESS, sync="none") as writer:
        writer.append(block(10, 20, 30))
        writer.append(block(11, 21))
        assert store.retain(ADDRESS, count=2) == 3
        asked = np.array([10, 11, 12, 20, 21, 22, 30, 31], np.uint64)
        assert writer.present(asked).tolist() == [True, True, False, True, True, False, True, False]
        writer.append(block(12, 31))
        with pytest.raises(ConflictError):
            writer.append(block(13, 20))
    assert ids_of(store) == [11, 21, 12, 31]


def test_readers_keep_what_they_hold_and_go_on(store: DirectoryStore) -> None:
    with store.write(ADDRESS, sync="none") as writer, store.read(ADDRESS) as reader:
        for first in range(1, 11):
            writer.append(block(first, size=1000))
        under_way = reader.blocks()
        held = [next(under_way), next(under_way)]
        assert store.retain(ADDRESS, count=3) == 7
        assert [stored.block.ids.tolist() for stored in under_way] == [[8], [9], [10]]
        assert all(is_right(stored.block) for stored in held)
        assert reader.message(2) is None
        assert reader.ids().tolist() == [8, 9, 10]
        assert not list(reader.between(0, 5000))


def test_the_first_message_stays_when_the_stream_was_created(store: DirectoryStore, clock: Time) -> None:
    for now_s in (100, 200, 300):
        clock.now_ns = now_s * NS
        with store.write(ADDRESS, sync="none") as writer:
            writer.append(block(now_s))
    store.retain(ADDRESS, count=1)
    assert store.info(ADDRESS).created_ns == 100 * NS


def test_a_stream_whose_writer_was_killed(store: DirectoryStore) -> None:
    with store.write(ADDRESS, sync="none") as writer:
        for number in range(1, 6):
            writer.append(block(number))
    as_if_killed(store.path)
    assert store.retain(ADDRESS, count=2) == 3
    assert store.info(ADDRESS).state is StreamState.STALLED
    assert store.info(ADDRESS).removed == 3
    assert store.retain(ADDRESS, count=0) == 2
    with store.write(ADDRESS) as writer:
        assert (writer.written, writer.last_id) == (5, 5)
        writer.append(block(6))
    assert ids_of(store) == [6]


def test_two_at_once_are_refused(store: DirectoryStore) -> None:
    store.write(ADDRESS).close()
    lock = StreamLock(store.path / FOLDER, "retain")
    try:
        with pytest.raises(ConflictError):
            store.retain(ADDRESS, count=1)
    finally:
        lock.close()
    assert store.retain(ADDRESS, count=1) == 0


def test_a_reader_that_had_a_message_before_it_was_removed_has_it_no_more(store: DirectoryStore) -> None:
    with store.write(ADDRESS, sync="none") as writer, store.read(ADDRESS) as reader:
        for first in (1, 5, 9):
            writer.append(block(*range(first, first + 4)))
        assert all(reader.message(k) is not None for k in (9, 1, 2))
        assert store.retain(ADDRESS, count=6) == 4
        assert [k for k in range(1, 13) if reader.message(k) is not None] == list(range(5, 13))
        assert reader.arrived == (12, 4)
    with store.read(ADDRESS) as reader:
        assert reader.arrived == (12, 4)
