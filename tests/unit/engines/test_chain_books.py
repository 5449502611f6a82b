"""The books of chains: exact whenever somebody looks, whoever is at work meanwhile."""

import queue
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest

from penstock.engines.chains import ChainsRun
from penstock.monitor.report import RunReport
from penstock.pipeline import Pipeline, Source, Steps, Use
from penstock.pipeline import Sink as SinkEntry
from penstock.services.strands import generators as generators_of_a_strand
from penstock.services.strands import run as parts_in_a_run
from penstock.testing import ManualClock
from tests.unit.engines.chains_code import (
    KEPT,
    Gate,
    Keep,
    accounts,
    add,
    add_async,
    begun,
    chain,
    endless,
    even,
    nothing_passes,
    numbers,
    pairs,
    pairs_async,
    ran,
    silent,
)


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    KEPT.clear()


def test_books_of_steps() -> None:
    report = ran(chain(add, even, pairs))
    assert [(s.step, s.arrived, s.filtered, s.failed) for s in report.steps] == [
        ("add", 10, 0, 0),
        ("even", 10, 5, 0),
        ("pairs", 5, 0, 0),
    ]
    assert report.steps[0].mean_s is not None
    assert accounts(report)["n→s"] == {"done": 5, "filtered": 5}


NOW = ManualClock()
"""What calls of the following code take."""


def takes(ns: int) -> Callable[[Any], Any]:
    def work(item: Any) -> Any:
        NOW.advance(ns=ns)
        return item

    return work


def flat(upstream: Iterator[Any]) -> Iterator[Any]:
    for item in upstream:
        NOW.advance(ns=5)
        yield item
        NOW.advance(ns=50)
        yield item


def slow_pairs(upstream: Iterator[Any]) -> Iterator[Any]:
    for pair in pairs(upstream):
        NOW.advance(ns=7)
        yield pair


