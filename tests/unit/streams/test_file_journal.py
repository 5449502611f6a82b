"""Which file has which id, kept in SQLite."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, IntegrityError
from penstock.streams.directory import DirectoryStore
from penstock.streams.file_journal import FileEntry, FileJournal, FileState, journal_path
from penstock.streams.file_settling import Shape
from penstock.streams.memory_store import MemoryStore

A, B = Shape(1, 10), Shape(2, 20)


def test_ids_follow_each_other_in_each_stream_and_survive(tmp_path: Path) -> None:
    with FileJournal(tmp_path / "j") as journal:
        assert journal.give([("/a", "s", A), ("/b", "t", A), ("/c", "s", B)]) == [1, 1, 2]
    with FileJournal(tmp_path / "j") as journal:
        assert journal.unsent() == ["/a", "/c", "/b"]
        journal.mark(["/a"], FileState.SENT)
        assert journal.unsent() == ["/c", "/b"]
        assert journal.entry("/c") == FileEntry("s", 2, B, FileState.GIVEN)
        assert journal.give([("/d", "s", A)]) == [3]


def test_an_id_that_was_given_is_not_given_again_to_another_file() -> None:
    with FileJournal(None) as journal:
        journal.give([("/a", "s", A)])
        journal.forget("/a")
        assert journal.entry("/a") is None
        assert journal.give([("/b", "s", A)]) == [2]


def test_what_the_stream_knows_is_written_down() -> None:
    with FileJournal(None) as journal:
        journal.give([("/a", "s", A)])
        journal.recover("s", iter([("/a", 1, A), ("/x", 7, B)]), 9)
        assert journal.entry("/x") == FileEntry("s", 7, B, FileState.SENT)
        assert journal.unsent() == []
        assert journal.last_id("s") == 9
        assert journal.last_id("t") == 0


def test_nothing_of_a_recovery_that_fails_is_kept() -> None:
    def broken() -> Iterator[tuple[str, int, Shape]]:
        yield "/a", 1, A
        raise IntegrityError("damaged")

    with FileJournal(None) as journal:
        with pytest.raises(IntegrityError):
            journal.recover("s", broken(), 9)
        assert journal.entry("/a") is None
        assert journal.give([("/b", "s", A)]) == [1]


def test_files_of_a_new_folder_are_left_but_not_those_that_are_known() -> None:
    with FileJournal(None) as journal:
        journal.give([("/f/a", "s", A)])
        assert not journal.knows_folder("/f")
        journal.add_folder("/f", [("/f/a", A), ("/f/b", B)])
        assert journal.knows_folder("/f")
        assert [journal.entry(path).state for path in ("/f/a", "/f/b")] == [FileState.GIVEN, FileState.LEFT]  # type: ignore[union-attr]


def test_one_process_at_a_time_uses_it(tmp_path: Path) -> None:
    with FileJournal(tmp_path / "j"), pytest.raises(ConflictError, match="another process watches"):
        FileJournal(tmp_path / "j")
    FileJournal(tmp_path / "j").close()


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b"no journal" * 1000)
    with pytest.raises(IntegrityError, match=f"{tmp_path}/j"):
        FileJournal(tmp_path / "j")


def test_journals_of_different_targets_are_different_files(tmp_path: Path) -> None:
    targets = ["b/s", "b/s/t", "b/s.sqlite/t", "b/s/.source", "b/s/t%2Fu", "c/s", "b/s/t.part2"]
    with DirectoryStore(tmp_path / "store") as store:
        paths = [journal_path(store, StreamAddress.parse(target), part) for target in targets for part in (0, 2)]
        for path in paths:
            assert path is not None
            sqlite3.connect(path).close()
        assert len(set(paths)) == 2 * len(targets)
    assert journal_path(MemoryStore(), StreamAddress("b", "s")) is None
