"""A beamtime's folder becomes streams: each file once, whatever came before and whatever is wrong with some."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.core.stream_address import StreamAddress
from penstock.errors import StreamError
from penstock.services.tree_import import MOST_OPEN, ImportOptions, TreeImport, beamtime_in
from penstock.streams.directory import DirectoryStore
from penstock.streams.retrieving import retrieve
from penstock.streams.store import StreamState
from penstock.streams.tree_layout import TreeLayout

OLD_S = 1_700_000_000


class Tree:
    """A beamtime's folder, and a store."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "11001234"
        self.store = DirectoryStore(folder / "store", make=True)
        self.told: list[str] = []
        self.steps = 10**9

    def add(self, path: str, data: bytes = b"data", *, at_s: float = OLD_S) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        os.utime(file, (at_s, at_s))
        return file

    def take(self, layout: str = "", *, finish: bool = False, **options: Any) -> TreeImport:
        self.told.clear()
        work = TreeImport(
            self.root, self.store, "11001234", TreeLayout(layout), ImportOptions(**options),
            tell=self.told.append, is_stopped=self._is_stopped,
        )  # fmt: skip
        work.run(finish=finish)
        return work

    def _is_stopped(self) -> bool:
        self.steps -= 1
        return self.steps < 0

    def messages(self, source: str, stream: str) -> list[Any]:
        with self.store.read(StreamAddress("11001234", source, stream)) as reader:
            return [message for stored in reader.blocks() for message in stored.messages()]

    def names(self, source: str, stream: str) -> dict[int, str]:
        return {message.id: message.metadata["exposed_path"] for message in self.messages(source, stream)}


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    made = Tree(tmp_path)
    with made.store:
        yield made


def test_each_file_is_a_message_that_leads_to_it(tree: Tree) -> None:
    for number in (10, 9, 1):
        tree.add(f"raw/eiger/run 7/f_{number}.cbf", f"frame {number}".encode())
    tree.add("processed/fit.json", b"{}")
    tree.add("scratch/other", b"not below raw or processed")
    counts = tree.take().counts
    assert (counts.imported, counts.streams, counts.nbytes) == (4, 2, 24)
    assert tree.names("raw", "eiger/run 7") == {n: f"raw/eiger/run 7/f_{k}.cbf" for n, k in [(1, 1), (2, 9), (3, 10)]}
    (fit,) = tree.messages("processed", ".")
    assert fit.metadata == {
        "exposed_path": "processed/fit.json", "name": "fit.json", "folder": f"{tree.root}/processed", "size": 2,
        "mtime_ns": OLD_S * 10**9, "asapo": {"mode": 13},
    }  # fmt: skip
    assert fit.timestamp_ns == OLD_S * 10**9
    assert bytes(retrieve(fit)) == bytes(retrieve(fit, tree.root)) == b"{}"


def test_once_more_takes_only_what_has_come_since(tree: Tree) -> None:
    tree.add("raw/run/f2")
    tree.take()
    tree.add("raw/run/f1", b"late")
    tree.add("raw/run/f2", b"other data")
    work = tree.take(finish=True)
    assert (work.counts.imported, work.counts.before, work.counts.changed) == (1, 1, 1)
    assert tree.told == ["raw/run/f2: changed after it was imported, and not imported again"]
    assert tree.names("raw", "run") == {1: "raw/run/f2", 2: "raw/run/f1"}
    assert tree.store.info(StreamAddress("11001234", "raw", "run")).state is not StreamState.FINISHED


def test_bytes_are_taken_and_whole_streams_finished_if_asked(tree: Tree) -> None:
    tree.add("raw/run/f1", bytes(range(256)) * 8000)
    tree.add("raw/run/f2", b"")
    tree.add("raw/later/f1", at_s=2**33)  # by a clock that is wrong
    work = tree.take(payload=True, finish=True)
    assert work.counts.imported == 3
    assert [bytes(message.array) for message in tree.messages("raw", "run")] == [bytes(range(256)) * 8000, b""]
    assert tree.store.info(StreamAddress("11001234", "raw", "run")).state is StreamState.FINISHED
    assert tree.take(payload=True, finish=True).counts.before == 3
    tree.add("raw/run/f3")
    again = tree.take(payload=True)
    assert again.counts.failed == 1
    assert "11001234/raw/run" in tree.told[0]
    assert "finished" in tree.told[0]


