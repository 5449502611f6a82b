"""snap.Parallel by real processes: in both grammars and made by modules, with workers that die, errors and Ctrl-C."""

import ast
import os
import select
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.system.commands import LONGEST_S, Said, assert_adds_up, assert_speaks_of_the_users_world, started

FILE = str(Path(__file__).parent / "snap" / "parallel.yml")


def ran(node: str, folder: Path, **environ: str) -> Said:
    """Run a node that ends by itself."""
    report = folder / "report.json"
    with started("run", FILE, "-n", node, "--report", str(report), folder=folder, environ=environ) as it:
        said = it.end(report)
    assert_speaks_of_the_users_world(said)
    assert_adds_up(said)
    return said


def got(said: Said) -> list[Any]:
    return [ast.literal_eval(line.removeprefix("got ")) for line in said.out.splitlines() if line.startswith("got ")]


def assert_gone(pids: set[int]) -> None:
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.mark.parametrize("node", ["first", "own"])
def test_processes_call_it_and_one_that_dies_loses_nothing(node: str, tmp_path: Path) -> None:
    (tmp_path / "deaths").mkdir()
    said = ran(node, tmp_path, EXECUTOR="process", FOLDER=str(tmp_path / "deaths"))
    assert said.code == 0, said.text
    assert sorted(number for number, *_ in got(said)) == list(range(1, 13))
    assert [path.name for path in (tmp_path / "deaths").iterdir()] == ["died"]
    assert_gone({pid for _, *pids, _ in got(said) for pid in pids})
    if node != "own":
        assert [process["name"] for process in said.report["processes"]] == ["jobs-0", "jobs-1"]
        assert sum(process["deaths"] for process in said.report["processes"]) == 1
        assert said.edge("jobs_source", "jobs") == {"in": 12, "done": 12}


def test_threads_call_it(tmp_path: Path) -> None:
    said = ran("second", tmp_path, EXECUTOR="thread", FOLDER="")
    assert said.code == 0, said.text
    assert sorted(number for number, *_ in got(said)) == list(range(1, 13))
    assert len({pid for _, pid, *_ in got(said)}) == 1
    assert said.report["processes"] == []


@pytest.mark.parametrize(
    ("node", "said_of_it"),
    [
        ("picky", "stage jobs: picky: ValueError: three is refused; the item was 3"),
        ("own_unsendable", "source jobs.own_pool_of_one: an item is a pools.Names, which cannot travel between "),
    ],
)
def test_an_error_ends_the_run_and_says_what_was_wrong(node: str, said_of_it: str, tmp_path: Path) -> None:
    said = ran(node, tmp_path)
    assert said.code == 1
    assert said.report["reasons"][0].startswith(said_of_it)
    assert ("or write executor: thread; " in said.report["reasons"][0]) == (node == "own_unsendable")


BLOCKS = """
from snap.datablock import DataBlock

def some():
    yield from (DataBlock([n, n + 1], [n], "det") for n in range(3))

def raised(block):
    block.zs = [z + 10 for z in block.zs]
    return block

def shout(block):
    print("got", repr((block.ts, block.zs, block.id)), flush=True)
"""
DATABLOCK = """
class DataBlock:  # as of snap-combine: no dataclass
    def __init__(self, ts, zs, id=None):
        self.ts, self.zs, self.id = ts, zs, id
"""


def test_significance_series_go_to_processes_and_come_back(tmp_path: Path) -> None:
    (tmp_path / "site" / "snap").mkdir(parents=True)
    (tmp_path / "site" / "snap" / "datablock.py").write_text(DATABLOCK)
    (tmp_path / "blocks.py").write_text(BLOCKS)
    parallel = "{snap.Parallel: {function: obj@blocks.raised, executor: process, max_workers: 1}}"
    (tmp_path / "blocks.yml").write_text(
        f"node: {{a: {{source: {{blocks.some: {{}}}}, steps: [{parallel}, blocks.shout]}}}}"
    )
    with started("run", "blocks.yml", folder=tmp_path, environ={"PYTHONPATH": str(tmp_path / "site")}) as it:
        said = it.end()
    assert said.code == 0, said.text
    assert got(said) == [([n, n + 1], [n + 10], "det") for n in range(3)]


def test_one_signal_brings_out_what_a_module_s_own_processes_have(tmp_path: Path) -> None:
    with started("run", FILE, "-n", "own_endless", "--report", "report.json", folder=tmp_path) as process:
        process.line("got ", count=10)
        process.process.send_signal(signal.SIGINT)
        said = process.end(tmp_path / "report.json")
    assert said.code == 130
    assert_adds_up(said)
    assert said.edge("jobs_source", "jobs") == {"in": len(got(said)), "done": len(got(said))}
    assert sorted(number for number, *_ in got(said)) == list(range(len(got(said))))
    assert_gone({pid for _, *pids, _ in got(said) for pid in pids})


def test_two_signals_stop_a_module_s_own_processes_at_once(tmp_path: Path) -> None:
    with started("run", FILE, "-n", "own_stuck", "--report", "report.json", folder=tmp_path) as process:
        pids = set(map(int, process.line("stuck ").split()[1:]))
        process.process.send_signal(signal.SIGINT)
        process.line("bringing out what has arrived; Ctrl-C again stops at once")
        process.process.send_signal(signal.SIGINT)
        said = process.end(tmp_path / "report.json")
    assert said.code == 130
    assert_adds_up(said)
    assert_gone(pids)


def test_processes_go_with_a_run_that_is_killed(tmp_path: Path) -> None:
    with started("run", FILE, "-n", "own_stuck", folder=tmp_path) as process:
        watched = [os.pidfd_open(int(word)) for word in process.line("stuck ").split()[1:]]
        process.process.kill()
        for pidfd in watched:
            assert select.select([pidfd], [], [], LONGEST_S)[0]
            os.close(pidfd)
