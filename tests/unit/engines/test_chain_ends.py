"""How runs of chains end: what is brought out, what is given up, what is closed."""

import asyncio
import queue
import threading
import time
from typing import Any

import pytest

from penstock.engines.chains import run
from penstock.pipeline import Pipeline, Source, Steps, Use
from penstock.pipeline import Sink as SinkEntry
from tests.unit.engines.chains_code import (
    KEPT,
    EndlessLists,
    Keep,
    accounts,
    add,
    add_async,
    begun,
    chain,
    endless,
    endless_async,
    nothing,
    nothing_passes,
    pairs,
    pairs_async,
    ran,
    silent,
)


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    KEPT.clear()


@pytest.mark.parametrize("source", [endless, endless_async, EndlessLists, silent])
@pytest.mark.parametrize("steps", [[nothing], [nothing_passes], [pairs], [pairs_async], [add_async]])
def test_whatever_never_waits_can_be_stopped(source: Any, steps: list[Any]) -> None:
    chains = begun(chain(*steps, source=source))
    chains.drain()
    while chains.step():
        pass
    report = chains.finish()
    assert report.outcome == "aborted"
    assert report.reasons == ["stopped on request"]
    assert report.adds_up
    assert all("aborted" not in edge.accounts for edge in report.edges)


def test_what_has_come_is_brought_out() -> None:
    def slowly(item: int) -> int:
        time.sleep(0.0005)
        return item

    pipeline = Pipeline(
        sources={"n": Source(endless)},
        stages={"a": Steps(add, source="n"), "b": Steps(slowly, source="a", run_in="thread")},
        sinks={"out": SinkEntry(Keep, source="b")},
    )
    chains = begun(pipeline)
    chains.drain()
    while chains.step():
        pass
    report = chains.finish()
    assert accounts(report)["a→b"] == accounts(report)["b→out"] == accounts(report)["n→a"]
    assert KEPT["out"] == list(range(1, len(KEPT["out"]) + 1))


def test_what_is_not_brought_out_in_time_is_named() -> None:
    stuck = threading.Event()

    def sticks(item: int) -> int:
        stuck.wait(30)
        return item

    pipeline = Pipeline(
        sources={"n": Source(endless)},
        stages={"a": Steps(add, source="n"), "b": Steps(sticks, source="a", run_in="thread")},
        sinks={"out": SinkEntry(Keep, source="b")},
        stop_s=0.2,
    )
    chains = begun(pipeline)
    chains.drain()
    while chains.step():
        pass
    report = chains.finish()
    stuck.set()
    assert report.outcome == "aborted"
    assert any("still at work when the time was over: b" in reason for reason in report.reasons)
    assert any("did not come back from user code, and was left alone: b" in reason for reason in report.reasons)
    assert report.adds_up
    assert report.edge("a", "b").accounts["aborted"] > 0


def test_a_sleeping_pipeline_that_has_heard_nothing_ends() -> None:
    report = ran(chain(add, source=silent), silent_s=0.3)
    assert report.outcome == "incomplete"
    assert report.reasons == ["nothing has arrived for 0.3 s"]
    assert KEPT["out"] == [2]


def test_hooks_are_closed() -> None:
    closed: list[str] = []

    class Closing:
        def __call__(self, item: int) -> int:
            return item

        def close(self) -> None:
            closed.append("step")

    ran(chain(Closing))
    assert closed == ["step"]


class Kept:
    """A buffer that can fail on what it gives."""

    def __init__(self, wrong: int | None) -> None:
        self.wrong = wrong
        self.items: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def put(self, item: int) -> None:
        self.items.put(item)

    def get(self) -> Any:
        item = self.items.get()
        if item is None:
            raise StopIteration
        return item if item != self.wrong else int("three")

    def end(self) -> None:
        self.items.put(None)

    def close(self) -> None:
        KEPT.setdefault("closed", []).append(type(self).__name__)


class KeptAwaiting:
    """Likewise, on an event loop."""

    def __init__(self, wrong: int | None) -> None:
        self.kept = Kept(wrong)

    async def put(self, item: int) -> None:
        self.kept.put(item)

    async def get(self) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(None, _got, self.kept)
        except EOFError as ended:
            raise StopAsyncIteration from ended

    async def end(self) -> None:
        self.kept.end()

    def close(self) -> None:
        KEPT.setdefault("closed", []).append(type(self).__name__)


def _got(kept: Kept) -> Any:
    try:
        return kept.get()
    except StopIteration as ended:  # which no future can hold
        raise EOFError from ended


@pytest.mark.parametrize("wrong", [None, 3])
def test_a_buffer_is_closed_when_nothing_more_comes_out(wrong: int | None) -> None:
    for kind in (Kept, KeptAwaiting):
        assert run(chain(Use(kind, wrong=wrong)).plan()).outcome == ("failed" if wrong else "finished")
    assert KEPT["closed"] == ["Kept", "KeptAwaiting"]
