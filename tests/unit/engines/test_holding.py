"""Chains that are held: what comes meanwhile waits and is counted, what waits can be given up, and nothing is lost."""

import asyncio
import queue
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from typing import Any

import pytest

from penstock.core.run import Outcome
from penstock.engines.chains import ChainsRun
from penstock.engines.inline import InlineRun
from penstock.errors import PenstockError, StateError
from penstock.monitor.report import EdgeReport, RunReport
from penstock.pipeline import Pipeline, Source, Steps
from penstock.pipeline.chains import CAPACITY
from penstock.testing import engine_cases as cases

GIVEN: "queue.SimpleQueue[int | None]" = queue.SimpleQueue()
KEPT: list[int] = []
OTHER: list[int] = []


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    while not GIVEN.empty():
        GIVEN.get()
    KEPT.clear()
    OTHER.clear()


def given() -> Iterator[int]:
    """Give whatever a test puts, until it puts nothing."""
    while (item := GIVEN.get()) is not None:
        yield item


async def given_async() -> AsyncIterator[int]:
    while (item := await asyncio.get_running_loop().run_in_executor(None, GIVEN.get)) is not None:
        yield item


class GivenLists:
    """An async source of many items at once."""

    in_chunks = True

    async def __aiter__(self) -> AsyncIterator[list[int]]:
        async for item in given_async():
            yield [item]


class GivenBuffer:
    """A source that is a buffer."""

    def put(self, item: int) -> None:
        raise NotImplementedError

    def get(self) -> int:
        if (item := GIVEN.get()) is None:
            raise StopIteration
        return item


def add(item: int) -> int:
    return item + 1


async def add_async(item: int) -> int:
    await asyncio.sleep(0)
    return item + 1


def pass_on(upstream: Iterator[int]) -> Iterator[int]:
    yield from upstream


async def pass_on_async(upstream: AsyncIterator[int]) -> AsyncIterator[int]:
    async for item in upstream:
        yield item


class Buffer:
    """Hand on what is put."""

    def __init__(self) -> None:
        self.items: queue.SimpleQueue[int] = queue.SimpleQueue()

    def put(self, item: int) -> None:
        self.items.put(item)

    def get(self) -> int:
        return self.items.get()

    def empty(self) -> bool:
        return self.items.empty()


def keep(item: int) -> None:
    KEPT.append(item)


def keep_other(item: int) -> None:
    OTHER.append(item)


def flow(source: Any, *steps: Any, **options: Any) -> ChainsRun:
    """Open a run of a source, a stage s and one fused behind it that keeps what comes."""
    pipeline = Pipeline(
        sources={"n": Source(source)}, stages={"s": Steps(*steps, source="n", **options), "k": Steps(keep, source="s")}
    )
    chains = ChainsRun(pipeline.plan())
    chains.open()
    return chains


def step_until(chains: ChainsRun, is_so: Callable[[], bool]) -> None:
    while not is_so():
        assert chains.step(0.01)


def ended(chains: ChainsRun) -> RunReport:
    while chains.step(0.05):
        pass
    report = chains.finish()
    assert report.adds_up
    assert all(edge.in_flight == 0 for edge in report.edges)
    return report


def edge(chains: ChainsRun, producer: str, consumer: str) -> EdgeReport:
    report = chains.report()
    assert report.adds_up
    return report.edge(producer, consumer)


def state(report: RunReport, name: str) -> tuple[str, str]:
    return next((each.state, each.why) for each in report.states if each.name == name)


def put(*items: int | None) -> None:
    for item in items:
        GIVEN.put(item)


SHAPES: dict[str, tuple[Any, list[Any]]] = {
    "functions": (given, [add]),
    "a generator": (given, [pass_on, add]),
    "functions behind a generator": (given, [add, pass_on]),
    "a source that is a buffer": (GivenBuffer, [add]),
    "a coroutine": (given_async, [add_async]),
    "functions behind a source of lists": (GivenLists, [add]),
    "an async generator": (given_async, [pass_on_async, add]),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["n", "k"])
