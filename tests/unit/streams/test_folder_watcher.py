"""Files in real folders become messages, each once."""

import os
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, StateError, StreamError
from penstock.streams.directory import DirectoryStore
from penstock.streams.file_journal import FileJournal
from penstock.streams.file_numbering import FileNumbering
from penstock.streams.folder_watcher import FolderWatcher
from penstock.streams.memory_store import MemoryStore
from penstock.streams.open_store import OpenStore
from penstock.streams.watch_options import WatchOptions
from tests.unit.streams.watched_folder import QUICK, STREAM, sent, until, watching


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def _names(messages: list[Message]) -> list[str]:
    return [message.metadata["name"] for message in messages]


def _write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(f"data of {name}".encode())


def _with(options: WatchOptions = QUICK, **changes: object) -> WatchOptions:
    return msgspec.structs.replace(options, **changes)


def test_a_file_becomes_a_message_that_says_where_it_was(store: MemoryStore, folder: Path) -> None:
    with watching(store, folder) as watched:
        _write(folder, "a")
        (message,) = watched.has(1)
    there = (folder / "a").stat()
    assert message.metadata == {
        "name": "a",
        "folder": str(folder.resolve()),
        "size": there.st_size,
        "mtime_ns": there.st_mtime_ns,
    }
    assert (message.id, message.timestamp_ns, bytes(message.array)) == (1, there.st_mtime_ns, b"data of a")
    assert (watched.watcher.counts.sent, watched.watcher.counts.nbytes) == (1, there.st_size)


def test_a_file_is_sent_when_it_is_closed_and_not_before(store: MemoryStore, folder: Path) -> None:
    with watching(store, folder) as watched:
        with (folder / "slow").open("wb") as slow:
            slow.write(b"first half, ")
            slow.flush()
            _write(folder, "quick")
            watched.has(1)
            slow.write(b"second half")
        messages = watched.has(2)
    assert [bytes(message.array) for message in messages] == [b"data of quick", b"first half, second half"]


def test_only_renaming_counts_where_that_is_asked(store: MemoryStore, folder: Path) -> None:
    with watching(store, folder, options=_with(complete="renamed")) as watched:
        _write(folder, "a", "b")
        (folder / "a").rename(folder / "c")
        assert _names(watched.has(1)) == ["c"]
    assert _names(sent(store)) == ["c"]


def test_a_file_that_rests_is_complete_where_that_is_asked(store: MemoryStore, folder: Path) -> None:
    with watching(store, folder, options=_with(complete="stable")) as watched, (folder / "a").open("wb") as file:
        file.write(b"never closed")
        file.flush()
        assert bytes(watched.has(1)[0].array) == b"never closed"
    assert not watched.watcher.is_seen_by_kernel


def test_files_in_folders_that_appear_are_sent(store: MemoryStore, folder: Path) -> None:
    with watching(store, folder) as watched:
        _write(folder, "x/a", "x/y/b", "x/y/z/c")
        assert sorted(_names(watched.has(3))) == ["a", "b", "c"]


def test_only_files_that_are_meant_are_sent(store: MemoryStore, folder: Path) -> None:
    with watching(store, folder, options=_with(patterns=("*.h5",), ignore=("dark", "*_tmp.h5"))) as watched:
        _write(folder, "a.txt", "dark/a.h5", "b_tmp.h5", "x/b.h5", "c.h5")
        watched.has(2)
    assert sorted(_names(sent(store))) == ["b.h5", "c.h5"]  # those in a new folder may be found later


def test_each_folder_has_its_stream_if_a_source_is_the_target(store: MemoryStore, folder: Path) -> None:
    with watching(store, folder, to=StreamAddress("b", "files")) as watched:
        _write(folder, "a", "run 1/b", "run 1/raw/c", "run 1/d")
        assert sorted(_names(watched.has(2, "run 1"))) == ["b", "d"]
        assert _names(watched.has(1, "run 1/raw")) == ["c"]
        assert _names(watched.has(1, "in")) == ["a"]
    assert [message.id for message in sent(store, StreamAddress("b", "files", "run 1"))] == [1, 2]


