"""Files opened into items by real processes: killed and resumed, a folder that grows, names that arrive, failures."""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import zmq

from penstock.core.file_book import FileBook, FileState
from penstock.formats.file_log import read_log
from tests.system.commands import Process, ended, started

CODE = """
import time
from pathlib import Path

def read(path: Path):
    lines = path.read_text().split()
    if not lines:
        raise ValueError("no data")
    for line in lines:
        if line == "break":
            raise ValueError("it breaks off")
        yield {"n": line}

def slowly(item):
    time.sleep(0.002)
    return item

class Numbers:
    views = {}

    def reduce(self, item):
        self.views = {"n": item["n"]}

def count_deaths(item):
    if item["n"] == "poison":
        raise ValueError("poison")
    return item
"""
FILES = """
sources:
  shots: {use: files, paths: "data/*.dat", open: "opening:read", state: "{name}.jsonl", name_as: file}
stages:
  STAGE
sinks:
  out: {use: json-lines, from: work, path: out.jsonl, existing: append, flush_s: 5}
"""
STAGES = {
    "fused": "work: {from: shots, steps: [opening:slowly]}",
    "edges": "first: {from: shots, steps: [opening:slowly], run_in: thread}\n"
    "  work: {from: first, steps: [opening:slowly], run_in: thread}",
    "threads": "work: {from: shots, steps: [opening:slowly], workers: 3, order: free}",
    "processes": "work: {from: shots, steps: [opening:slowly], workers: 2, run_in: process}",
}
PATIENCE_S = 30.0


def pipeline(folder: Path, text: str) -> None:
    (folder / "opening.py").write_text(CODE)
    (folder / "p.yaml").write_text(text)
    (folder / "data").mkdir(exist_ok=True)


def book(folder: Path, name: str = "p.jsonl") -> FileBook:
    path = folder / name
    return FileBook(read_log(path.read_bytes()).records if path.exists() else ())


def states(folder: Path) -> dict[str, FileState]:
    return {Path(entry.path).name: entry.state for entry in book(folder)}


def written(folder: Path) -> list[dict[str, Any]]:
    """Return the whole lines of the output."""
    path = folder / "out.jsonl"
    text = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]


def wait_for_more_done(folder: Path, before: int, run: Process) -> None:
    """Wait until more files are done, or the run has ended before it could be killed."""
    until(lambda: book(folder).counts[FileState.DONE] > before or run.process.poll() is not None)


def until_in(folder: Path, name: str, state: FileState) -> None:
    until(lambda: states(folder).get(name) is state)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_any_moment_no_done_file_is_lost_and_the_rest_comes_again(tmp_path: Path, stage: str) -> None:
    pipeline(tmp_path, FILES.replace("STAGE", STAGES[stage]))
    dice = random.Random(stage)
    for k in range(40):
        (tmp_path / "data" / f"{k:02}.dat").write_text(" ".join(f"{k}-{n}" for n in range(dice.randrange(1, 40))))
    wanted = {f"{k}-{n}" for k in range(40) for n in range(len((tmp_path / f"data/{k:02}.dat").read_text().split()))}
    for kill in range(2 if stage == "fused" else 1):
        with started("run", "p.yaml", "--quiet", folder=tmp_path) as run:
            wait_for_more_done(tmp_path, book(tmp_path).counts[FileState.DONE], run)
            run.process.send_signal(signal.SIGKILL)
            run.process.wait()
        there = Counter(item["n"] for item in written(tmp_path))
        done_files = {Path(entry.path) for entry in book(tmp_path) if entry.state is FileState.DONE}
        assert done_files
        for path in done_files:
            assert all(there[name] >= 1 for name in path.read_text().split()), f"{path} is not done (kill {kill})"
    reached = {Path(entry.path).name for entry in book(tmp_path) if entry.state is FileState.DONE}
    before = Counter(item["n"] for item in written(tmp_path))
    said = ended("run", "p.yaml", "--quiet", folder=tmp_path)
    assert said.code == 0, said.text
    after = Counter(item["n"] for item in written(tmp_path))
    assert set(after) == wanted
    assert set(states(tmp_path).values()) == {FileState.DONE}
    for name in reached:  # what was done is not given again
        assert all(after[item] == before[item] for item in (tmp_path / "data" / name).read_text().split())
    assert {Path(item["file"]).parent.name for item in written(tmp_path)} == {"data"}
    if stage != "fused":
        return
    nothing = ended("run", "p.yaml", "--quiet", folder=tmp_path)
    assert nothing.code == 0
    assert Counter(item["n"] for item in written(tmp_path)) == after


