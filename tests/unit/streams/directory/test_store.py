"""What is special about the directory store: its folder, failures of the disk, other file systems, its catalogue."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest

from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, IntegrityError, StateError, StoreFullError, StreamError
from penstock.streams.directory import DirectoryStore, growing_segment
from penstock.streams.directory.catalogue import Catalogue
from penstock.streams.directory.reader import DirectoryReader
from penstock.streams.directory.segment_view import Check
from penstock.streams.directory.syncer import Syncer
from penstock.streams.directory.waker import LookingWaker, Waker, make_waker
from penstock.streams.store import StreamReader, StreamState
from tests.unit.streams.directory.stored_cases import ADDRESS, FOLDER, block, fill, ids_of

PATIENCE_S = 50.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DirectoryStore]:
    with DirectoryStore(tmp_path / "store", make=True) as store:
        yield store


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(StreamError, match=r"something else in it \(thesis.tex\)"):
        DirectoryStore(tmp_path)
    with pytest.raises(StreamError, match="should be in"):
        DirectoryStore(tmp_path / "no" / "where")


def look_at_all(store: DirectoryStore) -> None:
    """Do everything that reads, and more that finds nothing to change."""
    assert list(store.streams()) == []
    assert store.info(ADDRESS).count == 0
    assert store.metadata(ADDRESS) is None
    assert store.groups(ADDRESS) == []
    assert store.group_report(ADDRESS, "fit") is None
    assert not store.delete_group(ADDRESS, "fit")
    assert not store.delete(ADDRESS)
    assert "there is none" in store.verify(ADDRESS).problems[0]
    assert store.rebuild(ADDRESS).problems == []
    assert store.retain(ADDRESS, count=1).messages == 0
    with store.read(ADDRESS) as reader:
        assert list(reader.blocks()) == []
        assert list(reader.get(1)) == []
        assert not reader.wait(0, 0)


@pytest.mark.parametrize("is_empty", [False, True], ids=["absent", "empty"])
def test_who_only_reads_makes_nothing_and_is_told_what_lacks(tmp_path: Path, is_empty: bool) -> None:
    path = tmp_path / "store"
    if is_empty:
        path.mkdir()
    before = sorted(tmp_path.rglob("*"))
    with DirectoryStore(path) as store:
        look_at_all(store)
        with pytest.raises(StreamError, match=r"(holds no store|is not there); a store is made by who sends first"):
            store.check_is_there()
    assert sorted(tmp_path.rglob("*")) == before


def test_who_only_reads_leaves_a_store_as_it_is(tmp_path: Path) -> None:
    DirectoryStore(tmp_path / "store", make=True).close()
    (tmp_path / "store" / "removed").mkdir()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with DirectoryStore(tmp_path / "store") as store:
        store.check_is_there()
        look_at_all(store)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_who_waits_sees_what_comes_into_a_store_that_was_not_there(tmp_path: Path) -> None:
    with DirectoryStore(tmp_path / "store") as reads, reads.read(ADDRESS) as reader, ThreadPoolExecutor(1) as pool:
        waits = pool.submit(reader.wait, 0, PATIENCE_S)
        fill(tmp_path / "store", block(1))
        assert waits.result(PATIENCE_S)
        reads.check_is_there()
        assert ids_of(reads) == [1]


def test_a_store_of_another_format_is_refused(tmp_path: Path) -> None:
    DirectoryStore(tmp_path, make=True).close()
    (tmp_path / "penstock-store.json").write_text('{"format": 2}')
    with pytest.raises(StreamError, match="a store of format 2; this version knows 1"):
        DirectoryStore(tmp_path)
    (tmp_path / "penstock-store.json").write_text("{}")
    with pytest.raises(IntegrityError):
        DirectoryStore(tmp_path)


def test_opening_does_not_look_at_streams(tmp_path: Path) -> None:
    fill(tmp_path / "store", block(1))
    (tmp_path / "store" / "streams").chmod(0o700)
    for path in (tmp_path / "store" / FOLDER).iterdir():
        path.write_bytes(b"nonsense")
    with DirectoryStore(tmp_path / "store") as store:
        assert [str(info.address) for info in store.streams()] == [str(ADDRESS)]
        assert ids_of(store) == []
        assert store.verify(ADDRESS).problems


def test_a_stream_without_a_state_is_listed_and_can_be_rebuilt(tmp_path: Path) -> None:
    fill(tmp_path / "store", block(1, 2), block(7))
    (tmp_path / "store" / FOLDER / "state").unlink()
    with DirectoryStore(tmp_path / "store") as store:
        assert ids_of(store) == [1, 2, 7]
        assert [(info.count, info.state) for info in store.streams()] == [(3, StreamState.STALLED)]
        assert "there is none" in store.verify(ADDRESS).problems[0]
        assert store.rebuild(ADDRESS).problems == []
        assert store.info(ADDRESS).count == 3
        with store.write(ADDRESS) as writer:
            assert writer.written == 3


def test_a_sync_that_fails_is_final(store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = store.write(ADDRESS, sync="always")
    writer.append(block(1))
    assert writer.synced == 1

    def fail(fd: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(StateError, match="could not be synced"):
            writer.append(block(2))
    assert writer.synced == 1
    for attempt in (writer.sync, writer.finish, lambda: writer.append(block(3)), writer.close):
        with pytest.raises(StateError, match="could not be synced"):
            attempt()
    writer.close()
    with store.write(ADDRESS) as writer:
        assert writer.written == writer.synced == 2
        writer.append(block(3))
    assert ids_of(store) == [1, 2, 3]


def test_an_index_that_has_no_room_takes_its_block_back(store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.write(ADDRESS) as writer:
        writer.append(block(1))
        write = growing_segment._write

        def full(fd: int, pieces: list[bytes], at: int) -> None:
            if "idx" in str(Path(f"/proc/self/fd/{fd}").readlink()):
                write(fd, [pieces[0][:50]], at)
                raise OSError(28, "No space left on device")
            write(fd, pieces, at)

        with monkeypatch.context() as patch:
            patch.setattr(growing_segment, "_write", full)
            with pytest.raises(StoreFullError):
                writer.append(block(2, 3))
        assert writer.written == 1
        assert ids_of(store) == [1]
    store.rebuild(ADDRESS)
    assert ids_of(store) == [1], "what the writer was told is not written was found again"
    with store.write(ADDRESS) as writer:
        writer.append(block(2))
    assert ids_of(store) == [1, 2]


def test_a_disk_that_fails_is_named(store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.write(ADDRESS) as writer:
        with monkeypatch.context() as patch:

            def fail(fd: int, pieces: list[bytes], at: int) -> None:
                raise OSError(5, "Input/output error")

            patch.setattr(growing_segment, "_write", fail)
            with pytest.raises(StreamError, match="run 1: it cannot be written: Input/output error"):
                writer.append(block(1))
        writer.append(block(1))
    assert ids_of(store) == [1]


def test_writing_past_the_page_cache_falls_back(store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    write = growing_segment._write

    def refuse(fd: int, pieces: list[bytes], at: int) -> None:
        if os.get_blocking(fd) and os.O_DIRECT & int(Path(f"/proc/self/fdinfo/{fd}").read_text().split()[3], 8):
            raise OSError(22, "Invalid argument")
        write(fd, pieces, at)

    monkeypatch.setattr(growing_segment, "_write", refuse)
    with DirectoryStore(store.path, direct_bytes=0) as direct, direct.write(ADDRESS) as writer:
        writer.append(block(1))
        writer.append(block(2))
    assert ids_of(store) == [1, 2]


@pytest.mark.parametrize("check", ["first", "always"])
def test_blocks_are_checked_once_or_always(tmp_path: Path, check: Check) -> None:
    fill(tmp_path / "store", block(1, 2, 3), direct_bytes=1 << 40)
    segment = tmp_path / "store" / FOLDER / "0000000001.seg"
    with DirectoryStore(tmp_path / "store", check=check) as store, store.read(ADDRESS) as reader:
        list(reader.blocks())
        with segment.open("r+b") as file:
            file.seek(-30, os.SEEK_END)
            file.write(b"x")
        if check == "first":
            list(reader.blocks())
        else:
            with pytest.raises(IntegrityError, match="seg: the block at byte 128"):
                list(reader.blocks())


def test_a_deletion_that_was_cut_off_is_finished_later(tmp_path: Path) -> None:
    fill(tmp_path / "store", block(1))
    gone = tmp_path / "store" / "removed" / "1234"
    gone.parent.mkdir()
    (tmp_path / "store" / FOLDER).rename(gone)
    with DirectoryStore(tmp_path / "store") as store:
        assert store.streams() == []
        assert gone.exists()  # who only reads changes nothing
        store.make()
        assert not gone.exists()


@pytest.mark.parametrize(("is_remote", "journal"), [(False, "wal"), (True, "delete")])
def test_the_catalogue_does_without_shared_memory(tmp_path: Path, is_remote: bool, journal: str) -> None:
    catalogue = Catalogue(tmp_path / "catalogue.sqlite", lambda _: is_remote)
    beamtime = StreamAddress("b")
    assert catalogue.metadata(beamtime) is None
    assert not (tmp_path / "catalogue.sqlite").exists(), "looking makes no file"
    assert not catalogue.change(beamtime, lambda old: {"ä": [1, None]})
    assert catalogue.journal == journal
    assert catalogue.change(beamtime, lambda old: {"was": old})
    assert catalogue.metadata(beamtime) == {"was": {"ä": [1, None]}}
    assert catalogue.metadata(StreamAddress("b", "s")) is None
    with pytest.raises(ZeroDivisionError):
        catalogue.change(beamtime, lambda old: {"x": 1 // 0})
    assert catalogue.remove(beamtime)
    assert not catalogue.remove(beamtime)
    catalogue.close()


def test_a_damaged_catalogue_is_named(store: DirectoryStore) -> None:
    (store.path / "catalogue.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(IntegrityError, match=r"catalogue\.sqlite"):
        store.metadata(ADDRESS)
    with store.write(ADDRESS) as writer:
        writer.append(block(1))
    assert ids_of(store) == [1]


def test_a_catalogue_that_is_held_by_another_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.streams.directory.catalogue._WAIT_S", 0.0)
    with DirectoryStore(tmp_path / "store") as store:
        store.set_metadata(ADDRESS, {"a": 1})
        other = sqlite3.connect(tmp_path / "store" / "catalogue.sqlite", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StreamError, match="locked"):
            store.set_metadata(ADDRESS, {"a": 2})
        other.close()
        assert store.metadata(ADDRESS) == {"a": 1}


def test_where_the_kernel_does_not_tell_readers_look(store: DirectoryStore) -> None:
    reader = DirectoryReader(
        ADDRESS, store.path / FOLDER, store.path / "streams", wakers=lambda folder, top: LookingWaker(0.001)
    )
    writer = store.write(ADDRESS)
    with reader, writer:
        assert not reader.wait(0, 0)
        thread = threading.Thread(target=writer.append, args=(block(1),))
        thread.start()
        assert reader.wait(0, PATIENCE_S)
        thread.join()
        reader.fileno()
        assert not reader.wait(1, 0.01)


def test_watchers_are_chosen_by_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far, near = make_waker(tmp_path / "b", tmp_path, lambda _: True), make_waker(tmp_path / "b", tmp_path)
    assert type(far) is LookingWaker
    assert type(near) is Waker
    far.close()
    near.close()

    def none_left(*args: object, **options: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("penstock.streams.directory.notices.INotify", none_left)
    waker = make_waker(tmp_path / "b", tmp_path, lambda _: False)
    assert type(waker) is LookingWaker
    waker.close()


def test_a_syncer_calls_who_asked_and_nobody_else() -> None:
    called: list[int] = []
    done = threading.Event()
    syncer = Syncer(0.0)
    syncer.ask(1, lambda: called.append(1))
    syncer.forget(1)
    syncer.ask(2, done.set, is_much=True)
    assert done.wait(PATIENCE_S)
    syncer.close()
    assert called in ([], [1])
    syncer.ask(3, lambda: called.append(3))
    syncer.close()
    assert 3 not in called


def test_nobody_is_let_in_twice_by_threads(store: DirectoryStore) -> None:
    with store.write(ADDRESS):
        refused: list[bool] = []

        def attempt() -> None:
            try:
                store.write(ADDRESS).close()
            except ConflictError:
                refused.append(True)

        threads = [threading.Thread(target=attempt) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert refused == [True] * 4


def numbers(reader: StreamReader, *ids: int) -> list[int | None]:
    """Ask for single messages again and again, and return what they hold."""
    found = [reader.message(k) for k in ids]
    again = [next((int(m.array[0]) for s in reader.get(k) for m in s.messages()), None) for k in ids]
    assert again == [None if message is None else int(message.array[0]) for message in found]
    return again


@pytest.mark.parametrize("check", ["first", "always"])
def test_messages_one_by_one_are_those_there_are_now(tmp_path: Path, check: Check) -> None:
    fill(tmp_path, block(2, 3, 4), block(5, 7, 9), block(6, 8))
    with DirectoryStore(tmp_path, check=check) as store, store.read(ADDRESS) as reader:
        assert numbers(reader, 1, 2, 4, 3, 5, 6, 7, 8, 9, 10) == [None, 2, 4, 3, 5, 6, 7, 8, 9, None]
        assert [s.block.ids.tolist() for s in reader.get(2, 3)] == [[2, 3]]
        assert [s.block.ids.tolist() for s in reader.get(7, 9)] == [[7], [8], [9]]
        with store.write(ADDRESS) as writer:
            writer.append(block(10, 1 << 63))
        assert numbers(reader, 9, 10, 1 << 63, 11) == [9, 10, 1 << 63, None]
        reader.close()
        with pytest.raises(StateError):
            reader.message(10)


def test_a_message_of_a_deleted_stream_is_not_that_of_a_new_one(store: DirectoryStore) -> None:
    with store.read(ADDRESS) as reader:
        for found in (3, 4):
            with store.write(ADDRESS) as writer:
                writer.append(msgspec.structs.replace(block(1, 2), columns=(np.array([[found], [found]], np.uint64),)))
            assert numbers(reader, 1, 2, 1) == [found, found, found]
            store.delete(ADDRESS)
            assert numbers(reader, 1, 2) == [None, None]


def test_a_reader_goes_on_whom_removal_has_overtaken(tmp_path: Path) -> None:
    with DirectoryStore(tmp_path / "store", segment_bytes=1) as store, store.write(ADDRESS, sync="none") as writer:
        writer.append(block(1))
        with store.read(ADDRESS) as reader:
            assert next(reader.blocks()).block.ids.tolist() == [1]
            for number in range(2, 8):
                writer.append(block(number))
            store.retain(ADDRESS, count=2)
            assert [stored.block.ids.tolist() for stored in reader.blocks(1)] == [[6], [7]]
            assert not reader.wait(7, 0)
            writer.append(block(8))
            assert reader.wait(7, 0)