def test_several_folders_are_watched(store: MemoryStore, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "too").mkdir()
    with watching(store, folder, tmp_path / "too") as watched:
        _write(folder, "a")
        watched.has(1)
        _write(tmp_path / "too", "a")
        messages = watched.has(2)
    assert [message.metadata["folder"] for message in messages] == [str(folder), str(tmp_path / "too")]


def test_only_the_name_and_the_size_are_sent_if_so_asked(store: MemoryStore, folder: Path) -> None:
    with watching(store, folder, options=_with(payload=False)) as watched:
        _write(folder, "a")
        (message,) = watched.has(1)
    assert message.array is None
    assert message.metadata["size"] == 9


def test_arrays_and_what_only_claims_to_be_one(store: MemoryStore, folder: Path) -> None:
    with watching(store, folder, options=_with(arrays=True)) as watched:
        (folder / "bad.npy").write_bytes(b"no array")
        np.save(folder / "a.npy", np.arange(4, dtype=np.uint16).reshape(2, 2))
        (message,) = watched.has(1)
    assert message.array.dtype == np.uint16
    assert message.array.tolist() == [[0, 1], [2, 3]]
    assert watched.watcher.counts.failed == 1
    assert "bad.npy: it holds no array" in watched.told[0]


def test_what_was_there_before_is_left_or_sent(folder: Path, tmp_path: Path) -> None:
    _write(folder, "old")
    for existing in (False, True):
        store = MemoryStore()
        with watching(store, folder, options=_with(existing=existing)) as watched:
            if existing:
                watched.has(1)
            _write(folder, f"new {existing}")
            watched.has(1 + existing)
        assert watched.watcher.counts.left == (not existing)
        assert ("old" in _names(sent(store))) is existing
        (folder / f"new {existing}").unlink()


def test_what_came_while_nobody_watched_is_sent_and_nothing_twice(folder: Path, tmp_path: Path) -> None:
    _write(folder, "old")
    with DirectoryStore(tmp_path / "store") as store:
        for round_ in range(3):
            with watching(store, folder, journal=tmp_path / "journal") as watched:
                watched.has(2 * round_) if round_ else None
                _write(folder, f"while {round_}")
                watched.has(2 * round_ + 1)
            _write(folder, f"between {round_}")
        messages = sent(store)
    assert _names(messages) == ["while 0", "between 0", "while 1", "between 1", "while 2"]
    assert [message.id for message in messages] == [1, 2, 3, 4, 5]


def test_without_its_journal_it_finds_in_the_stream_what_was_sent(folder: Path, tmp_path: Path) -> None:
    with DirectoryStore(tmp_path / "store") as store:
        with watching(store, folder, journal=tmp_path / "journal") as watched:
            _write(folder, "a", "b")
            watched.has(2)
        (tmp_path / "journal").unlink()
        with watching(store, folder, journal=tmp_path / "journal", options=_with(existing=True)) as watched:
            _write(folder, "c")
            watched.has(3)
        assert [(message.id, message.metadata["name"]) for message in sent(store)] == [(1, "a"), (2, "b"), (3, "c")]


def test_a_file_that_has_an_id_is_sent_with_it_also_if_it_was_stored_before(folder: Path, tmp_path: Path) -> None:
    """As if it had been killed at each place between giving the id and writing down that it is there."""
    with DirectoryStore(tmp_path / "store") as store:
        with watching(store, folder, journal=tmp_path / "journal") as watched:
            _write(folder, "stored", "changed since", "removed since")
            watched.has(3)
            _write(folder, "never stored")
            watched.has(4)
        with FileJournal(tmp_path / "journal") as journal:
            changed = FileJournal._changed
            with changed(journal) as ask:
                ask("UPDATE files SET state = 1")
            ids = {Path(path).name: journal.entry(path).id for path in journal.unsent()}  # type: ignore[union-attr]
            journal.give([(str(folder / "given"), "run", (1, 1)), (str(folder / "gone"), "run", (1, 1))])  # type: ignore[list-item]
        (folder / "changed since").write_bytes(b"other")
        (folder / "removed since").unlink()
        _write(folder, "given")
        with watching(store, folder, journal=tmp_path / "journal") as watched:
            watched.has(5)
            _write(folder, "last")
            watched.has(6)
        found = {message.metadata["name"]: message.id for message in sent(store)}
    assert found == {**ids, "given": 5, "last": 7}
    assert (watched.watcher.counts.duplicates, watched.watcher.counts.vanished) == (3, 1)


