"""Parallel stages of chains whose workers come and go with the load: threads, tasks and processes, nothing lost."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from penstock.engines.chains import ChainsRun
from penstock.errors import PenstockError
from penstock.monitor.report import RunReport, StaffReport
from penstock.pipeline import Pipeline, Source, Steps
from penstock.services.strands.nursery import Nursery
from tests.unit.engines import staffing_steps as code
from tests.unit.engines.conftest import Borrowed
from tests.unit.engines.parallel_runs import drained, step_until

KINDS: Mapping[str, tuple[Any, str]] = {
    "threads": (code.takes, "thread"), "tasks": (code.takes_async, "thread"), "processes": (code.takes, "process"),
}  # fmt: skip
QUICK: Mapping[str, float] = {"from": 1, "to": 3, "grow_s": 0.2, "shrink_s": 0.5}
OPEN: list[ChainsRun] = []


@pytest.fixture(autouse=True)
def _quick(warm: Nursery, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("penstock.engines.chains.Nursery", lambda: Borrowed(warm))
    code.KEPT.clear()
    yield
    for chains in OPEN:
        if str(chains.state.outcome) == "running":  # the test has failed
            chains.abort()
            chains.finish()
    OPEN.clear()


def opened(folder: Path, step: Any, run_in: str | None, keep: Any = code.keep, workers: Any = QUICK) -> ChainsRun:
    pipeline = Pipeline(
        sources={"n": Source(code.paced, folder=str(folder))},
        stages={"s": Steps(step, source="n", workers=workers, run_in=run_in), "keep": Steps(keep, source="s")},
    )
    chains = ChainsRun(pipeline.plan())
    OPEN.append(chains)
    chains.open()
    return chains


def staff(chains: ChainsRun) -> StaffReport:
    (found,) = chains.report().staffs
    return found


def assert_nothing_is_lost(report: RunReport) -> None:
    assert report.adds_up
    assert list(range(len(code.KEPT))) == code.KEPT
    assert report.edge("n", "s").accounts == {"done": len(code.KEPT)}
    assert all(edge.in_flight == 0 for edge in report.edges)


@pytest.mark.parametrize("kind", KINDS)
def test_workers_come_while_a_stage_lags_and_leave_when_there_is_little_to_do(tmp_path: Path, kind: str) -> None:
    chains = opened(tmp_path, *KINDS[kind])
    step_until(chains, lambda: staff(chains).workers == 1)
    step_until(chains, lambda: staff(chains).workers == 3)
    (tmp_path / "slow").touch()
    step_until(chains, lambda: staff(chains).workers == 1)
    (tmp_path / "slow").unlink()
    step_until(chains, lambda: staff(chains).workers >= 2)
    report = drained(chains)
    assert_nothing_is_lost(report)
    told = [each.text for each in report.notices if each.source == "s"]
    assert told[0].startswith("1 → 2 workers: ")
    assert any("worker: at most " in text for text in told), told


def test_a_sink_that_is_slower_than_its_workers_brings_no_more_of_them(tmp_path: Path) -> None:
    chains = opened(tmp_path, code.takes, None, code.keep_slowly)
    step_until(chains, lambda: len(code.KEPT) > 100)
    found = staff(chains)
    assert (found.workers, found.coming, found.why) == (1, 0, "")
    assert found.waiting > 50
    chains.abort()
    assert chains.finish().adds_up


def test_a_number_is_kept_until_it_is_taken_back(tmp_path: Path) -> None:
    (tmp_path / "slow").touch()
    chains = opened(tmp_path, code.takes, "thread")
    chains.scale("s", 3)
    step_until(chains, lambda: staff(chains).workers == 3)
    assert staff(chains).pinned == 3
    with pytest.raises(PenstockError, match="stage s: 4 workers are not within its limits; ask for 1 to 3, or"):
        chains.scale("s", 4)
    chains.scale("s", "auto")
    step_until(chains, lambda: staff(chains).workers == 1)
    assert_nothing_is_lost(drained(chains))
    other = opened(tmp_path, code.takes, "thread", workers=2)
    with pytest.raises(PenstockError, match=r"write workers: \{from: 1, to: 8\} in the pipeline file"):
        other.scale("s", "auto")
    drained(other)
