"""Whoever is killed, at whatever moment: nothing is lost or counted twice, or the run says what was."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from penstock.monitor.report import RunReport
from penstock.pipeline import Source
from penstock.pipeline.entries import Use
from tests.system import kill_job as job
from tests.system.killed_runs import Disturbed, N, books, pipeline, run

SHORT = [*range(4), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(4, 100))]
"""Each kills five times: twenty kills, with --long five hundred."""
EACH_ONE = [*range(20), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(20, 500))]


@pytest.fixture(scope="session")
def undisturbed() -> tuple[RunReport, dict[str, Any]]:
    report, views = run(pipeline())
    assert report.outcome == "finished", report.reasons
    assert views["sums"]["each"]["numbers"] == list(range(N))
    return report, views


def test_undisturbed_is_as_it_should_be(undisturbed: tuple[RunReport, dict[str, Any]]) -> None:
    report, views = undisturbed
    assert views["sums"]["total"] == sum(2 * job.SIZE * k for k in range(N))
    assert views["lists"] == {"rows": list(range(N)), "count": N}
    assert all(process.deaths == 0 for process in report.processes)


@pytest.mark.parametrize("seed", SHORT)
@pytest.mark.parametrize(
    "names", [["map-0", "map-1"], ["sums-0", "lists-0"], ["a", "b"]], ids=["worker", "reducer", "source of a file"]
)
def test_nothing_is_lost(names: list[str], seed: int, undisturbed: tuple[RunReport, dict[str, Any]]) -> None:
    disturbed = Disturbed(seed, names, 5)
    report, views = run(pipeline(), disturbed)
    assert report.outcome == "finished", report.reasons
    assert books(report) == books(undisturbed[0])
    assert views == undisturbed[1]
    assert 0 < sum(process.deaths for process in report.processes) <= disturbed.done  # some are hit twice


@pytest.mark.parametrize("seed", SHORT)
def test_everybody_at_once(seed: int, undisturbed: tuple[RunReport, dict[str, Any]]) -> None:
    report, views = run(pipeline(), Disturbed(seed, ["map-0", "map-1", "sums-0", "lists-0", "a", "b"], 6))
    assert report.outcome == "finished", report.reasons
    assert books(report) == books(undisturbed[0])
    assert views == undisturbed[1]


@pytest.mark.parametrize("seed", SHORT)
def test_what_an_instrument_sends_while_nobody_listens_is_a_gap(seed: int) -> None:
    began_ns = time.time_ns() + 900_000_000
    sources = {name: Source(job.Live, n=N, began_ns=began_ns) for name in ("a", "b")}
    disturbed = Disturbed(seed, ["a"], 2)
    report, views = run(pipeline(**sources), disturbed)
    assert report.outcome in ("finished", "incomplete"), report.reasons
    gaps = report.edge("a", "scan").counters.get("gaps", 0)
    came = report.edge("a", "scan").accounts["joined"]
    assert came + gaps + report.edge("a", "scan").accounts.get("late", 0) >= N - 200
    assert views["sums"]["each"]["numbers"] == sorted(set(views["sums"]["each"]["numbers"]))
    by_number = dict(zip(views["sums"]["each"]["numbers"], views["sums"]["each"]["results"], strict=True))
    assert all(result % job.SIZE == 0 for result in by_number.values())
    assert books(report)
    if disturbed.done:
        remarks = report.edge("instrument", "a").remarks
        assert any("restarted: a (process" in remark and "SIGKILL" in remark for remark in remarks), remarks


@pytest.mark.parametrize("seed", EACH_ONE)
def test_without_the_builder_the_run_says_so(seed: int) -> None:
    report, _ = run(pipeline(), Disturbed(seed, ["builder"], 1))
    assert report.outcome == "failed"
    assert "builder (process" in report.reasons[0]
    assert "was killed by SIGKILL" in report.reasons[0]
    assert books(report) is not None


@pytest.mark.parametrize("names", [["map-0", "map-1"], ["sums-0"], ["a"], ["builder"]])
def test_who_hangs_is_taken_for_dead(names: list[str], undisturbed: tuple[RunReport, dict[str, Any]]) -> None:
    disturbed = Disturbed(3, names, 1, signal.SIGSTOP)
    report, views = run(pipeline(deadline_s=0.4), disturbed, hang_s=0.6)
    if names == ["builder"]:
        assert report.outcome == "failed"
        assert "builder" in report.reasons[0]
        return
    assert report.outcome == "finished", report.reasons
    assert books(report) == books(undisturbed[0])
    assert views == undisturbed[1]


@pytest.mark.parametrize("how", ["kill", "exit", "hang"])
@pytest.mark.parametrize("code", [job.weigh_or_die, job.BatchOrDie], ids=["process", "process_batch"])
def test_an_event_that_kills_is_set_aside_alone(code: Any, how: str) -> None:
    numbers = [700, 701, 2500] if how == "kill" else [700]
    stage = {"code": code, "numbers": numbers, "how": how, "deadline_s": 0.3}
    report, views = run(pipeline(**stage))
    assert (report.outcome, report.exit_code) == ("finished", 3), report.reasons
    assert views["sums"]["each"]["numbers"] == [k for k in range(N) if k not in numbers]
    assert books(report)["scan", "map"] == {"done": N - len(numbers), "dead-lettered": len(numbers)}
    assert [letter["event"] for letter in report.dead_letters] == numbers
    assert all(str(letter["cause"]).startswith("3 workers died of it") for letter in report.dead_letters)
    assert sum(process.deaths for process in report.processes) >= 3


def test_a_result_that_kills_the_reducer_ends_the_run() -> None:
    report, _ = run(pipeline(reduce=Use(job.DieAt, number=1500)))
    assert report.outcome == "failed"
    assert "sums" in report.reasons[0]
    assert "SIGKILL" in report.reasons[0]
    assert books(report)


@pytest.mark.parametrize("seed", EACH_ONE)
def test_nobody_outlives_the_supervisor(seed: int) -> None:
    code = "from tests.system.killed_runs import pipeline, run; print('on', flush=True); run(pipeline())"
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        time.sleep(0.1 + 0.06 * (seed % 20))
        children = _descendants(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
    deadline = time.monotonic() + 10
    while (left := [pid for pid in children if _is_alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left


def _descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *_descendants(child)]
    return found


def _is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_a_run_leaves_no_descriptor_behind() -> None:
    run(pipeline())
    before = len(list(Path("/proc/self/fd").iterdir()))
    run(pipeline(), Disturbed(1, ["map-0", "sums-0", "a"], 3))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