def test_a_file_that_changes_after_it_was_sent_is_counted_or_is_another_message(folder: Path) -> None:
    for resend in (False, True):
        store = MemoryStore()
        with watching(store, folder, options=_with(resend_changed=resend)) as watched:
            _write(folder, "a")
            watched.has(1)
            (folder / "a").write_bytes(b"more than before")
            _write(folder, "b")
            messages = watched.has(2 + resend)
        assert _names(messages) == (["a", "a", "b"] if resend else ["a", "b"])
        assert watched.watcher.counts.changed == (not resend)
        shutil.rmtree(folder)
        folder.mkdir()


def test_files_are_removed_once_their_messages_are_synced(folder: Path, tmp_path: Path) -> None:
    with DirectoryStore(tmp_path / "store") as store:
        options = _with(remove=True)
        with watching(store, folder, options=options, journal=tmp_path / "journal", files=4) as watched:
            _write(folder, "a", "x/b", "c")
            watched.has(3)
            until(lambda: not (folder / "a").exists())
            (folder / "a").write_bytes(b"another of this name")
        assert [path for path in folder.rglob("*") if path.is_file()] == []
        assert bytes(sent(store)[3].array) == b"another of this name"
        assert watched.watcher.counts.removed == 4


def test_a_file_that_was_sent_and_not_removed_is_removed_later(folder: Path, tmp_path: Path) -> None:
    with DirectoryStore(tmp_path / "store") as store:
        with watching(store, folder, journal=tmp_path / "journal") as watched:
            _write(folder, "a")
            watched.has(1)
        options = _with(remove=True)
        with watching(store, folder, options=options, journal=tmp_path / "journal", files=1) as watched:
            _write(folder, "b")
        assert list(folder.iterdir()) == []
        assert _names(sent(store)) == ["a", "b"]


def test_nothing_is_removed_that_nothing_keeps(store: MemoryStore, folder: Path) -> None:
    with pytest.raises(StreamError, match="survives a loss of power"):
        FolderWatcher(store, [folder], STREAM, options=_with(remove=True))


def test_files_that_vanish_or_cannot_be_read_are_counted_and_named(store: MemoryStore, folder: Path) -> None:
    (folder / "secret").symlink_to("/proc/self/mem")  # reading it fails, for everybody
    with watching(store, folder, options=_with(existing=True, complete="stable", stable_s=0.3)) as watched:
        _write(folder, "brief")
        until(lambda: len(watched.watcher._arriving) > 0)
        (folder / "brief").unlink()
        os.mkfifo(folder / "pipe")
        _write(folder, "a")
        assert _names(watched.has(1)) == ["a"]
    assert watched.watcher.counts.vanished == 1
    assert any("brief: gone before it could be read" in line for line in watched.told)


def test_a_name_that_is_no_text_is_refused(store: MemoryStore, folder: Path) -> None:
    with watching(store, folder) as watched:
        Path(os.fsdecode(bytes(folder) + b"/\xff")).write_bytes(b"1")
        _write(folder, "a")
        watched.has(1)
    assert watched.watcher.counts.failed == 1
    assert r"\udcff" in watched.told[0]


def test_others_may_have_sent_to_the_stream_before_and_between(store: MemoryStore, folder: Path) -> None:
    from penstock.streams.producer import Producer

    with Producer(store, STREAM) as out:
        out.send(b"no file", id=10)
    with watching(store, folder) as watched:
        with Producer(store, STREAM) as out:
            out.send(b"no file either")
        _write(folder, "a")
        watched.has(3)
    assert [message.id for message in sent(store)] == [10, 11, 12]


def test_that_somebody_else_writes_the_stream_ends_it(store: MemoryStore, folder: Path) -> None:
    with store.write(STREAM), watching(store, folder, files=1, errors=[ConflictError]):
        _write(folder, "a")


def test_that_the_stream_has_ended_ends_it(store: MemoryStore, folder: Path) -> None:
    with store.write(STREAM) as writer:
        writer.finish()
    with watching(store, folder, files=1, errors=[StateError]):
        _write(folder, "a")


