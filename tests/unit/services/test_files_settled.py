"""Files in the engines of messages: each item is a message, and what is settled in any order is told in order."""

import time
from pathlib import Path

from penstock.core.file_book import FileBook
from penstock.elements.sources.files import Files
from penstock.formats.file_log import read_log
from penstock.services.made import made_source
from penstock.services.value_source import ValueSource

PATIENCE_S = 30.0


def states(folder: Path) -> list[str]:
    return [str(entry.state) for entry in FileBook(read_log((folder / "p.jsonl").read_bytes()).records)]


def test_a_file_is_done_when_all_before_its_end_is_settled(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text("1\n2\n")
    source = made_source(Files, {"paths": "*.txt", "state": "{name}.jsonl"}, "files", "texts")
    assert isinstance(source, ValueSource)
    assert source.wants_settled
    source.folder, source.pipeline, source.stream = str(tmp_path), "p", "texts"
    source.open()
    ids: list[int] = []
    end = time.monotonic() + PATIENCE_S
    while True:
        reading = source.read(time.time_ns())
        ids += [number for block in reading.blocks for number in block.ids.tolist()]
        if reading.ended:
            break
        assert time.monotonic() < end
    assert ids == [1, 2, 3, 4]
    source.settle(2, 3)
    assert states(tmp_path) == ["read", "read"]
    source.settle(1, 1)
    assert states(tmp_path) == ["done", "read"]
    source.close()
    source.settle(4, 4)
    source.leave()
    assert states(tmp_path) == ["done", "done"]