def test_what_comes_to_a_loop_that_is_held_waits(shape: str, name: str) -> None:
    source, steps = SHAPES[shape]
    chains = flow(source, *steps)
    put(*range(20))
    step_until(chains, lambda: len(KEPT) == 20)
    chains.hold(name)
    chains.hold(name)
    put(20, 21, 22)
    step_until(chains, lambda: edge(chains, "instrument", "n").in_flight == 1)
    step_until(chains, lambda: edge(chains, "instrument", "n").arrived >= 21)
    for _ in range(3):
        chains.step(0.02)
    found = edge(chains, "instrument", "n")
    assert (found.arrived, found.accounts, found.in_flight) == (21, {"done": 20}, 1)
    assert edge(chains, "n", "s").arrived == 20
    assert list(range(1, 21)) == KEPT
    chains.release(name)
    chains.release(name)
    step_until(chains, lambda: len(KEPT) == 23)
    put(None)
    report = ended(chains)
    assert report.outcome == "finished"
    assert report.edge("instrument", "n").accounts == {"done": 23}
    assert list(range(1, 24)) == KEPT


def test_a_held_source_shows_who_holds_it() -> None:
    chains = flow(given, add)
    assert chains.report().states[0].kind == "pipeline"
    put(1)
    step_until(chains, lambda: len(KEPT) == 1)
    chains.hold("s")
    step_until(chains, lambda: state(chains.report(), "n") == ("waiting", "held by stage s"))
    assert state(chains.report(), "s") == ("waiting", "held")
    assert state(chains.report(), "k") == ("waiting", "held by stage s")
    chains.hold("n")
    assert state(chains.report(), "n") == ("waiting", "held")
    chains.release("s")
    assert state(chains.report(), "s") == ("waiting", "held by source n")
    put(2)
    step_until(chains, lambda: edge(chains, "instrument", "n").in_flight == 1)
    assert KEPT == [2]
    chains.release("")
    put(None)
    ended(chains)
    assert KEPT == [2, 3]


@pytest.mark.parametrize("steps", [[add], [add, pass_on], [pass_on, add], [add_async], [pass_on_async, add]])
def test_a_held_stage_takes_nothing_from_its_edge_and_others_go_on(steps: list[Any]) -> None:
    stages = {
        "s": Steps(*steps, source="n"), "k": Steps(keep, source="s"), "o": Steps(keep_other, source="n"),
    }  # fmt: skip
    chains = ChainsRun(Pipeline(sources={"n": Source(given)}, stages=stages).plan())
    chains.open()
    put(*range(5))
    step_until(chains, lambda: len(KEPT) == 5)
    chains.hold("s")
    put(*range(5, 50))
    step_until(chains, lambda: len(OTHER) == 50)
    step_until(chains, lambda: edge(chains, "n", "s").arrived == 50)
    step_until(chains, lambda: edge(chains, "n", "s").accounts.get("done", 0) >= 4)  # a generator may have the fifth
    found = edge(chains, "n", "s")
    assert (found.accounts["done"], found.in_flight) in {(5, 45), (4, 46)}
    assert len(KEPT) == 5
    assert state(chains.report(), "s") == ("waiting", "held")
    chains.release("s")
    step_until(chains, lambda: len(KEPT) == 50)
    put(None)
    report = ended(chains)
    assert report.edge("n", "s").accounts == {"done": 50}
    assert list(range(1, 51)) == KEPT


