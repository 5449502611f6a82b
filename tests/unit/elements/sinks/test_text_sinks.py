"""Text files as sinks: what stands in them, whatever becomes of the disk, the run and other runs."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.elements.sink import RunFacts
from penstock.elements.sinks.csv import CsvSink
from penstock.elements.sinks.json_lines import JsonLinesSink
from penstock.elements.sinks.lines import LinesSink
from penstock.elements.sources.csv import csv
from penstock.elements.sources.json_lines import json_lines
from penstock.elements.text_sink import TextSink
from penstock.errors import SinkError
from penstock.testing import make_message
from tests.unit.elements.sources.reading import all_of

PATIENCE_S = 60.0


def until(is_so: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end_s, "it never came"
        time.sleep(0.002)


@pytest.fixture
def run(tmp_path: Path) -> RunFacts:
    return RunFacts(pipeline="xrf", run="r1", sink="file", folder=str(tmp_path))


def _written(sink: TextSink, run: RunFacts, *items: Any) -> str:
    sink.open(run)
    for item in items:
        sink.write(item)
    sink.close(True)
    return Path(sink.path).read_text()


def test_lines(run: RunFacts) -> None:
    assert _written(LinesSink(), run, 1, "two\nlines\r\n", None, "ä\ud800") == "1\ntwo\\nlines\\r\\n\nNone\nä\\ud800\n"
    assert _written(LinesSink("a/{name}.txt", line="<{x:03d}>"), run, {"x": 7}) == "<007>\n"
    assert (Path(run.folder) / "a" / "xrf.txt").exists()


def test_every_line_is_there_when_the_next_comes(run: RunFacts) -> None:
    sink = LinesSink()
    assert sink.path == ""
    sink.open(run)
    for number in range(3):
        sink.write(number)
        assert Path(sink.path).read_text().splitlines() == [str(at) for at in range(number + 1)]
    sink.close(False, "aborted")


def test_lines_that_are_held_back_come_without_a_next_one(run: RunFacts) -> None:
    sink = LinesSink(flush_s=0.01)
    sink.open(run)
    sink.write("one")
    until(lambda: Path(sink.path).read_text() == "one\n")
    sink.close(True)


def test_lines_that_are_held_back_are_there_at_the_end(run: RunFacts) -> None:
    expected = [str(number) for number in range(30_000)]
    sink = LinesSink(flush_s=3600)
    assert _written(sink, run, *expected).splitlines() == expected


def test_json_lines_go_out_and_come_back(run: RunFacts) -> None:
    sink = JsonLinesSink()
    _written(sink, run, {"a": np.arange(2), "at": np.datetime64("2026-11-26")}, [1, "x\ny"])
    assert all_of(json_lines(sink.path)) == [{"a": [0, 1], "at": "2026-11-26"}, [1, "x\ny"]]


def test_what_has_no_form_is_named_with_the_file(run: RunFacts) -> None:
    sink = JsonLinesSink()
    sink.open(run)
    with pytest.raises(SinkError, match=r"r1\.jsonl: complex has no form in JSON; give"):
        sink.write({"a": 1j})
    endless: dict[str, Any] = {}
    endless["a"] = endless
    with pytest.raises(SinkError, match=r"r1\.jsonl: maximum recursion depth"):
        sink.write(endless)
    sink.write(1)
    sink.close(True)
    assert Path(sink.path).read_text() == "1\n"


def test_a_table_goes_out_and_comes_back(run: RunFacts) -> None:
    rows: list[dict[str, Any]] = [{"n": 1, "x": 0.5, "who": 'a, "b"\nc'}, {"n": 2, "x": None, "who": ""}]
    sink = CsvSink()
    _written(sink, run, *rows)
    assert all_of(csv(sink.path)) == [rows[0], {**rows[1], "who": None}]


def test_a_table_of_chosen_fields(run: RunFacts) -> None:
    message = make_message([0.5], I0=np.float32(0.25), more=[1, 2])
    assert _written(CsvSink(fields=["I0", "array"]), run, message) == "I0,array\n0.25,0.5\n"
    assert _written(CsvSink("b.csv", fields=["a.b"]), run, {"a": {"b": 1}, "c": [2]}) == "a.b\n1\n"
    assert _written(CsvSink("empty.csv", fields=["a"]), run) == "a\n"


def test_a_table_of_bare_values(run: RunFacts) -> None:
    assert _written(CsvSink(delimiter=";"), run, 1, np.float64(2.5), "x;y") == 'value\n1\n2.5\n"x;y"\n'


def test_other_order_is_no_other_fields(run: RunFacts) -> None:
    assert _written(CsvSink(), run, {"a": 1, "b": 2}, {"b": 3, "a": 4}) == "a,b\n1,2\n4,3\n"


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"a": 1}, "an item lacks b; the header is a, b; choose by fields"),
        ({"a": 1, "b": 2, "c": 3}, "an item has c besides; the header is a, b"),
        ({"a": 1, "c": 3}, "an item lacks b and has c besides"),
        ({"a": 1, "b": [1, 2]}, 'field "b" is a list, not one value'),
        ({"a": 1, "b": np.zeros((2, 2))}, r'field "b" is an array of shape \(2, 2\)'),
        ({1: 1}, "are no texts"),
        (7, "lacks a, b and has value besides"),
    ],
    ids=str,
)
def test_what_is_no_row_of_the_table(run: RunFacts, item: Any, text: str) -> None:
    sink = CsvSink()
    sink.open(run)
    sink.write({"a": 1, "b": 2})
    with pytest.raises(SinkError, match=rf"r1\.csv: .*{text}"):
        sink.write(item)
    sink.close(False)
    assert Path(sink.path).read_text() == "a,b\n1,2\n"


def test_a_first_row_that_is_wrong_leaves_no_header(run: RunFacts) -> None:
    sink = CsvSink(fields=["a"], existing="append")
    assert _written(sink, run) == "a\n"
    assert _written(CsvSink(fields=["a"], existing="append"), run, {"a": 1}) == "a\n1\n"


@pytest.mark.parametrize("fields", [["b"], []])
def test_a_table_of_other_columns_is_not_appended(run: RunFacts, fields: list[str]) -> None:
    _written(CsvSink(existing="append"), run, {"a": 1})
    sink = CsvSink(existing="append", fields=fields)
    with pytest.raises(SinkError, match=r"r1\.csv: has the columns a, and what is to be appended b; name another"):  # noqa: PT012
        sink.open(run)
        try:
            sink.write({"b": 1})
        finally:
            sink.close(False)
    assert _written(CsvSink(existing="append"), run, {"a": 2}) == "a\n1\n2\n"


def test_a_file_that_is_there(run: RunFacts) -> None:
    assert _written(LinesSink("a.txt"), run, 1) == "1\n"
    assert _written(LinesSink("a.txt"), run, 2) == "2\n"
    assert _written(LinesSink("a.txt", existing="append"), run, 3) == "1\n3\n"
    with pytest.raises(SinkError, match=r"a\.txt exists; move it, put \{run\} in its name, or say existing"):
        LinesSink("a.txt", existing="refuse").open(run)
    assert _written(LinesSink("a.txt", existing="replace"), run, 4) == "4\n"
    assert sorted(path.name for path in Path(run.folder).iterdir()) == ["a-2.txt", "a.txt"]


def test_what_was_cut_off_does_not_run_together_with_what_is_appended(run: RunFacts) -> None:
    path = Path(run.folder) / "a.txt"
    path.write_text("one\ntw")
    assert _written(LinesSink("a.txt", existing="append"), run, "three") == "one\ntw\nthree\n"


def test_a_run_that_goes_on_writes_its_own_file_anew(run: RunFacts) -> None:
    _written(LinesSink(), run, 1, 2)
    again = RunFacts(pipeline="xrf", run="r1", folder=run.folder, goes_on=True)
    assert _written(LinesSink(), again, 1, 2, 3) == "1\n2\n3\n"


def test_two_runs_do_not_write_one_file(run: RunFacts) -> None:
    first = LinesSink("a.txt", existing="append")
    first.open(run)
    with pytest.raises(SinkError, match=r"a\.txt: another run writes it"):
        LinesSink("a.txt", existing="append").open(run)
    assert _written(LinesSink("a.txt"), run, 1) == "1\n"
    first.close(True)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".", "is a folder; name a file"),
        ("/proc/self/no/a.txt", "cannot be written: .*; name a file you may write to"),
        ("{date}.txt", r"\{date\} is not known"),
        ("pipe", "cannot be written: No such device"),
    ],
)
def test_what_cannot_be_written(run: RunFacts, path: str, text: str) -> None:
    os.mkfifo(Path(run.folder) / "pipe")
    with pytest.raises(SinkError, match=text):
        LinesSink(path, existing="append").open(run)


@pytest.mark.parametrize("flush_s", [0, 3600])
def test_a_full_device_is_named(run: RunFacts, flush_s: float) -> None:
    sink = LinesSink("/dev/full", existing="append", flush_s=flush_s)
    sink.open(run)
    with pytest.raises(SinkError, match=r"^/dev/full: (4 records )?not written: the disk is full$"):  # noqa: PT012
        for number in range(4):
            sink.write(number)
        sink.close(True)
    if not flush_s:
        sink.close(False)


def test_a_disk_that_is_full_while_lines_are_held_back(run: RunFacts) -> None:
    sink = LinesSink("/dev/full", existing="append", flush_s=0.01)
    sink.open(run)

    def fails() -> bool:
        try:
            sink.write(1)
        except SinkError as error:
            return "the disk is full" in str(error)
        return False

    until(fails)
    with pytest.raises(SinkError, match="the disk is full"):
        sink.close(False)


SMALL_DISK = """
import resource, sys
from penstock.elements.sink import RunFacts
from penstock.elements.sinks.lines import LinesSink
from penstock.errors import SinkError
limit, flush_s = int(sys.argv[1]), float(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
sink = LinesSink("log.txt", existing="append", flush_s=flush_s)
sink.open(RunFacts(pipeline="p", run="r"))
errors = []
try:
    for number in range(100_000):
        sink.write(f"line {number:06d} " + "x" * 85)
except SinkError as error:
    errors.append(str(error))
try:
    sink.close(False)
except SinkError as error:
    errors.append(str(error))
lines = open("log.txt").read().split("\\n")
assert lines.pop() == "", "a line is cut"
assert lines == [f"line {number:06d} " + "x" * 85 for number in range(len(lines))], "a line is lost"
print(len(lines), *errors, sep="|")
"""


@pytest.mark.parametrize("flush_s", [0, 3600])
def test_a_file_that_must_not_grow_keeps_its_whole_lines(tmp_path: Path, flush_s: float) -> None:
    command = [sys.executable, "-c", SMALL_DISK, "100000", str(flush_s)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    n, *errors = done.stdout.strip().split("|")
    assert int(n) == 100_000 // 98
    assert errors
    assert all(os.strerror(errno.EFBIG) in error for error in errors)
    assert all("what was written before stays in log.txt" in error for error in errors)


@pytest.mark.parametrize("flush_s", [0, 3600])
def test_a_full_disk_keeps_what_was_written(tmp_path: Path, flush_s: float) -> None:
    inside = 'mount -t tmpfs -o size=64k none "$1" && cd "$1" && shift && exec "$@"'
    command = ["unshare", "-rm", "sh", "-c", inside, "sh", str(tmp_path)]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    command += [sys.executable, "-c", SMALL_DISK, "0", str(flush_s)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    n, *errors = done.stdout.strip().split("|")
    assert int(n) == 65536 // 98
    assert errors
    assert all(error.startswith("log.txt: ") and "not written: the disk is full; what" in error for error in errors)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: LinesSink(line="{a"), "write {{ and }}"),
        (lambda: LinesSink(flush_s=-1), "flush_s is -1"),
        (lambda: CsvSink(fields="ab"), r"write a list, \[ab\]"),
        (lambda: CsvSink(delimiter="\n"), "write one character"),
    ],
)
def test_arguments(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()
