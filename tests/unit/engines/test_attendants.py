"""A source that attends to its run is told of it, called in its thread, and may end it; steps learn their numbers."""

import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from penstock.elements.attendant import Attendant, Attended
from penstock.elements.numbered import Numbered
from penstock.monitor.report import RunReport
from penstock.pipeline import Pipeline, Source, Steps

SEEN: dict[str, Any] = {}


class Clerk(Attendant):
    """Ends the run when it is woken, or when its time has come."""

    def __init__(self, wakes: bool = True) -> None:
        self._wakes = wakes
        self._fd = -1
        self._run: Attended | None = None

    def attend(self, run: Attended) -> Sequence[Any]:
        SEEN.clear()
        SEEN["thread"] = threading.current_thread()
        SEEN["polls"] = 0
        self._run = run
        self._fd = os.eventfd(0, os.EFD_NONBLOCK)
        if self._wakes:
            threading.Timer(0.05, os.eventfd_write, (self._fd, 1)).start()
        return [self._fd]

    def poll(self) -> None:
        assert self._run is not None
        assert threading.current_thread() is SEEN["thread"]
        SEEN["polls"] += 1
        is_due = SEEN["polls"] > 3
        if self._wakes:
            try:
                os.eventfd_read(self._fd)
            except BlockingIOError:
                return
            is_due = True
        if is_due and "begun" not in SEEN:
            SEEN["begun"] = dict(self._run.begun())
            self._run.drain("the clerk has seen enough")

    def until_due_s(self) -> float:
        return float("inf") if self._wakes else 0.01

    def leave(self, report: RunReport) -> None:
        SEEN["report"] = report
        os.close(self._fd)


class Number(Numbered):
    """Gives the number of its worker."""

    number = -1

    def take_number(self, number: int) -> None:
        self.number = number

    def __call__(self, item: int) -> str:
        return f"{self.number}"


def few() -> Iterator[int]:
    yield from range(40)


@pytest.mark.parametrize("wakes", [True, False])
def test_an_attendant_is_woken_or_called_in_time_and_may_end_the_run(wakes: bool) -> None:
    pipeline = Pipeline(sources={"clerk": Source(Clerk, wakes=wakes), "few": Source(few)})
    report = pipeline.run("chains")
    assert (report.outcome, report.reasons) == ("aborted", ["the clerk has seen enough"])
    assert SEEN["report"] is report
    assert SEEN["thread"] is threading.current_thread()
    assert not report.edge("instrument", "clerk").remarks, "nobody waits for items of an attendant"


@pytest.mark.parametrize(("run_in", "workers"), [("thread", 3), ("process", 2), ("inline", 1)])
def test_each_worker_has_its_number(run_in: str, workers: int) -> None:
    got: list[str] = []
    stage: dict[str, Any] = {"workers": workers, "run_in": run_in} if workers > 1 else {}
    pipeline = Pipeline(
        sources={"few": Source(few), "clerk": Source(Clerk)},
        stages={"n": Steps(Number, source="few", **stage), "keep": Steps(got.append, source="n")},
    )
    pipeline.run("chains")
    assert set(got) <= {f"{number}" for number in range(workers)}
    assert len(got) == 40
    if workers > 1:
        assert set(SEEN["begun"]) == {f"n-{number}" for number in range(workers)}


def test_an_engine_without_attendants_says_so() -> None:
    pipeline = Pipeline(sources={"clerk": Source(Clerk), "few": Source(few)})
    report = pipeline.run("inline")
    assert report.outcome == "incomplete"
    assert report.reasons == ["clerk: only the engine chains tells a source of its run; leave --engine out"]