def test_a_full_edge_before_a_held_stage_stops_its_source() -> None:
    def endless() -> Iterator[int]:
        yield from count()

    chains = flow(endless, add, run_in="thread")
    step_until(chains, lambda: len(KEPT) > 2 * CAPACITY)
    chains.hold("s")
    step_until(chains, lambda: edge(chains, "n", "s").waiting >= CAPACITY)
    kept = len(KEPT)
    for _ in range(3):
        chains.step(0.02)
    found = edge(chains, "n", "s")
    assert len(KEPT) == kept
    assert found.arrived == kept + found.in_flight
    assert found.in_flight <= CAPACITY + 1024  # what it had in its hands went back
    chains.drain()
    report = ended(chains)
    assert list(range(1, len(KEPT) + 1)) == KEPT
    assert report.edge("n", "s").accounts == {"done": len(KEPT)}


def test_a_run_may_begin_held() -> None:
    pipeline = Pipeline(
        sources={"n": Source(given)}, stages={"s": Steps(add, source="n"), "k": Steps(keep, source="s")}
    )
    chains = ChainsRun(pipeline.plan(), is_held=True)
    chains.open()
    put(1, None)
    for _ in range(3):
        chains.step(0.02)
    assert edge(chains, "instrument", "n").arrived == 0
    assert GIVEN.qsize() == 2, "nothing was read"
    assert state(chains.report(), pipeline.plan().name) == ("waiting", "held")
    chains.release("")
    ended(chains)
    assert KEPT == [2]


# Ends


@pytest.mark.parametrize("outcome", [None, Outcome.ABORTED, Outcome.INCOMPLETE])
def test_what_is_held_comes_out_when_it_is_drained(outcome: Outcome | None) -> None:
    chains = flow(given, add)
    put(1)
    step_until(chains, lambda: len(KEPT) == 1)
    chains.hold("")
    put(2, 3)
    step_until(chains, lambda: edge(chains, "instrument", "n").in_flight == 1)
    chains.drain("enough", outcome=outcome)
    with pytest.raises(StateError, match="is ending"):
        chains.hold("")
    report = ended(chains)
    assert KEPT == [2, 3]
    assert report.edge("instrument", "n").accounts == {"done": 2}
    assert report.outcome == (outcome or "finished")
    assert report.reasons == ([] if outcome is None else ["enough"])
    assert {each.state for each in report.states} == {"stopped"}


@pytest.mark.parametrize("shape", ["functions", "a coroutine"])
def test_what_is_held_is_given_up_and_counted_when_it_is_aborted(shape: str) -> None:
    source, steps = SHAPES[shape]
    chains = flow(source, *steps)
    put(1)
    step_until(chains, lambda: len(KEPT) == 1)
    chains.hold("n")
    put(2)
    step_until(chains, lambda: edge(chains, "instrument", "n").in_flight == 1)
    chains.abort()
    put(None)
    report = chains.finish()
    assert report.adds_up
    assert KEPT == [2]
    assert report.edge("instrument", "n").accounts == {"done": 1, "aborted": 1}
    assert report.outcome == "aborted"


def test_who_is_held_is_not_silent() -> None:
    pipeline = Pipeline(sources={"n": Source(given)}, stages={"k": Steps(keep, source="n")})
    chains = ChainsRun(pipeline.plan(), silent_s=0.2)
    chains.open()
    put(1)
    step_until(chains, lambda: edge(chains, "instrument", "n").arrived == 1)
    chains.hold("n")
    for _ in range(20):
        assert chains.step(0.02)
    chains.release("n")
    step_until(chains, lambda: bool(chains.state.reasons))
    put(None)
    report = ended(chains)
    assert report.reasons[0] == "nothing has arrived for 0.2 s"


# Giving up what waits


def test_discarding_gives_up_what_lies_on_edges() -> None:
    chains = flow(given, add, run_in="thread")
    put(*range(3))
    step_until(chains, lambda: len(KEPT) == 3)
    chains.hold("s")
    put(*range(3, 30))
    step_until(chains, lambda: edge(chains, "n", "s").arrived == 30)
    told: list[int] = []
    chains.discard(told.append)
    step_until(chains, lambda: bool(told))
    assert told == [27]
    found = edge(chains, "n", "s")
    assert (found.accounts, found.in_flight) == ({"done": 3, "aborted": 27}, 0)
    assert found.remarks == ["aborted: discarded on request"]
    chains.discard(told.append)
    step_until(chains, lambda: len(told) == 2)
    assert told == [27, 0]
    chains.release("s")
    put(30, None)
    report = ended(chains)
    assert KEPT == [1, 2, 3, 31]
    assert report.edge("n", "s").accounts == {"done": 4, "aborted": 27}


