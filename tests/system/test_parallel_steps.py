"""Ctrl-C while processes do the steps of a chain: once brings out what has come, twice stops at once; nobody stays."""

import os
import select
import signal
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.system.commands import LONGEST_S, Process, Said, assert_adds_up, started

HEARD = "bringing out what has arrived; Ctrl-C again stops at once"
CODE = """
import os
import time

def endless():
    n = 0
    while True:
        yield n
        n += 1

def pid(item):
    return os.getpid()

def stuck(item):
    if item == 3:
        print("stuck", flush=True)
        time.sleep(600)
    return os.getpid()

def pids(upstream):
    for _ in upstream:
        yield os.getpid()

def stuck_upstream(upstream):
    yield from map(stuck, upstream)

async def both(upstream):
    async for item in upstream:
        yield item
        yield os.getpid()

def tell(item, seen=set()):
    if item not in seen:
        seen.add(item)
        print("by", item, flush=True)
    return item
"""
PIPELINE = """
sources: {n: "code_of_steps:endless"}
stages:
  s: {from: n, steps: ["code_of_steps:STEP"], workers: 2, run_in: process}
  told: {from: s, steps: ["code_of_steps:tell"]}
"""
GENERATORS = """
sources: {n: "code_of_steps:endless"}
stages:
  s: {from: n, steps: ["code_of_steps:STEP"], run_in: process}
  t: {from: s, steps: ["code_of_steps:both"], run_in: process}
  told: {from: t, steps: ["code_of_steps:tell"]}
"""
BOTH = [(PIPELINE, "pid", "stuck"), (GENERATORS, "pids", "stuck_upstream")]


def begun(folder: Path, pipeline: str, step: str) -> AbstractContextManager[Process]:
    (folder / "code_of_steps.py").write_text(CODE)
    (folder / "p.yaml").write_text(pipeline.replace("STEP", step))
    return started("run", "p.yaml", "--report", "report.json", folder=folder)


def assert_nobody_stays(said: Said) -> None:
    pids = [process["pid"] for process in said.report["processes"]]
    assert pids == [0, 0]
    for line in said.out.splitlines():
        if line.startswith("by "):
            assert not Path(f"/proc/{line.split()[1]}").exists()


@pytest.mark.parametrize(("pipeline", "step", "_"), BOTH)
def test_one_signal_brings_out_what_has_come(pipeline: str, step: str, _: str, tmp_path: Path) -> None:
    with begun(tmp_path, pipeline, step) as process:
        process.line("by ", 2)
        process.process.send_signal(signal.SIGINT)
        said = process.end(tmp_path / "report.json")
    assert said.code == 130
    assert said.report["reasons"] == ["stopped on request"]
    assert_adds_up(said)
    books = {(edge["producer"], edge["consumer"]): edge["accounts"] for edge in said.report["edges"]}
    assert all(set(accounts) == {"done"} for accounts in books.values())
    if pipeline is PIPELINE:
        assert books["n", "s"] == books["s", "told"]
    else:
        assert books["n", "s"] == books["s", "t"] == {"done": books["t", "told"]["done"] // 2}
    assert_nobody_stays(said)


@pytest.mark.parametrize(("pipeline", "_", "step"), BOTH)
def test_two_signals_stop_at_once(pipeline: str, _: str, step: str, tmp_path: Path) -> None:
    with begun(tmp_path, pipeline, step) as process:
        process.line("stuck")
        process.process.send_signal(signal.SIGINT)
        process.line(HEARD)
        process.process.send_signal(signal.SIGINT)
        said = process.end(tmp_path / "report.json")
    assert said.code == 130
    assert "stopped at once on request" in said.report["reasons"]
    assert_adds_up(said)
    assert said.edge("n", "s")["aborted"] > 0
    assert_nobody_stays(said)


@pytest.mark.parametrize(("pipeline", "step", "_"), BOTH)
def test_workers_go_with_a_run_that_is_killed(pipeline: str, step: str, _: str, tmp_path: Path) -> None:
    with begun(tmp_path, pipeline, step) as process:
        pids = [int(process.line("by ", count).split()[1]) for count in (1, 2)]
        watched = [os.pidfd_open(pid) for pid in pids]
        process.process.kill()
        for pidfd in watched:
            assert select.select([pidfd], [], [], LONGEST_S)[0]
            os.close(pidfd)
