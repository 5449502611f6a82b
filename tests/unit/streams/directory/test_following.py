"""Frames that somebody follows go through the page cache, and leave it behind them; others go past it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.streams.directory import DirectoryStore, cached_tail, growing_segment
from penstock.streams.directory.cached_tail import CachedTail
from penstock.streams.directory.stream_lock import FollowMark, StreamLock
from penstock.streams.segment import Packed
from penstock.streams.store import StreamState
from tests.unit.streams.directory.stored_cases import ADDRESS, FOLDER, block, ids_of


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The positions of blocks that were written past the page cache."""
    positions: list[int] = []
    write = growing_segment.GrowingSegment._append_direct

    def noted(self: growing_segment.GrowingSegment, packed: Packed, position: int, now_ns: int) -> object:
        positions.append(position)
        return write(self, packed, position, now_ns)

    monkeypatch.setattr(growing_segment.GrowingSegment, "_append_direct", noted)
    return positions


@pytest.fixture
def dropped(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What the page cache was told of: where it begins, and where it ends."""
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(cached_tail, "_dont_need", lambda _, begin, end: told.append((begin, end)))
    return told


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DirectoryStore]:
    """A store whose disk can be written past the page cache, which each block of a few kB is."""
    with DirectoryStore(tmp_path / "store", direct_bytes=4096) as store:
        if store._direct_bytes != 4096:
            pytest.skip("this file system cannot write past the page cache")
        yield store


def test_frames_go_through_the_page_cache_while_somebody_follows(store: DirectoryStore, direct: list[int]) -> None:
    with store.write(ADDRESS, sync="none") as writer:
        writer.append(block(1, size=1000))
        with store.read(ADDRESS) as reader, store.read(ADDRESS) as other:
            writer.append(block(2, size=1000))
            assert reader.wait(0, 0)
            writer.append(block(3, size=1000))
            assert other.wait(0, 0)
            reader.close()
            writer.append(block(4, size=1000))
        writer.append(block(5, size=1000))
        writer.append(block(6))
    assert direct == [0, 1, 4], "3 and 4 were followed; 6 is small"
    assert ids_of(store) == [1, 2, 3, 4, 5, 6]
    assert store.verify(ADDRESS).problems == []


def test_who_follows_a_stream_that_is_made_again_is_seen(store: DirectoryStore, direct: list[int]) -> None:
    with store.read(ADDRESS) as reader:
        assert not reader.wait(0, 0)
        for n in (1, 2):
            with store.write(ADDRESS, sync="none") as writer:
                assert not reader.wait(5, 0)
                writer.append(block(n, size=1000))
                assert reader.wait(0, 0)
            assert store.delete(ADDRESS)
    assert not direct


def test_a_mark_hinders_nobody_and_goes_with_who_left_it(tmp_path: Path) -> None:
    mark, other = FollowMark(tmp_path), FollowMark(tmp_path)
    mark.leave()  # there is no stream yet
    lock = StreamLock(tmp_path)
    assert not lock.is_followed()
    for each in (mark, other, mark):
        each.leave()
    assert lock.is_followed()
    removing = StreamLock(tmp_path, "retain")
    removing.close()
    mark.close()
    assert lock.is_followed()
    other.close()
    other.close()
    assert not lock.is_followed()
    lock.close()


def test_what_lies_behind_the_tail_is_dropped(tmp_path: Path, dropped: list[tuple[int, int]]) -> None:
    tail = CachedTail(most_bytes=100)
    files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # only how many
    with (tmp_path / "file").open("wb") as file:
        for at in range(0, 200, 40):
            tail.add(file.fileno(), at, at + 40)
    written = [(at, at + 40) for at in range(0, 200, 40)]
    assert [each for each in dropped if each in written[1:]] == written[1:], "the disk begins with each at once"
    assert [end for begin, end in dropped if begin == 0] == [40, 40, 80, 120], "80 are left"
    tail.close()
    assert len(os.listdir("/proc/self/fd")) == files  # noqa: PTH208


def test_what_was_followed_is_dropped_also_of_segments_before(
    tmp_path: Path, dropped: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.streams.directory.writer.CachedTail", lambda: CachedTail(most_bytes=20_000))
    with (
        DirectoryStore(tmp_path / "store", segment_bytes=1, direct_bytes=4096) as store,
        store.read(ADDRESS) as reader,
        store.write(ADDRESS, sync="none") as writer,
    ):
        if store._direct_bytes != 4096:
            pytest.skip("this file system cannot write past the page cache")
        reader.wait(0, 0)
        for n in range(1, 7):
            writer.append(block(n, size=1000))
        assert store.info(ADDRESS).state is StreamState.OPEN
    is_direct = [begin for begin, _ in dropped]
    assert is_direct.count(0) == 4, "each has 8 kB: two are within what stays"
    assert len(list((tmp_path / "store" / FOLDER).glob("*.seg"))) == 6
