"""Chains whose workers are killed all at once, and signals to a run of chains in every state it can be in."""

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from penstock.engines.chains import ChainsRun
from penstock.engines.to_the_end import run_to_the_end
from penstock.monitor.report import RunReport
from penstock.pipeline import Pipeline, Source, Steps, Use
from penstock.services.interrupt import Interrupt
from tests.unit.engines import parallel_code as code
from tests.unit.engines.parallel_runs import accounts, drained, quick, step_until

GATE = threading.Event()


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    code.KEPT.clear()
    GATE.clear()


def gated(item: int) -> int:
    """Wait until the test lets it on."""
    GATE.wait()
    return item


def kill(report: RunReport) -> None:
    for process in report.processes:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


@quick
def test_all_workers_killed_at_once_are_followed_and_nothing_is_lost() -> None:
    pipeline = Pipeline(
        sources={"n": Source(code.endless)},
        stages={
            "s": Steps(code.add, source="n", workers=3, run_in="process"),
            "keep": Steps(code.keep, source="s"),
        },
    )
    chains = ChainsRun(pipeline.plan())
    chains.open()
    for times in range(1, 4):
        before = len(code.KEPT)
        step_until(chains, lambda: len(code.KEPT) > before + 100)  # noqa: B023 - called here and now
        step_until(chains, lambda: all(p.pid and p.state != "initialised" for p in chains.report().processes))
        kill(chains.report())
        step_until(chains, lambda: sum(p.deaths for p in chains.report().processes) >= 3 * times)  # noqa: B023
    report = drained(chains)
    assert report.reasons == ["stopped on request"]
    assert list(range(1, len(code.KEPT) + 1)) == code.KEPT
    assert accounts(report) == {"done": len(code.KEPT)}


LIVE = {"degraded": 1, "fault": 0}
"""Of two workers, how many there are in this state."""


@quick
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("state", ["waiting", "processing", "degraded", "fault", "finishing"])
def test_a_signal_ends_a_run_whatever_state_it_is_in(state: str, by: signal.Signals, tmp_path: Path) -> None:
    step = Use(code.DiesWhenMade, folder=str(tmp_path), live=LIVE.get(state, 2))
    pipeline = Pipeline(
        sources={"n": Source(code.endless)},
        stages={
            "fit": Steps(step, source="n", workers=2, run_in="process", trips=1),
            "slow": Steps(gated, source="n", run_in="thread"),  # outlives workers, and keeps the run from its end
        },
    )
    chains = ChainsRun(pipeline.plan(), is_held=state == "waiting")
    seen: list[str] = []

    def look(report: RunReport) -> None:
        now = report.states[0].state
        if now == state and not seen:
            seen.append(now)
            if state != "finishing":
                GATE.set()
            os.kill(os.getpid(), by)  # of one that is finishing already, the second one
        elif state == "finishing" and now == "processing":
            os.kill(os.getpid(), by)

    with Interrupt() as interrupt:
        report = run_to_the_end(chains, look, interrupt)
    GATE.set()
    assert seen == [state]
    assert (report.outcome, report.exit_code) == (("failed", 1) if state == "fault" else ("aborted", 130))
    assert report.adds_up
    assert all(edge.in_flight == 0 for edge in report.edges)
    assert all(process.pid == 0 for process in report.processes)
    if state == "finishing":
        assert "stopped at once on request" in report.reasons
    elif state != "fault":
        assert report.reasons == ["stopped on request"]
        assert all(set(edge.accounts) <= {"done"} for edge in report.edges), "what had come was brought out"