def test_ids_may_be_in_names(tree: Tree) -> None:
    for name in ("run_00003.cbf", "run_00001.cbf", "run_1.cbf", "readme.txt"):
        tree.add(f"raw/{name}")
    counts = tree.take("raw/{stream}_{id}.cbf").counts
    assert (counts.imported, counts.failed, counts.passed_over) == (2, 1, 1)
    assert tree.told == ["raw/run_1.cbf: another file, or message, of 11001234/raw/run has id 1"]
    tree.add("raw/run_2.cbf")
    tree.take("raw/{stream}_{id}.cbf")
    assert tree.names("raw", "run") == {1: "raw/run_00001.cbf", 3: "raw/run_00003.cbf", 2: "raw/run_2.cbf"}


def test_what_cannot_be_read_keeps_nothing_else_from_it(tree: Tree) -> None:
    tree.add("raw/a/f1")
    (tree.root / "raw/a/f2").symlink_to("nowhere")
    (tree.root / "raw/loop").symlink_to(tree.root / "raw")
    os.mkfifo(tree.root / "raw/a/pipe")
    (tree.root / os.fsdecode(b"raw/a/\xff")).write_bytes(b"")
    os.utime(tree.root / os.fsdecode(b"raw/a/\xff"), (OLD_S, OLD_S))
    tree.add("raw/b [part 3]/f1")
    tree.add(f"raw/{120 * 'ä'}/f1")
    tree.add("raw/.hidden/f1")
    tree.add("raw/a/half.part")
    counts = tree.take().counts
    assert tree.names("raw", "a") == {1: "raw/a/f1"}
    assert (counts.imported, counts.failed, counts.passed_over) == (1, 4, 3)
    assert len(tree.told) == 4


def test_a_file_that_is_being_written_comes_later(tree: Tree) -> None:
    tree.add("raw/run/f1")
    (tree.root / "raw/run/f2").write_bytes(b"half")
    assert tree.take(settle_s=60, finish=True).counts.young == 1
    assert tree.names("raw", "run") == {1: "raw/run/f1"}
    assert tree.store.info(StreamAddress("11001234", "raw", "run")).state is not StreamState.FINISHED
    assert tree.take(settle_s=0).counts.imported == 1


def test_it_goes_on_wherever_it_was_stopped(tree: Tree) -> None:
    wanted = {f"raw/run {n % (MOST_OPEN + 2)}/f{n}" for n in range(3 * MOST_OPEN)}
    for path in wanted:
        tree.add(path)
    for steps in range(4, 200, 9):
        tree.steps = steps
        tree.take(payload=True)
    tree.steps = 10**9
    tree.take(payload=True)
    found = [m.metadata["exposed_path"] for n in range(MOST_OPEN + 2) for m in tree.messages("raw", f"run {n}")]
    assert sorted(found) == sorted(wanted)


def test_interleaved_streams_are_each_written_whole(tree: Tree) -> None:
    for number in range(1, 4):
        for stream in range(MOST_OPEN + 3):
            tree.add(f"raw/{number}_s{stream}")
    tree.take("raw/{id}_{stream}")
    assert all(len(tree.messages("raw", f"s{stream}")) == 3 for stream in range(MOST_OPEN + 3))


def test_a_stream_of_which_something_was_removed_is_left_alone(tree: Tree) -> None:
    tree.add("raw/run/f1")
    tree.take()
    address = StreamAddress("11001234", "raw", "run")
    assert tree.store.retain(address, count=0).messages == 1
    assert tree.take().counts.failed == 1
    assert "retention has removed 1 messages" in tree.told[0]


def test_a_folder_that_is_none_is_refused(tree: Tree) -> None:
    tree.root.mkdir()
    with pytest.raises(StreamError, match="has no raw and no processed"):
        tree.take()


def test_a_beamtime_says_which_it_is(tmp_path: Path) -> None:
    assert beamtime_in(tmp_path) is None
    (tmp_path / "beamtime-metadata-1.json").write_text(json.dumps({"beamtimeId": "1", "title": "x"}))
    found = beamtime_in(tmp_path)
    assert found is not None
    assert (found.id, found.metadata["title"]) == ("1", "x")
    (tmp_path / "beamtime-metadata-2.json").write_text("{}")
    with pytest.raises(StreamError, match="which beamtime is it"):
        beamtime_in(tmp_path)
