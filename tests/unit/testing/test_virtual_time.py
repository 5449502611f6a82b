"""An hour of a pipeline of chains, in milliseconds and the same each time."""

import asyncio
import queue
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from penstock.elements import RunFacts, Sink, clock
from penstock.monitor.report import RunReport
from penstock.pipeline import Merge, Pipeline, Source, Steps, Use
from penstock.pipeline import Sink as SinkEntry
from penstock.testing import VirtualTime

HOUR_S = 3600.0
kept: list[Any] = []


class Keep(Sink):
    """Keep what comes, with the time."""

    def open(self, run: RunFacts) -> None:
        kept.clear()

    def write(self, item: Any) -> None:
        kept.append((clock.monotonic_s(), item))

    def close(self, ended_well: bool, outcome: str = "") -> None: ...


def paced(every_s: float = 1.0, n: int = 3600, name: str = "") -> Iterator[Any]:
    for number in range(1, n + 1):
        clock.sleep(every_s)
        yield f"{name}{number}" if name else number


async def paced_async(every_s: float = 1.0, n: int = 3600, name: str = "") -> AsyncIterator[Any]:
    for number in range(1, n + 1):
        await asyncio.sleep(every_s)
        yield f"{name}{number}" if name else number


def counted_by_minute(upstream: Iterator[Any], s: float = 60.0) -> Iterator[int]:
    """Windows by time of arrival."""
    end_s, count = s, 0
    for _ in upstream:
        while clock.monotonic_s() > end_s:
            yield count
            end_s, count = end_s + s, 0
        count += 1
    yield count


class Throttle:
    """Let one item pass in so many seconds."""

    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self.next_s = 0.0

    def __call__(self, item: Any) -> Any:
        if (now_s := clock.monotonic_s()) < self.next_s:
            return None
        self.next_s = now_s + self.every_s
        return item


class Latest:
    """A buffer that gives what was put last, at its own pace."""

    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self.items: deque[Any] = deque(maxlen=1)
        self.has_ended = False

    def put(self, item: Any) -> None:
        self.items.append(item)

    def end(self) -> None:
        self.has_ended = True

    async def get(self) -> Any:
        while True:
            await asyncio.sleep(self.every_s)
            if self.items:
                return self.items.pop()
            if self.has_ended:
                raise StopAsyncIteration


async def nap(item: Any, s: float = 0.25) -> Any:
    await asyncio.sleep(s)
    return item


def doze(item: Any, s: float = 0.25) -> Any:
    clock.sleep(s)
    return item


def as_it_is(item: Any) -> Any:
    return item


def ran(pipeline: Pipeline, **options: Any) -> RunReport:
    report: RunReport = pipeline.run("chains", clock=VirtualTime(**options))
    assert report.adds_up
    return report


def chain(*steps: Any, source: Any = paced, sink: Any = Keep, **options: Any) -> Pipeline:
    return Pipeline(
        sources={"n": Source(source)}, stages={"s": Steps(*steps, source="n", **options)},
        sinks={"out": SinkEntry(sink, source="s")},
    )  # fmt: skip


SOURCES = pytest.mark.parametrize("source", [paced, paced_async])


@SOURCES
def test_windows_by_arrival(source: Any) -> None:
    if source is paced_async:
        pipeline = chain(as_it_is, counted_by_minute, source=source)
    else:
        pipeline = chain(counted_by_minute, source=source, run_in="thread")
    report = ran(pipeline)
    assert report.outcome == "finished"
    assert [count for _, count in kept] == [60] * 60
    assert report.duration_s == pytest.approx(HOUR_S)


@SOURCES
@pytest.mark.parametrize("run_in", ["inline", "thread"])
def test_a_throttle(source: Any, run_in: str) -> None:
    report = ran(chain(Use(Throttle, every_s=60.0), source=source, run_in=run_in))
    assert kept == [(1.0 + 60 * k, 1 + 60 * k) for k in range(60)]
    assert report.steps[0].arrived == 3600
    assert report.steps[0].filtered == 3540
    assert report.steps[0].rate_per_s == pytest.approx(1.0)


