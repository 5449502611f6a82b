"""Workers of a parallel stage that come, go, are replaced and die again and again while it runs; nothing is lost."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.engines.chains import ChainsRun
from penstock.errors import PenstockError
from penstock.monitor.report import RunReport, StateReport
from penstock.pipeline import Use
from penstock.services.strands.nursery import Nursery
from tests.unit.engines import parallel_code as code
from tests.unit.engines.conftest import Borrowed
from tests.unit.engines.parallel_runs import drained, step_until
from tests.unit.engines.test_parallel import chain

KINDS: dict[str, tuple[Any, str]] = {
    "threads": (code.add, "thread"), "tasks": (code.add_async, "thread"), "processes": (code.add, "process"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _quick(warm: Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.engines.chains.Nursery", lambda: Borrowed(warm))
    code.KEPT.clear()


OPEN: list[ChainsRun] = []


@pytest.fixture(autouse=True)
def _all_end() -> Iterator[None]:
    yield
    for chains in OPEN:
        if str(chains.state.outcome) == "running":  # the test has failed
            chains.abort()
            chains.finish()
    OPEN.clear()


def opened(*steps: Any, source: Any = code.endless, n: int = 0, **options: Any) -> ChainsRun:
    chains = ChainsRun(chain(*steps, source=source, n=n, **options).plan())
    OPEN.append(chains)
    chains.open()
    return chains


def workers(report: RunReport) -> dict[str, str]:
    return {each.name: each.state for each in report.states if each.kind == "worker"}


def of(report: RunReport, name: str) -> StateReport:
    return next(each for each in report.states if each.name == name)


def assert_nothing_is_lost(report: RunReport) -> None:
    assert report.adds_up
    assert list(range(1, len(code.KEPT) + 1)) == code.KEPT
    assert report.edge("n", "s").accounts == {"done": len(code.KEPT)}
    assert all(edge.in_flight == 0 for edge in report.edges)
    assert {each.state for each in report.states} == {"stopped"}


def more(chains: ChainsRun, items: int = 200) -> None:
    wanted = len(code.KEPT) + items
    step_until(chains, lambda: len(code.KEPT) > wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stage_is_scaled_up_and_down_while_it_runs(kind: str) -> None:
    step, run_in = KINDS[kind]
    chains = opened(step, run_in=run_in)
    more(chains)
    for count in (4, 1, 3, 2):
        chains.scale("s", count)
        step_until(chains, lambda: len(workers(chains.report())) == count)  # noqa: B023 - called here and now
        more(chains)
    assert sorted(workers(chains.report())) == ["s-0", "s-1"]
    assert_nothing_is_lost(drained(chains))


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_is_replaced_by_another(kind: str) -> None:
    step, run_in = KINDS[kind]
    chains = opened(step, run_in=run_in)
    more(chains)
    (feed,) = chains._cut.parallel
    before = [desk.hand for desk in feed.staff.desks]
    chains.restart("s-0")
    step_until(chains, lambda: feed.staff.desks[0].hand is not before[0])
    more(chains)
    assert [desk.hand.name for desk in feed.staff.desks] == ["s-0", "s-1"]
    assert feed.staff.desks[1].hand is before[1]
    assert before[0].has_ended
    assert_nothing_is_lost(drained(chains))


def test_steps_of_one_that_is_replaced_are_closed(tmp_path: Path) -> None:
    chains = opened(Use(code.Closing, folder=str(tmp_path)), run_in="process", workers=1)
    step_until(chains, lambda: len(code.KEPT) > 10)
    chains.restart("s-0")
    step_until(chains, lambda: len(list(tmp_path.iterdir())) == 1)
    kept = len(code.KEPT)
    step_until(chains, lambda: len(code.KEPT) > kept + 1000)
    drained(chains)
    assert len({name.name.partition("-")[0] for name in tmp_path.iterdir()}) == 2, "two processes have closed theirs"


def test_who_cannot_be_scaled_or_replaced_is_named() -> None:
    chains = opened(code.add)
    calls: list[tuple[Callable[[], None], str]] = [
        (lambda: chains.scale("x", 2), "no source or stage is called 'x'; there are n, s, keep"),
        (lambda: chains.scale("keep", 2), "stage keep has no workers"),
        (lambda: chains.scale("s", 0), "stage s: 0 workers are impossible"),
        (lambda: chains.restart("s-7"), "no worker is called 's-7'; there are s-0, s-1"),
    ]
    for call, text in calls:
        with pytest.raises(PenstockError, match=text):
            call()
    more(chains)
    assert_nothing_is_lost(drained(chains))


def test_what_leaves_first_finishes_what_it_has_begun(tmp_path: Path) -> None:
    """The last worker waits on an item until all others have come out."""
    chains = opened(
        Use(code.wait_for, folder=str(tmp_path)), source=code.numbers, n=50, order="free", workers=2
    )  # fmt: skip
    step_until(chains, lambda: len(code.KEPT) == 49)
    chains.scale("s", 1)
    chains.restart("s-0")
    for _ in range(3):
        chains.step(0.02)
    assert "finishing" in workers(chains.report()).values()
    (tmp_path / "out").touch()
    while chains.step(0.05):
        pass
    report = chains.finish()
    assert report.outcome == "finished"
    assert sorted(code.KEPT) == list(range(50))


# Deaths


def test_who_was_killed_shows_at_once_and_the_stage_goes_on() -> None:
    chains = opened(code.add, run_in="process")
    step_until(chains, lambda: "initialised" not in workers(chains.report()).values())
    more(chains)
    victim = next(process.pid for process in chains.report().processes if process.name == "s-1")
    os.kill(victim, signal.SIGKILL)
    step_until(chains, lambda: not Path(f"/proc/{victim}").exists())
    assert workers(chains.report())["s-1"] in ("fault", "initialised")
    step_until(chains, lambda: workers(chains.report())["s-1"] == "processing")
    assert of(chains.report(), "s").state == "processing"
    more(chains)
    assert_nothing_is_lost(drained(chains))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):  # it went while it was looked at
        return False


def test_all_may_be_killed_at_once() -> None:
    chains = opened(code.add, run_in="process")
    step_until(chains, lambda: "initialised" not in workers(chains.report()).values())
    more(chains)
    victims = [process.pid for process in chains.report().processes]
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    while any(is_alive(victim) for victim in victims):
        time.sleep(0.001)
    report = chains.report()
    # Where the machine is slow, one may have a successor before the other has died.
    dead = {process.name for process in report.processes if process.pid in (0, *victims)}
    assert {workers(report)[name] for name in dead} <= {"fault", "initialised"}
    if len(dead) == len(victims):
        assert of(report, "s").state in ("fault", "degraded", "initialised")
        assert report.states[0].state == of(report, "s").state
    more(chains)
    assert_nothing_is_lost(drained(chains))


def test_one_that_dies_again_and_again_is_given_up_and_the_others_go_on(tmp_path: Path) -> None:
    chains = opened(Use(code.OneAtATime, folder=str(tmp_path)), run_in="process")
    why = "died 3 times without having worked on anything; the last: s-"
    step_until(chains, lambda: any(each.why.startswith(why) for each in chains.report().states if each.of == "s"))
    report = chains.report()
    (faulty,) = [name for name, state in workers(report).items() if state == "fault"]
    found = of(report, faulty)
    assert found.why.endswith("was killed by SIGKILL")
    assert of(report, "s").state == "degraded"
    assert of(report, "s").why == f"{faulty}: {found.why}"
    assert (report.states[0].kind, report.states[0].state) == ("pipeline", "degraded")
    more(chains)
    assert any(remark == f"fault: {faulty} {found.why}" for remark in chains.report().edge("n", "s").remarks)
    (tmp_path / "all may come").touch()
    chains.restart(faulty)
    step_until(chains, lambda: workers(chains.report())[faulty] in ("waiting", "processing"))
    step_until(chains, lambda: of(chains.report(), "s").state == "processing")
    more(chains)
    assert_nothing_is_lost(drained(chains))


def test_when_all_are_given_up_the_run_fails_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    chains = opened(Use(code.OneAtATime, folder=str(tmp_path)), source=code.numbers, n=10, run_in="process")
    while chains.step(0.05):
        pass
    report = chains.finish()
    assert report.adds_up
    assert report.outcome == "failed"
    assert report.exit_code == 1
    assert report.reasons[0].startswith("stage s: s-")
    assert report.reasons[0].endswith("was killed by SIGKILL")
    assert sum(process.deaths for process in report.processes) == 6
    assert of(report, "s").state == "fault"
    assert (report.states[0].state, report.states[0].why) == ("fault", report.reasons[0])
    assert {of(report, name).state for name in ("n", "keep", "s-0", "s-1")} == {"stopped"}


@pytest.mark.parametrize("held", ["s", ""])
def test_a_stage_that_is_held_can_be_scaled_and_its_workers_killed(held: str) -> None:
    chains = opened(code.add, run_in="process")
    step_until(chains, lambda: "initialised" not in workers(chains.report()).values())
    more(chains)
    chains.hold(held)
    step_until(chains, lambda: of(chains.report(), "s").state == "waiting")
    kept = len(code.KEPT)
    os.kill(chains.report().processes[0].pid, signal.SIGKILL)
    chains.scale("s", 3)
    step_until(chains, lambda: list(workers(chains.report()).values()) == ["waiting"] * 3)
    assert chains.report().processes[0].deaths == 1
    assert len(code.KEPT) == kept or held == "s", "what its workers had may come out"
    chains.release(held)
    more(chains)
    assert_nothing_is_lost(drained(chains))


@pytest.mark.parametrize("kind", KINDS)
def test_workers_are_made_also_where_all_begins_held(kind: str) -> None:
    step, run_in = KINDS[kind]
    chains = ChainsRun(chain(step, run_in=run_in, source=code.endless, n=0).plan(), is_held=True)
    OPEN.append(chains)
    chains.open()
    step_until(chains, lambda: list(workers(chains.report()).values()) == ["waiting", "waiting"])
    chains.scale("s", 3)
    step_until(chains, lambda: list(workers(chains.report()).values()) == ["waiting"] * 3)
    assert chains.report().edge("n", "s").arrived == 0
    chains.release("")
    more(chains)
    assert_nothing_is_lost(drained(chains))
