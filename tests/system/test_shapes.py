"""Pipelines of generators and coroutines as people run them: stopped from outside, once and twice."""

import signal
from pathlib import Path

from tests.system.commands import Process, assert_adds_up, assert_speaks_of_the_users_world, ledger_of

CODE = """
import asyncio, time

async def ticks(n):
    for number in range(1, n + 1):
        yield number
    await asyncio.Event().wait()

def pairs(upstream):
    for first in upstream:
        print("took", first, flush=True)
        second = next(upstream, None)
        yield (first,) if second is None else (first, second)

def stuck(upstream):
    for item in upstream:
        print("stuck", flush=True)
        while True:
            time.sleep(1)
        yield item
"""
PIPELINE = """
name: shapes
sources:
  ticks: {{use: "mine:ticks", n: 3}}
stages:
  work: {{from: ticks, steps: ["mine:{step}"]}}
sinks:
  shown: {{use: print, from: work}}
"""


def run(folder: Path, engine: str, step: str) -> Process:
    (folder / "mine.py").write_text(CODE)
    (folder / "shapes.yaml").write_text(PIPELINE.format(step=step))
    words = ("run", "shapes.yaml", "--engine", engine, "--report", "report.json")
    return Process(*words, folder=folder)


def test_one_signal_brings_out_what_a_generator_holds(tmp_path: Path) -> None:
    process = run(tmp_path, "local", "pairs")
    try:
        process.line("took 3")
        process.process.send_signal(signal.SIGINT)
        said = process.end(tmp_path / "report.json")
    finally:
        process.close()
    assert_speaks_of_the_users_world(said)
    assert_adds_up(said)
    assert said.report["outcome"] == "aborted"
    assert "(3,)" in said.out
    assert said.edge("ticks", "work") == {"in": 3, "done": 3}
    assert said.edge("work", "shown") == {"in": 2, "done": 2}


def test_a_second_signal_stops_a_generator_that_never_comes_back(tmp_path: Path) -> None:
    process = run(tmp_path, "inline", "stuck")
    try:
        process.line("stuck")
        process.process.send_signal(signal.SIGINT)
        process.line("bringing out what has arrived")
        process.process.send_signal(signal.SIGINT)
        said = process.end(tmp_path / "report.json")
    finally:
        process.close()
    assert_adds_up(said)
    assert said.report["outcome"] == "aborted"
    assert ledger_of(said.out)["ticks", "work"]["aborted"] > 0