def test_the_streams_end_if_so_asked(store: MemoryStore, folder: Path) -> None:
    with watching(store, folder, to=StreamAddress("b", "files"), files=2) as watched:
        _write(folder, "x/a", "y/b")
        watched.has(1, "x")
        watched.has(1, "y")
    with FolderWatcher(store, [folder], StreamAddress("b", "files", "x")) as watcher:
        watcher.finish()
    assert [info.state for info in store.streams()] == ["finished", "stalled"]


def test_a_burst_is_sent_whole(store: MemoryStore, folder: Path) -> None:
    with watching(store, folder) as watched:
        for number in range(10_000):
            (folder / f"{number}").write_bytes(b"%d" % number)
        messages = watched.has(10_000)
    assert sorted(int(bytes(message.array)) for message in messages) == list(range(10_000))
    assert [message.id for message in messages] == list(range(1, 10_001))


@pytest.mark.parametrize("nested", [["in/x"], ["in"], ["."]])
def test_folders_that_lie_in_each_other_are_refused(folder: Path, nested: list[str], tmp_path: Path) -> None:
    (folder / "x").mkdir()
    with pytest.raises(StreamError, match="lies in the other"):
        FolderWatcher(MemoryStore(), [folder, *(tmp_path / name for name in nested)], STREAM)


def test_what_is_written_meanwhile_must_not_lie_in_a_watched_folder(folder: Path, tmp_path: Path) -> None:
    with DirectoryStore(folder / "store") as store, pytest.raises(StreamError, match="lies in the other"):
        FolderWatcher(store, [folder], STREAM)
    with pytest.raises(StreamError, match="the journal lies in a watched folder"):
        FolderWatcher(MemoryStore(), [folder], STREAM, journal=folder / "journal")
    with pytest.raises(StreamError, match="no such folder"):
        FolderWatcher(MemoryStore(), [tmp_path / "none"], STREAM)


def test_files_that_follow_each_other_are_datasets_also_without_the_journal(folder: Path, tmp_path: Path) -> None:
    with DirectoryStore(tmp_path / "store") as below, OpenStore(below) as store:
        for first, last in ((1, 3), (4, 5)):
            options = _with(numbering=FileNumbering(parts=2), existing=True)
            (tmp_path / "journal").unlink(missing_ok=True)
            with watching(below, folder, options=options, journal=tmp_path / "journal", files=last - first + 1):
                _write(folder, *(f"{number}" for number in range(first, last + 1)))
        with store.datasets(STREAM) as run:
            sets = [{part: m.metadata["name"] for part, m in run.get(n, min_size=1).parts.items()} for n in (1, 2, 3)]
    assert sets == [{1: "1", 2: "2"}, {1: "3", 2: "4"}, {1: "5"}]


def test_each_watcher_sends_a_part_of_each_dataset(store: MemoryStore, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "too").mkdir()
    numbering = [_with(numbering=FileNumbering(parts=2, part=part)) for part in (1, 2)]
    with (
        watching(store, folder, options=numbering[0], files=2),
        watching(store, tmp_path / "too", options=numbering[1], files=2),
    ):
        _write(folder, "a", "b")
        _write(tmp_path / "too", "c", "d")
    with OpenStore(store).datasets(STREAM) as run:
        sets = [{part: m.metadata["name"] for part, m in run.get(n).parts.items()} for n in (1, 2)]
    assert sets == [{1: "a", 2: "c"}, {1: "b", 2: "d"}]


@pytest.mark.parametrize("text", ["0", "x", "1/", "/2", "3/2", "0/2", "-1", "1/2/3"])
def test_what_says_no_datasets_is_refused(text: str) -> None:
    with pytest.raises(StreamError, match="says no datasets"):
        FileNumbering.parse(text)


def test_places_and_numbers_are_each_others_inverse() -> None:
    assert [FileNumbering.parse(text) for text in ("", "16", "3/16")] == [(0, 0), (16, 0), (16, 3)]
    for numbering in (FileNumbering(), FileNumbering(3), FileNumbering(3, 2)):
        assert [numbering.number(numbering.place(number)) for number in range(1, 20)] == [*range(1, 20)]
        assert {numbering.place(number).part for number in range(1, 20)} == set(numbering.own_parts)