@SOURCES
def test_a_buffer_at_its_own_pace(source: Any) -> None:
    ran(chain(Use(Latest, every_s=59.75), source=source))
    assert kept[:3] == [(59.75, 59), (119.5, 119), (179.25, 179)]
    assert kept[-1][1] == 3600


@SOURCES
@pytest.mark.parametrize("step", [nap, doze])
def test_what_takes_longer_than_the_source_holds_it_up(source: Any, step: Any) -> None:
    report = ran(chain(Use(step, s=2.0), as_it_is, source=source, run_in="thread"))
    assert kept == [(1.0 + 2.0 * k, k) for k in range(1, 3601)]
    assert report.duration_s == pytest.approx(1 + 2 * HOUR_S)


def test_everything_at_once_is_the_same_each_time() -> None:
    def everything() -> list[Any]:
        pipeline = Pipeline(
            sources={
                "a": Source(paced, every_s=1.0, n=600, name="a"),
                "b": Source(paced_async, every_s=0.5, n=1200, name="b"),
                "c": Source(paced, every_s=2.0, n=300, name="c"),
            },
            events={"all": Merge("a", "b", "c"), "again": Merge("napped", "dozed", "queued")},
            stages={
                "napped": Steps(Use(nap, s=0.75), source="all"),
                "dozed": Steps(Use(doze, s=0.1), source="all"),
                "queued": Steps(as_it_is, Use(queue.Queue, maxsize=2), Use(doze, s=0.2), source="all"),
                "last": Steps(as_it_is, source="again"),
            },
            sinks={"out": SinkEntry(Keep, source="last")},
        )
        assert ran(pipeline).outcome == "finished"
        return list(kept)

    first = everything()
    assert len(first) == 3 * 2100
    assert first == everything()


def endless(every_s: float = 1.0) -> Iterator[int]:
    while True:
        clock.sleep(every_s)
        yield 1


async def endless_async(every_s: float = 1.0) -> AsyncIterator[int]:
    while True:
        await asyncio.sleep(every_s)
        yield 1


@pytest.mark.parametrize(("source", "given"), [(endless, 3601), (endless_async, 3600)])
def test_the_time_of_a_run_is_over(source: Any, given: int) -> None:
    report = ran(chain(as_it_is, source=source), for_s=HOUR_S)
    assert (report.outcome, report.reasons) == ("aborted", ["the time of the run is over"])
    assert len(kept) == given


async def silent() -> AsyncIterator[int]:
    yield 1
    await asyncio.Event().wait()


def test_a_run_in_which_nothing_can_happen_ends() -> None:
    report = ran(chain(as_it_is, source=silent))
    assert (report.outcome, report.reasons) == ("incomplete", ["everybody waits, and nothing is due any more"])
    assert kept == [(0.0, 1)]


async def in_a_thread(item: int) -> int:
    await asyncio.to_thread(clock.sleep, 0.5)
    return item


def test_what_runs_in_threads_of_the_loop_has_the_same_time() -> None:
    ran(chain(in_a_thread))
    assert kept[0] == (1.5, 1)
    assert kept[-1] == (3600.5, 3600)


def test_the_clock_tells_utc_and_is_for_one_run() -> None:
    time = VirtualTime(begin_ns=7)
    pipeline = chain(lambda _: clock.utc_ns())
    pipeline.run("chains", clock=time)
    assert kept[0] == (1.0, 1_000_000_007)
    with pytest.raises(RuntimeError, match="for one run"):
        pipeline.run("chains", clock=time)
    with pytest.raises(RuntimeError, match="in its own threads"):
        time.sleep(1)
    with pytest.raises(ValueError, match="silent_s"):
        pipeline.run("chains", clock=VirtualTime(), silent_s=1.0)
