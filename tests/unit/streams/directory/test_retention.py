"""Removing the oldest segments: what limits say, beside a writer and readers, and never an id twice."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core.block import Block
from penstock.core.retention import Hold, Retention, retention_address
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, StreamError
from penstock.streams.directory import DirectoryStore, repair, retention
from penstock.streams.directory.stream_lock import StreamLock
from penstock.streams.kept_retention import pin_group, pinned_groups, set_retention
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
        assert store.retain(ADDRESS, count=40).messages == 0
        assert store.retain(ADDRESS, count=39).messages == 0, "a segment goes as a whole or not at all"
        assert store.retain(ADDRESS, count=36).messages == 4
        assert store.retain(ADDRESS, count=10).messages == 24
        assert ids_of(store) == list(range(29, 41))
        info = store.info(ADDRESS)
        assert (info.count, info.removed, info.first_id, info.last_id, info.missing) == (12, 28, 29, 40, 0)
        assert writer.present(np.array([1, 28, 29, 41], np.uint64)).tolist() == [True, True, True, False]
        with pytest.raises(ConflictError):
            writer.append(block(28))
        assert store.retain(ADDRESS, count=0).messages == 8, "the segment that grows stays"
        writer.append(block(50))
    assert ids_of(store) == [37, 38, 39, 40, 50]
    assert store.retain(ADDRESS, count=0).messages == 5
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


def test_what_is_removed_while_it_is_verified_is_not_lost(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.write(ADDRESS, sync="none") as writer:
        for first in range(1, 41, 4):
            writer.append(block(*range(first, first + 4)))
        verify_segment = repair._verify_segment

        def and_remove(folder: Path, number: int, position: int, found: repair.Found) -> int:
            position = verify_segment(folder, number, position, found)
            if not store.info(ADDRESS).removed:
                assert store.retain(ADDRESS, count=20).messages == 20
            return position

        monkeypatch.setattr(repair, "_verify_segment", and_remove)
        found = store.verify(ADDRESS)
        assert found.problems == []
        assert found.messages == 24, "the first segment was there still"


def test_size(store: DirectoryStore) -> None:
    with store.write(ADDRESS, sync="none") as writer:
        for number in range(1, 11):
            writer.append(block(number, size=100))
        each = store.info(ADDRESS).nbytes // 10
        assert store.retain(ADDRESS, nbytes=10 * each).messages == 0
        assert store.retain(ADDRESS, nbytes=4 * each + 1).messages == 6
        assert store.info(ADDRESS).nbytes == 4 * each


def test_age_by_a_clock_that_jumps(store: DirectoryStore, clock: Time) -> None:
    with store.write(ADDRESS, sync="none") as writer:
        for number, now_s in enumerate((100, 110, 50, 120), 1):
            clock.now_ns = now_s * NS
            writer.append(block(number))
        clock.now_ns = 125 * NS
        assert store.retain(ADDRESS, age_s=30).messages == 0
        assert store.retain(ADDRESS, age_s=20).messages == 1
        assert store.retain(ADDRESS, age_s=10).messages == 2, (
            "the third is older than it seems, and goes after the second"
        )
        clock.now_ns = 0
        assert store.retain(ADDRESS, age_s=10).messages == 0
        writer.append(block(5))
    assert ids_of(store) == [4, 5]


def test_what_somebody_has_not_read_is_kept(store: DirectoryStore) -> None:
    with store.write(ADDRESS, sync="none") as writer:
        for first in range(1, 20, 2):
            writer.append(block(first, first + 1))
    assert store.retain(ADDRESS, count=0, keep=5).messages == 4
    assert store.retain(ADDRESS, count=0, keep=6).messages == 2
    assert ids_of(store)[0] == 7


def test_sparse_ids_are_remembered_one_by_one(store: DirectoryStore) -> None:
    with store.write(ADDRESS, sync="none") as writer:
        writer.append(block(10, 20, 30))
        writer.append(block(11, 21))
        assert store.retain(ADDRESS, count=2).messages == 3
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
        assert store.retain(ADDRESS, count=3).messages == 7
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
    assert store.retain(ADDRESS, count=2).messages == 3
    assert store.info(ADDRESS).state is StreamState.STALLED
    assert store.info(ADDRESS).removed == 3
    assert store.retain(ADDRESS, count=0).messages == 2
    with store.write(ADDRESS) as writer:
        assert (writer.written, writer.last_id) == (5, 5)
        writer.append(block(6))
    assert ids_of(store) == [6]


def test_two_at_once_take_turns(store: DirectoryStore) -> None:
    with store.write(ADDRESS, sync="none") as writer:
        for number in range(1, 6):
            writer.append(block(number))
    lock = StreamLock(store.path / FOLDER, "retain")
    other = threading.Thread(target=store.retain, args=(ADDRESS,), kwargs={"count": 1})
    other.start()
    other.join(0.2)
    assert ids_of(store) == [1, 2, 3, 4, 5]
    lock.close()
    other.join()
    assert ids_of(store) == [5]


def told(store: DirectoryStore, count: int, *, even_unread: bool = False) -> None:
    set_retention(store, ADDRESS, Retention(count=count, even_unread=even_unread))


def test_who_writes_removes_what_is_too_much_as_it_goes(store: DirectoryStore) -> None:
    told(store, 3)
    with store.write(ADDRESS, sync="none") as writer:
        for number in range(1, 21):
            writer.append(block(number))
    store.close()  # what is due is done first
    with DirectoryStore(store.path) as again:
        assert ids_of(again)[-3:] == [18, 19, 20]
        assert again.info(ADDRESS).count <= 4, "the one that grew, and as many as are kept"


def test_a_stream_that_is_written_on_is_looked_at(store: DirectoryStore) -> None:
    """Each of many short writers fills no segment, and begins one."""
    for number in range(1, 11):
        with store.write(ADDRESS, sync="none") as writer:
            writer.append(block(number))
    told(store, 2)
    with store.write(ADDRESS, sync="none") as writer:
        writer.append(block(11))
    store.close()
    with DirectoryStore(store.path) as again:
        assert ids_of(again)[-2:] == [10, 11]
        assert again.info(ADDRESS).removed >= 7


def written(store: DirectoryStore, *blocks: Block, to: StreamAddress = ADDRESS) -> None:
    """Write, and wait until nothing is looked at in the background any more."""
    with DirectoryStore(store.path, segment_bytes=1) as other, other.write(to, sync="none") as writer:
        for each in blocks:
            writer.append(each)


def test_what_a_pinned_group_has_not_acknowledged_stays(store: DirectoryStore) -> None:
    written(store, *(block(first, first + 1) for first in range(1, 20, 2)))
    told(store, 4)
    with store.group(ADDRESS, "fit", flush_s=0) as member, store.group(ADDRESS, "other"):
        pin_group(store, ADDRESS, "fit")
        assert store.retain(ADDRESS).held_by == (Hold(group="fit", messages=20, first_id=1),)
        claim = member.claim(20)
        member.acknowledge(*range(1, 6), 7, 8, epoch=claim.epoch)
        found = store.retain(ADDRESS)
        assert (found.messages, found.unread) == (4, 0), "6 is in a segment with 5"
        assert found.held_by == (Hold(group="fit", messages=13, first_id=6),)
        assert found.held_bytes > 0
        member.refuse(9, reason="it cannot be read")
        member.acknowledge(6, *range(10, 21), epoch=claim.epoch)
        assert store.retain(ADDRESS).messages == 4
        assert [hold.first_id for hold in store.retain(ADDRESS).held_by] == [9]
        pin_group(store, ADDRESS, "fit", is_pinned=False)
        assert store.retain(ADDRESS).messages == 8
    assert ids_of(store) == [17, 18, 19, 20]


def test_what_keeps_the_disk_from_being_freed_is_logged_once(
    store: DirectoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    told(store, 1)
    pin_group(store, ADDRESS, "fit")
    with store.write(ADDRESS, sync="none") as writer:
        for number in range(1, 11):
            writer.append(block(number))
    store.close()
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith(f"{ADDRESS}: ")
    assert said.endswith("as the pinned group 'fit' has acknowledged nothing yet")


def test_a_retention_that_cannot_be_read_is_logged_and_hinders_no_writer(
    store: DirectoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.set_metadata(retention_address(ADDRESS), {"kept": {"most": "8GB"}})
    with store.write(ADDRESS, sync="none") as writer:
        for number in range(1, 4):
            writer.append(block(number))
    store.close()
    assert "what is said of its retention cannot be read" in caplog.text


def test_a_view_stays_as_it_is_while_who_writes_removes_its_segment(store: DirectoryStore) -> None:
    told(store, 2)
    with store.write(ADDRESS, sync="none") as writer, store.read(ADDRESS) as reader:
        writer.append(block(1, size=100_000))
        held = next(reader.blocks())
        for number in range(2, 8):
            writer.append(block(number, size=100_000))
        store.close()
        assert not (store.path / FOLDER / "0000000001.seg").exists()
        assert is_right(held.block)
        assert reader.message(1) is None
        assert is_right(held.block)
        writer.append(block(8))
        assert [stored.block.ids.tolist() for stored in reader.blocks()][-1] == [8]


def test_only_streams_and_sources_have_a_retention(store: DirectoryStore) -> None:
    with pytest.raises(StreamError, match="beamtime"):
        set_retention(store, StreamAddress("c2026"), None)
    with pytest.raises(StreamError, match="no stream"):
        pin_group(store, ADDRESS.parent, "fit")


def test_the_parts_of_datasets_are_kept_as_the_stream_they_make_up(store: DirectoryStore) -> None:
    part = StreamAddress("c2026", "eiger", "run 4 [part 1]")
    written(store, *map(block, range(1, 6)), to=part)
    set_retention(store, StreamAddress("c2026", "eiger", "run 4"), Retention(count=2))
    assert store.retain(part).messages == 3


def test_a_stream_of_a_very_long_name_has_the_retention_of_its_source(store: DirectoryStore) -> None:
    long = StreamAddress("c2026", "eiger", "x" * 195)
    written(store, *map(block, range(1, 6)), to=long)
    set_retention(store, long.parent, Retention(count=1))
    assert not pinned_groups(store, long)
    assert store.retain(long).messages == 4
    with pytest.raises(StreamError):
        set_retention(store, long, Retention(count=1))
    assert store.delete(long)


def test_who_lets_go_waits_for_what_is_being_removed(store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would say how much there was before, and nobody would say otherwise."""
    with store.write(ADDRESS, sync="none") as writer:
        for number in range(1, 6):
            writer.append(block(number))
        is_closing, remove = threading.Thread(target=writer.close), retention._remove

        def slow(*given: Any) -> None:
            is_closing.start()
            is_closing.join(0.2)
            remove(*given)

        monkeypatch.setattr(retention, "_remove", slow)
        assert store.retain(ADDRESS, count=2).messages == 3
        is_closing.join()
    info = store.info(ADDRESS)
    assert (info.state, info.count, info.removed) == (StreamState.STALLED, 2, 3)


def test_what_is_removed_of_an_ended_stream_is_said_though_its_writer_is_there(store: DirectoryStore) -> None:
    with store.write(ADDRESS, sync="none") as writer:
        for number in range(1, 6):
            writer.append(block(number))
        writer.finish()
        assert store.retain(ADDRESS, count=0).messages == 5, "nothing grows any more"
        assert store.info(ADDRESS).count == 0
    info = store.info(ADDRESS)
    assert (info.state, info.count, info.removed) == (StreamState.FINISHED, 0, 5)


def test_a_reader_that_had_a_message_before_it_was_removed_has_it_no_more(store: DirectoryStore) -> None:
    with store.write(ADDRESS, sync="none") as writer, store.read(ADDRESS) as reader:
        for first in (1, 5, 9):
            writer.append(block(*range(first, first + 4)))
        assert all(reader.message(k) is not None for k in (9, 1, 2))
        assert store.retain(ADDRESS, count=6).messages == 4
        assert [k for k in range(1, 13) if reader.message(k) is not None] == list(range(5, 13))
        assert reader.arrived == (12, 4)
    with store.read(ADDRESS) as reader:
        assert reader.arrived == (12, 4)
