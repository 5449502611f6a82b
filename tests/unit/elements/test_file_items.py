"""Files opened into items: what hooks may give, what is written down, and what is given again."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from penstock.core.file_book import FileBook, FileState
from penstock.elements.file_items import AT_ONCE
from penstock.elements.opened_file import opened_file
from penstock.elements.sink import RunFacts
from penstock.elements.sources.files import Files
from penstock.elements.steps.open_files import OpenFiles
from penstock.errors import SourceError, UserCodeError
from penstock.formats.file_log import read_log


def made(folder: Path, run: str = "r1", **options: Any) -> Files:
    source = Files(["*.txt"], state="{name}.jsonl", **options)
    source.folder, source.run = str(folder), RunFacts(pipeline="p", run=run, sink="texts", version="1")
    return source


def book(folder: Path) -> FileBook:
    return FileBook(read_log((folder / "p.jsonl").read_bytes()).records)


def states(folder: Path) -> dict[str, str]:
    return {Path(entry.path).name: str(entry.state) for entry in book(folder)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text(f"{name}1\n{name}2\n")
    return tmp_path


def items(source: Files) -> list[Any]:
    return [item for chunk in source for item in chunk]


@pytest.mark.parametrize(
    ("given", "total"), [([1, 2], 2), ((1, 2), 2), (iter([1, 2]), None), ((iter([1, 2]), 2), 2), ({1, 2}, 2)]
)
def test_what_a_hook_may_give(given: Any, total: int | None) -> None:
    found = opened_file(Path("x"), lambda _: given)
    assert (list(found.items), found.total) == ([1, 2], total)


@pytest.mark.parametrize("given", [None, "text", b"bytes", {"a": 1}, 5])
def test_what_is_no_list_of_items_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match="return a list or a generator"):
        opened_file(Path("x"), lambda _: given)


def test_a_file_is_done_when_so_many_items_have_ended_and_not_before(folder: Path) -> None:
    source = made(folder)
    assert items(source) == ["a1", "a2", "b1", "b2", "c1", "c2"]
    assert set(states(folder).values()) == {"read"}
    source.settled(3)
    assert states(folder) == {"a.txt": "done", "b.txt": "read", "c.txt": "read"}
    source.settled(4)
    assert states(folder) == {"a.txt": "done", "b.txt": "done", "c.txt": "read"}
    report = source.files()
    assert (report.name, report.done, report.read, report.items) == ("texts", 2, 1, 6)
    source.leave()
    again = made(folder, "r2")
    assert items(again) == ["c1", "c2"]
    again.leave()
    assert [(run.run, run.pipeline, run.source, run.version) for run in book(folder).runs] == [
        ("r1", "p", "texts", "1"), ("r2", "p", "texts", "1"),
    ]  # fmt: skip
    (entry,) = (entry for entry in book(folder) if entry.path.endswith("c.txt"))
    assert (entry.run, entry.items, entry.attempts) == ("r2", 2, 2)


def test_whoever_is_cut_off_in_a_file_is_given_it_again(folder: Path) -> None:
    source = made(folder)
    chunks = iter(source)
    assert [next(chunks) for _ in range(3)] == [["a1"], ["a2"], ["b1"]]
    chunks.close()  # type: ignore[attr-defined]  # a generator
    source.settled(3)
    source.leave()
    assert states(folder) == {"a.txt": "done", "b.txt": "reading", "c.txt": "waiting"}
    with (folder / "p.jsonl").open("ab") as file:
        file.write(b'{"kind":"file","path":"/torn')
    again = made(folder)
    assert items(again) == ["b1", "b2", "c1", "c2"]
    again.leave()
    assert read_log((folder / "p.jsonl").read_bytes()).damaged == 0


def test_two_runs_do_not_work_with_one_state_file(folder: Path) -> None:
    source = made(folder)
    next(iter(source))
    with pytest.raises(SourceError, match="another run works with this state file"):
        items(made(folder))
    source.leave()


def test_a_failed_file_is_skipped_or_ends_it(folder: Path) -> None:
    def opened(path: Path) -> Iterator[str]:
        yield path.name
        if path.name == "b.txt":
            raise OSError("the tape broke")

    source = made(folder, open=opened)
    assert items(source) == ["a.txt", "b.txt", "c.txt"]
    assert source.losses.news() == [(f"{folder}/b.txt: OSError: the tape broke", 1)]
    source.settled(3)
    assert states(folder) == {"a.txt": "done", "b.txt": "failed", "c.txt": "done"}
    source.leave()
    with pytest.raises(SourceError, match="the tape broke"):
        items(made(folder, open=opened, bad_files="fail"))


def test_of_a_list_the_total_is_known_and_a_mapping_says_its_file(folder: Path) -> None:
    source = made(folder, open=lambda _: [{"n": n} for n in range(AT_ONCE + 1)], name_as="file", checksum="sha256")
    chunks = iter(source)
    first = next(chunks)
    assert (len(first), first[0]) == (AT_ONCE, {"n": 0, "file": str(folder / "a.txt")})
    report = source.files()
    assert (report.file, report.file_items, report.file_total) == (str(folder / "a.txt"), AT_ONCE, AT_ONCE + 1)
    chunks.close()  # type: ignore[attr-defined]  # a generator
    source.leave()
    (entry,) = (entry for entry in book(folder) if entry.state is FileState.READING)
    assert entry.checksum == f"sha256:{sha256((folder / 'a.txt').read_bytes()).hexdigest()}"


def test_names_that_come_twice_are_opened_once_and_again_when_changed(folder: Path) -> None:
    step = OpenFiles()
    step.folder = str(folder)

    def names() -> Iterator[Any]:
        yield "a.txt"
        yield {"path": folder / "a.txt"}
        (folder / "a.txt").write_text("more than before\n")
        yield b"a.txt\n"

    assert list(step(names())) == ["a1", "a2", "more than before"]


def test_a_step_that_nobody_tells_keeps_no_state_file() -> None:
    with pytest.raises(UserCodeError, match="on the engine chains only"):
        list(OpenFiles(state="x.jsonl")(["a"]))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"open": "read"}, "module:function"),
        ({"checksum": "sha3000"}, "sha256"),
        ({"bad_files": "stop"}, "skip, or fail"),
        ({"attempts": 0}, "1 or more"),
    ],
)
def test_wrong_arguments_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Files("x", **options)