def test_files_that_fail_are_told_and_changed_ones_are_new(tmp_path: Path) -> None:
    pipeline(tmp_path, FILES.replace("STAGE", "work: {from: shots, steps: [opening:count_deaths], on_error: skip}"))
    texts = {"a": "1 2", "b": "", "c": "3 break 4", "d": "5 poison 6"}
    for name, text in texts.items():
        (tmp_path / "data" / f"{name}.dat").write_text(text)
    with started("run", "p.yaml", "--quiet", "--report", "report.json", folder=tmp_path) as run:
        said = run.end(tmp_path / "report.json")
    assert said.code == 3, said.text
    assert "2 files failed" in said.text
    assert [item["n"] for item in written(tmp_path)] == ["1", "2", "3", "5", "6"]
    (files,) = said.report["files"]
    assert (files["done"], files["failed"], files["failed_in_run"], files["items"]) == (2, 2, 2, 6)
    assert {name: str(state) for name, state in states(tmp_path).items()} == {
        "a.dat": "done", "b.dat": "failed", "c.dat": "failed", "d.dat": "done",
    }  # fmt: skip
    shown = ended("files", "p.jsonl", folder=tmp_path)
    assert shown.code == 3
    assert "it breaks off" in shown.out
    (tmp_path / "data" / "b.dat").write_text("7")
    (tmp_path / "data" / "a.dat").write_text("8 9 10")
    again = ended("run", "p.yaml", "--quiet", folder=tmp_path)
    assert again.code == 3
    assert [item["n"] for item in written(tmp_path)][5:] == ["8", "9", "10", "7", "3"]
    for _ in range(2):  # the third time is the last
        ended("run", "p.yaml", "--quiet", folder=tmp_path)
    assert [item["n"] for item in written(tmp_path)][10:] == ["3"]
    entry = next(entry for entry in book(tmp_path) if entry.path.endswith("c.dat"))
    assert (entry.attempts, entry.cause) == (3, "ValueError: it breaks off")
    assert len({run.run for run in book(tmp_path).runs}) == 4
    assert {(run.pipeline, run.source) for run in book(tmp_path).runs} == {("p", "shots")}


def test_a_folder_that_grows_is_done_file_by_file_while_it_runs_on(tmp_path: Path) -> None:
    text = FILES.replace('use: files, paths: "data/*.dat"', "use: folder, path: data, stable_s: 0.05")
    pipeline(tmp_path, text.replace("STAGE", STAGES["fused"]))
    (tmp_path / "data" / "early").write_text("0")
    with started("run", "p.yaml", "--quiet", folder=tmp_path) as run:
        until_in(tmp_path, "early", FileState.DONE)
        for k in range(5):
            part = tmp_path / "data" / f"{k}.part"
            part.write_text(f"{k}a {k}b")
            part.rename(part.with_suffix(".dat"))
            until_in(tmp_path, f"{k}.dat", FileState.DONE)
        assert run.process.poll() is None
        run.process.send_signal(signal.SIGINT)
        assert run.end().code == 130
    assert [item["n"] for item in written(tmp_path)] == ["0", *(f"{k}{c}" for k in range(5) for c in "ab")]


def test_a_folder_that_is_read_in_a_process_says_how_far_it_is_with_files_too(tmp_path: Path) -> None:
    folder = 'use: folder, path: data, stable_s: 0.05, open: "opening:read", state: "{name}.jsonl"'
    text = f"sources: {{shots: {{{folder}}}}}\nstages: {{work: {{from: shots, reduce: opening:Numbers}}}}\n"
    pipeline(tmp_path, text)
    (tmp_path / "data" / "early.dat").write_text("0 1")
    words = ("run", "p.yaml", "--quiet", "--serve", "0", "--report", "report.json")
    with started(*words, folder=tmp_path) as run, httpx.Client() as client:
        address = run.line("views: ").removeprefix("views: ").strip()

        def rate() -> dict[str, Any]:
            flow = client.get(f"{address}/api/v1/flow").raise_for_status().json()
            return next(each for each in flow["rates"] if each["name"] == "shots")

        until(lambda: rate()["files"] == 1)
        for name in "ab":
            (tmp_path / "data" / f"{name}.dat").write_text("2 break" if name == "b" else "2")
        until(lambda: rate()["files"] == 2 and rate()["files_per_s"] > 0)
        run.process.send_signal(signal.SIGINT)
        said = run.end(tmp_path / "report.json")
    (files,) = said.report["files"]
    assert (files["name"], files["done"], files["failed"], files["items"]) == ("shots", 2, 1, 4)
    assert files["cause"].endswith("b.dat: ValueError: it breaks off")


def test_names_that_arrive_over_zeromq_are_opened_and_resumed(tmp_path: Path) -> None:
    text = FILES.replace(
        'shots: {use: files, paths: "data/*.dat", open: "opening:read", state: "{name}.jsonl", name_as: file}',
        'shots: {use: zmq-pull, connect: "ADDRESS", encoding: text}',
    )
    stage = 'work: {from: shots, steps: [{open-files: {open: "opening:read", state: "{name}.jsonl"}}, opening:slowly]}'
    with zmq.Context() as context, context.socket(zmq.PUSH) as sender:
        sender.linger = 0
        port = sender.bind_to_random_port("tcp://127.0.0.1")
        pipeline(tmp_path, text.replace("ADDRESS", f"tcp://127.0.0.1:{port}").replace("STAGE", stage))
        (tmp_path / "data" / "a.dat").write_text("1 2 3")
        (tmp_path / "data" / "b.dat").write_text(" ".join(map(str, range(4, 10_000))))
        with started("run", "p.yaml", "--quiet", folder=tmp_path) as run:
            sender.send_string("data/a.dat")
            until_in(tmp_path, "a.dat", FileState.DONE)
            sender.send_string("data/b.dat")
            until(lambda: len(written(tmp_path)) >= 3 and states(tmp_path).get("b.dat") is FileState.READING)
            os.kill(run.process.pid, signal.SIGKILL)
            run.process.wait()
        (tmp_path / "data" / "b.dat").write_text("4 5")
        with started("run", "p.yaml", "--quiet", folder=tmp_path) as run:  # nobody sends the name again
            sender.send_string("data/none.dat")
            until_in(tmp_path, "none.dat", FileState.FAILED)
            until_in(tmp_path, "b.dat", FileState.DONE)
            run.process.send_signal(signal.SIGINT)
            run.end()
    assert [item["n"] for item in written(tmp_path)][-2:] == ["4", "5"]