def test_discarding_waits_for_what_a_held_strand_has_in_its_hands() -> None:
    """Stop, and discard at once: what has been taken from the edge and not begun goes, too."""
    gate: queue.SimpleQueue[None] = queue.SimpleQueue()

    def slowly(item: int) -> int:
        gate.get()
        return item

    chains = flow(given, slowly, run_in="thread")
    put(*range(10))
    step_until(chains, lambda: edge(chains, "n", "s").in_flight == 10 and edge(chains, "n", "s").waiting < 10)
    chains.hold("")
    told: list[int] = []
    chains.discard(told.append)
    for _ in range(10):
        gate.put(None)
    step_until(chains, lambda: bool(told))
    assert told[0] + len(KEPT) == 10
    assert len(KEPT) < 10, "it was held"
    step_until(chains, lambda: edge(chains, "n", "s").in_flight == 0)
    chains.release("")
    put(None)
    report = ended(chains)
    assert report.edge("n", "s").accounts == {"done": len(KEPT), "aborted": told[0]}


@pytest.mark.parametrize("step", [add, add_async])
@pytest.mark.parametrize("held", ["s", "k", ""])
def test_discarding_gives_up_what_no_worker_has_begun(step: Any, held: str) -> None:
    chains = flow(given, step, workers=2)
    put(*range(3))
    step_until(chains, lambda: len(KEPT) == 3)
    chains.hold(held)
    put(*range(3, 200))
    step_until(chains, lambda: edge(chains, "n", "s").arrived == 200 if held else GIVEN.qsize() < 197)
    told: list[int] = []
    chains.discard(told.append)
    step_until(chains, lambda: bool(told))
    chains.release("")
    put(200, None)
    report = ended(chains)
    if held == "s":
        assert told == [197]
    accounts = dict(report.edge("n", "s").accounts)
    assert accounts.pop("aborted", 0) == told[0]
    assert accounts == {"done": len(KEPT)}
    assert sorted(KEPT) == KEPT
    assert KEPT[-1] == 201


def test_a_run_that_ends_says_what_was_discarded() -> None:
    chains = flow(given, add)
    told: list[int] = []
    put(None)
    while chains.step(0.05):
        pass
    chains.discard(told.append)
    chains.finish()
    assert told == [0]


# Names, and the other engine


def test_nobody_is_held_who_is_not_there() -> None:
    chains = flow(given, add)
    for call in (chains.hold, chains.release):
        with pytest.raises(PenstockError, match="no source or stage is called 'x'; there are n, s, k"):
            call("x")
    put(None)
    ended(chains)


def test_the_inline_engine_takes_no_commands_and_shows_states() -> None:
    pipeline = Pipeline(sources={"a": Source(cases.Frames, n=3)}, stages={"s": Steps("count", source="a")})
    inline = InlineRun(pipeline.plan())
    calls: list[Callable[[], None]] = [
        lambda: inline.hold(""), lambda: inline.release(""), lambda: inline.discard(OTHER.append),
        lambda: inline.restart("s-0"),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(PenstockError, match="has one thread and takes no commands; use chains or local"):
            call()
    inline.open()
    while inline.step():
        pass
    running = inline.report()
    assert [(each.kind, each.name) for each in running.states[1:]] == [("source", "a"), ("stage", "s")]
    assert [each.state for each in running.states[1:]] == ["stopped", "processing"]
    assert {each.state for each in inline.finish().states} == {"stopped"}
