"""External programs as workers of whole pipelines: what they do wrong is accounted, and nothing is lost or doubled."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.engines.local import LocalRun
from penstock.monitor.report import RunReport
from penstock.pipeline import Map, Pipeline, Sink, Source, Steps, Use
from tests.system import deadly_code as code
from tests.system.watching import PATIENCE_S

FINDER = Path(__file__).parent / "stubborn_finder.py"
N = 60
SUMS = [int(np.frombuffer(m.array.tobytes(), np.uint8).sum()) for m in code.frames(list(range(N)))]


def pipeline(folder: Path, stage: Map | Steps, *, gate: str = "") -> Pipeline:
    return Pipeline(
        name="programs",
        sources={"frames": Source(code.Stored, n=N, block=10, gate=gate)},
        stages={"find": stage},
        sinks={"file": Sink("json-lines", source="find", path=str(folder / "found.jsonl"))},
    )


def finder(folder: Path, **options: Any) -> Use:
    return Use("program", command=["{python}", "-I", "-S", str(FINDER), str(folder)], **options)


def found_in(folder: Path) -> list[dict[str, int]]:
    return [json.loads(line) for line in (folder / "found.jsonl").read_text().splitlines()]


def assert_found(folder: Path, report: RunReport) -> None:
    edge = next(edge for edge in report.edges if (edge.producer, edge.consumer) == ("frames", "find"))
    assert edge.accounts["dead-lettered"] == 1
    assert edge.adds_up
    assert not edge.in_flight
    assert [(found["key"], found["sum"]) for found in found_in(folder)] == [(k, SUMS[k]) for k in range(N) if k != 33]
    (letter,) = report.dead_letters
    assert "33 cannot be borne" in str(letter["cause"])


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_what_kills_it_is_tried_again_and_what_always_does_is_set_aside(engine: str, tmp_path: Path) -> None:
    stage = Map(
        finder(tmp_path, timeout_s=2.0, start_s=10.0),
        source="frames",
        workers=2,
        on_error="retry",
        trips=2,
        retry_s=0.001,
    )
    report = pipeline(tmp_path, stage).run(engine=engine)
    assert (report.outcome, report.exit_code) == ("finished", 3), report.reasons
    assert_found(tmp_path, report)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["died-27", "died-47", "died-7", "found.jsonl", "hung"]


def test_in_a_chain_it_is_a_step(tmp_path: Path) -> None:
    (tmp_path / "hung").touch()
    stage = Steps(finder(tmp_path), lambda found: found["sum"], source="frames", on_error="skip")
    report = pipeline(tmp_path, stage).run()
    assert report.outcome == "finished"
    sums = [SUMS[k] for k in range(N) if k % 20 != 7 and k != 33]
    assert [int(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()] == sums


def test_each_thread_of_a_chain_has_a_program(tmp_path: Path) -> None:
    doubler = (
        "import json, os, sys\n"
        "for line in sys.stdin:\n"
        "    frame = json.loads(line)\n"
        "    if frame['kind'] == 'event':\n"
        "        print(json.dumps(dict(number=frame['number'], result=[2 * frame['item'], os.getpid()])), flush=True)"
    )
    twice = Use("program", command=["{python}", "-I", "-S", "-c", doubler])
    report = Pipeline(
        name="programs",
        sources={"numbers": Source("numbers", n=100)},
        stages={"twice": Steps(twice, source="numbers", workers=2, run_in="thread")},
        sinks={"file": Sink("json-lines", source="twice", path=str(tmp_path / "found.jsonl"))},
    ).run(engine="chains")
    assert report.outcome == "finished"
    found = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert [value for value, _ in found] == [2 * k for k in range(100)]
    assert len({pid for _, pid in found}) == 2
    assert not any(Path(f"/proc/{pid}").exists() for _, pid in found)


def test_programs_go_with_their_workers_and_nothing_is_lost(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    (tmp_path / "hung").touch()
    stage = Map(finder(tmp_path), source="frames", workers=2, on_error="retry", trips=2, retry_s=0.001)
    running = LocalRun(pipeline(tmp_path, stage, gate=str(gate)).plan())
    running.open()
    until = time.monotonic() + PATIENCE_S
    is_killed = False
    while running.step():
        assert time.monotonic() < until
        done = {edge.consumer: edge.accounts.get("done", 0) for edge in running.report().edges}
        pids = running.pids()
        if not is_killed and done.get("file", 0) > N // 2 and {"find-0", "find-1"} <= pids.keys():
            for name in ("find-0", "find-1"):
                os.kill(pids[name], signal.SIGKILL)
            is_killed = True
            gate.touch()
    report = running.finish()
    assert report.outcome == "finished", report.reasons
    assert_found(tmp_path, report)
    for pid in {found["pid"] for found in found_in(tmp_path)}:
        while Path(f"/proc/{pid}").exists():
            assert time.monotonic() < until, f"program {pid} is still there"
            time.sleep(0.01)