async def flat_async(upstream: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for item in upstream:
        for each in flat(iter([item])):
            yield each


async def slow_pairs_async(upstream: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for pair in pairs_async(upstream):
        NOW.advance(ns=7)
        yield pair


@pytest.mark.parametrize("generators", [(flat, slow_pairs), (flat_async, slow_pairs_async)])
def test_a_generator_is_timed_without_what_comes_behind_it(generators: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (generators_of_a_strand, parts_in_a_run):
        monkeypatch.setattr(module, "perf_counter_ns", NOW)
    steps = [Use(takes, ns=1000), generators[0], Use(takes, ns=300), generators[1], Use(takes, ns=100)]
    chains = begun(chain(*steps, source=endless))
    while any(step.mean_s is None for step in chains.report().steps):
        chains.step(0.01)
    chains.drain()
    while chains.step():
        pass
    longest = [round(step.max_s or 0, 12) for step in chains.finish().steps]
    assert [*longest[:3], longest[4]] == [1e-6, 5e-9, 3e-7, 1e-7]
    assert longest[3] in (0.0, 7e-9)  # it asked for another one, or gave a pair


def then_open(n: int = 10) -> Iterator[int]:
    Gate.opened.clear()
    Gate.reached.clear()
    yield 0
    Gate.reached.wait(20)
    yield from range(1, n)
    Gate.opened.set()


def gated(when_full: str, n: int = 5000) -> RunReport:
    pipeline = Pipeline(
        sources={"n": Source(then_open, n=n)},
        stages={"s": Steps(Gate, source="n", when_full=when_full)},
        sinks={"out": SinkEntry(Keep, source="s")},
    )
    return ran(pipeline)


@pytest.mark.parametrize("when_full", ["drop_newest", "drop_oldest", "sample"])
def test_what_has_no_room_is_counted(when_full: str) -> None:
    report = gated(when_full)
    given = KEPT["out"]
    assert accounts(report)["n→s"] == {"done": len(given), "dropped": 5000 - len(given)}
    assert given == sorted(given)
    assert 0 < len(given) < 2100
    if when_full == "drop_newest":
        assert given == list(range(len(given)))
    else:
        assert given[-1] >= 4990
    if when_full == "sample":
        steps = np.diff(given[-400:])
        assert steps.max() <= 2 * steps.min() + 2


def quiet(chains: ChainsRun) -> None:
    """Wait until nobody has anything to do."""
    while not chains._net.is_quiet:
        chains.step(0.01)


@pytest.mark.parametrize("steps", [[add], [add_async], [pairs], [nothing_passes]])
def test_news_come_to_the_books_though_nobody_looks(steps: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.engines.chains.QUIET_S", 1000.0)
    given: queue.Queue[int] = queue.Queue()

    def asked(n: int = 0) -> Iterator[int]:
        while (item := given.get()) >= 0:
            yield item

    chains = begun_with(chain(*steps, source=asked, run_in="thread"), given)
    for number in range(2, 5):
        quiet(chains)
        given.put(number)
        while chains.report().edge("n", "s").arrived < number:
            chains.step()
    given.put(-1)
    while chains.step():
        pass
    assert chains.finish().outcome == "finished"


def begun_with(pipeline: Pipeline, given: "queue.Queue[int]") -> ChainsRun:
    given.put(1)
    return begun(pipeline)


@pytest.mark.parametrize("source", [silent, None])
def test_who_has_nothing_to_do_uses_no_processor(source: Any) -> None:
    over = threading.Event()

    def waits(n: int = 0) -> Iterator[int]:
        yield 1
        over.wait()

    chains = begun(chain(add, pairs, source=source or waits))
    quiet(chains)
    until_s, used_s, turns = time.monotonic() + 2.0, time.process_time(), 0
    while time.monotonic() < until_s:
        chains.step()
        turns += 1
    used_s = time.process_time() - used_s
    over.set()
    chains.drain()
    while chains.step():
        pass
    chains.finish()
    assert used_s < 0.1  # 5 % of one core; 0.03 % was measured
    assert turns < 10


def one_of_three(item: int) -> int | None:
    return None if item % 3 == 0 else item


def seven_breaks(item: int) -> int:
    if item % 7 == 0:
        raise ValueError(item)
    return item


def test_books_add_up_whenever_they_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    news = parts_in_a_run.Run.news

    def watched(run: parts_in_a_run.Run) -> tuple[list[int], list[int]]:
        grown = news(run)
        seen.append(min(grown[0] + grown[1]))
        return grown

    monkeypatch.setattr(parts_in_a_run.Run, "news", watched)
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        chains = begun(chain(one_of_three, seven_breaks, add, source=numbers, n=60_000, on_error="skip"))
        while not chains._net.is_over:
            chains._net.strands[0].books.put()  # as another thread does that thinks that it waits
            assert chains.report().adds_up
        chains.step()
    finally:
        sys.setswitchinterval(interval_s)
    report = chains.finish()
    assert min(seen) == 0
    given = [n for n in range(60_000) if n % 3 and n % 7]
    assert len(KEPT["out"]) == len(given)
    assert [(s.arrived, s.filtered, s.failed) for s in report.steps] == [
        (60_000, 20_000, 0), (40_000, 0, 40_000 - len(given)), (len(given), 0, 0),
    ]  # fmt: skip
    assert accounts(report)["n→s"] == {"done": len(given), "filtered": 20_000, "failed": 40_000 - len(given)}


def test_an_item_under_way_is_in_no_account() -> None:
    run: list[ChainsRun] = []
    begins = threading.Event()
    found: dict[int, RunReport] = {}

    def look(item: int) -> None:
        run[0]._net.strands[0].books.put()
        found[item] = run[0].report()

    def look_from_elsewhere(item: int) -> int:
        begins.wait(20)
        other = threading.Thread(target=look, args=(item,))
        other.start()
        other.join()
        return item

    run.append(ChainsRun(chain(one_of_three, look_from_elsewhere, seven_breaks, n=50, on_error="skip").plan()))
    run[0].open()
    begins.set()
    while run[0].step():
        pass
    run[0].finish()
    assert list(found) == [n for n in range(50) if n % 3]
    for item, report in found.items():
        threes = [n for n in range(item) if n % 3 == 0]
        sevens = [n for n in range(item) if n % 3 and n % 7 == 0]
        ended = {"done": item - len(threes) - len(sevens), "filtered": len(threes), "failed": len(sevens)}
        assert accounts(report)["n→s"] == {name: count for name, count in ended.items() if count}
        assert [(s.arrived, s.filtered, s.failed) for s in report.steps] == [
            (item, len(threes), 0), (item - len(threes), 0, 0), (item - len(threes), 0, len(sevens)),
        ]  # fmt: skip


def test_what_is_dropped_is_seen_while_the_run_goes_on() -> None:
    pipeline = Pipeline(
        sources={"n": Source(endless)},
        stages={"s": Steps(Gate, source="n", when_full="drop_newest")},
        sinks={"out": SinkEntry(Keep, source="s")},
    )
    Gate.opened.clear()
    chains = begun(pipeline)
    while not chains.report().edge("n", "s").accounts.get("dropped"):
        chains.step(0.01)
    edge = chains.report().edge("n", "s")
    assert edge.adds_up
    assert edge.loss == edge.accounts["dropped"]
    Gate.opened.set()
    chains.drain()
    while chains.step():
        pass
    assert chains.finish().adds_up
