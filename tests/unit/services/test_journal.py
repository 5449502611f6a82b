"""The journal: JSON lines in rotated files, written by a thread of its own, never a reason to wait."""

import json
import threading
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from penstock.core.notice import Level
from penstock.errors import PenstockError
from penstock.services import journal as journals
from penstock.services.journal import Journal, JournalWish


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_entry_is_one_line_of_json_with_time_kind_level_and_source(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "made", name="xrf", utc=lambda: 1_500_000_001)
    journal.tell("state", source="fit", state="waiting", why="two\nlines")
    journal.tell("death", level="alarm", source="fit-0", path=Path("/x"), time_ns=0, time="no clash")
    journal.close()
    assert journal.path == tmp_path / "made" / "xrf.jsonl"
    assert lines(journal.path)[0] == {
        "time": "1970-01-01T00:00:01.500000001Z", "kind": "state", "level": "info", "source": "fit",
        "state": "waiting", "why": "two\nlines",
    }  # fmt: skip
    assert lines(journal.path)[1]["path"] == "/x"


def test_what_is_less_grave_is_kept_in_memory_only(tmp_path: Path) -> None:
    journal = Journal(tmp_path, level=Level.ALARM)
    for level in Level:
        journal.tell("notice", level=level, text=str(level))
    journal.close()
    assert [entry["text"] for entry in lines(tmp_path / "pipeline.jsonl")] == ["alarm"]
    assert [entry["text"] for entry in journal.recent("notice")] == ["log", "info", "alarm"]


def test_recent_gives_the_last_of_one_kind_or_of_all_and_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "MOST_IN_MEMORY", 3)
    journal = Journal()
    for k in range(5):
        journal.tell("command", n=k)
    journal.tell("run", n=9)
    assert [entry["n"] for entry in journal.recent("command")] == [2, 3, 4]
    assert [entry["n"] for entry in journal.recent("command", 2)] == [3, 4]
    assert [entry["n"] for entry in journal.recent()] == [3, 4, 9]
    assert journal.recent("nothing") == []
    assert journal.recent("command", 0) == []


@given(
    told=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(list(Level)), st.sampled_from(["Hot", "cold"]))),
    after=st.integers(0, 20),
    kinds=st.lists(st.sampled_from("abd"), unique=True),
    level=st.sampled_from(list(Level)),
    text=st.sampled_from(["", "hot", "OLD", "warm"]),
    most=st.integers(0, 10),
)
def test_what_is_found_is_what_is_wanted_the_newest_last(
    told: list[tuple[str, Level, str]], after: int, kinds: list[str], level: Level, text: str, most: int
) -> None:
    journal = Journal()
    for kind, grave, said in told:
        journal.tell(kind, level=grave, source="fit-0", text=said)
    wish = JournalWish(after=after, kinds=kinds, level=level.value, text=text, most=most)
    expected = [
        number
        for number, (kind, grave, said) in enumerate(told, 1)
        if number > after and kind in (kinds or "abc") and grave.rank >= level.rank and text.lower() in said.lower()
    ]
    assert [entry["number"] for entry in journal.search(wish)] == (expected[-most:] if most else [])
    assert journal.told == len(told)


def test_a_flood_of_one_kind_pushes_none_of_another_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.services.journal.MOST_IN_MEMORY", 5)
    journal = Journal()
    journal.tell("death", source="fit-0")
    for _ in range(20):
        journal.tell("notice", text="again")
    assert [entry["kind"] for entry in journal.search(JournalWish(most=100))].count("death") == 1


def test_kinds_in_memory_are_bounded() -> None:
    journal = Journal()
    for k in range(10 * journals.MOST_KINDS):
        journal.tell(f"kind {k}")
    assert len(journal.recent(journals.OTHER)) == 9 * journals.MOST_KINDS


def test_files_are_rotated_when_full_and_on_request_and_so_many_are_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path, keep=2, most_bytes=400)
    for k in range(40):
        journal.tell("notice", text=f"{k:04d}")
    journal.rotate()
    journal.tell("notice", text="last")
    journal.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["pipeline.jsonl", "pipeline.jsonl.1", "pipeline.jsonl.2"]
    assert [entry["text"] for entry in lines(tmp_path / "pipeline.jsonl")] == ["last"]
    kept = [entry["text"] for name in reversed(names[1:]) for entry in lines(tmp_path / name)]
    assert kept == [f"{k:04d}" for k in range(40 - len(kept), 40)]
    assert all((tmp_path / name).stat().st_size <= 400 for name in names)


def test_a_journal_goes_on_where_the_last_run_left_it(tmp_path: Path) -> None:
    for run in ("one", "two"):
        journal = Journal(tmp_path)
        journal.tell("run", run=run)
        journal.close()
        journal.close()  # nothing
        journal.tell("run", run="late")
    assert [entry["run"] for entry in lines(tmp_path / "pipeline.jsonl")] == ["one", "two"]


def test_a_folder_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PenstockError, match=r"logs: .*file/pipeline\.jsonl cannot be written: .*; name a folder"):
        Journal(tmp_path / "file")


def test_who_tells_never_waits_for_a_disk_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "MOST_WAITING", 5)
    monkeypatch.setattr(journals, "PATIENCE_S", 0.01)
    hangs, goes_on = threading.Event(), threading.Event()

    def emit(self: Any, record: Any) -> None:
        hangs.set()
        assert goes_on.wait(60)

    monkeypatch.setattr(journals._File, "emit", emit)
    journal = Journal(tmp_path)
    journal.tell("notice", n=0)
    assert hangs.wait(60)
    for k in range(9):
        journal.tell("notice", n=k)
    assert (journal.lost, journal.trouble) == (4, f"{tmp_path / 'pipeline.jsonl'}: the disk did not keep up")
    journal.close()  # gives up on it
    goes_on.set()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this machine")
def test_what_a_full_disk_did_not_take_is_counted_and_said(tmp_path: Path) -> None:
    (tmp_path / "full.jsonl").symlink_to("/dev/full")
    journal = Journal(tmp_path, name="full", most_bytes=0)
    journal.tell("notice")
    journal.close()
    assert journal.lost == 1
    assert "No space left on device" in journal.trouble
    assert len(journal.recent("notice")) == 1
