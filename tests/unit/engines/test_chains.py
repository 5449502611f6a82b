"""The chains engine: every shape of code, branches, merges, books and ends."""

import asyncio
import queue
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from itertools import count, islice
from typing import Any

import numpy as np
import pytest

from penstock.elements import RunFacts, Sink
from penstock.elements.sink import Written
from penstock.engines.chains import ChainsRun, run
from penstock.errors import NotBuiltYetError
from penstock.monitor.report import RunReport
from penstock.pipeline import Merge, Pipeline, Source, Steps, Use
from penstock.pipeline import Sink as SinkEntry
from penstock.services.strands import generators as generators_of_a_strand
from penstock.services.strands import run as parts_in_a_run
from penstock.testing import ManualClock

KEPT: dict[str, list[Any]] = {}


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    KEPT.clear()


class Keep(Sink):
    """Keep what comes, by the sink's name."""

    def open(self, run: RunFacts) -> None:
        self.kept = KEPT.setdefault(run.sink, [])

    def write(self, item: Any) -> None:
        self.kept.append(item)

    def close(self, ended_well: bool, outcome: str = "") -> None:
        KEPT[f"{id(self)}"] = [ended_well, outcome]


class KeepSlowly(Keep):
    """Have a thread of its own."""

    may_wait = True


class KeepThreads(Keep):
    """Say in which thread each item was written."""

    def write(self, item: Any) -> None:
        super().write((item, threading.get_ident()))


class Refuse(Keep):
    """A full disk."""

    def write(self, item: Any) -> None:
        if item == 3:
            raise OSError("no space left on device")
        super().write(item)


def numbers(n: int = 10) -> Iterator[int]:
    yield from range(n)


async def numbers_async(n: int = 10) -> AsyncIterator[int]:
    for number in range(n):
        await asyncio.sleep(0)
        yield number


class ListsAsync:
    """Give numbers as lists, one of them empty and one no list."""

    in_chunks = True

    def __init__(self, n: int = 10) -> None:
        self._n = n

    async def __aiter__(self) -> AsyncIterator[Any]:
        for chunk in ([0, 1, 2], [], iter([3]), list(range(4, 10))):
            yield chunk


def chain(*steps: Any, source: Any = numbers, n: int = 10, sink: Any = Keep, **options: Any) -> Pipeline:
    return Pipeline(
        sources={"n": Source(source, n=n)},
        stages={"s": Steps(*steps, source="n", **options)},
        sinks={"out": SinkEntry(sink, source="s")},
    )


def ran(pipeline: Pipeline, **options: Any) -> RunReport:
    report = run(pipeline.plan(), **options)
    assert report.adds_up
    assert all(edge.in_flight == 0 for edge in report.edges)
    return report


def accounts(report: RunReport) -> Mapping[str, Mapping[str, int]]:
    return {f"{edge.producer}→{edge.consumer}": edge.accounts for edge in report.edges}


# Shapes


def add(item: int, n: int = 1) -> int:
    return item + n


async def add_async(item: int, n: int = 1) -> int:
    await asyncio.sleep(0)
    return item + n


def even(item: int) -> int | None:
    return item if item % 2 == 0 else None


def pairs(upstream: Iterator[Any], n: int = 2) -> Iterator[list[Any]]:
    while pair := list(islice(upstream, n)):
        yield pair


async def pairs_async(upstream: AsyncIterator[Any], n: int = 2) -> AsyncIterator[list[Any]]:
    pair: list[Any] = []
    async for item in upstream:
        pair.append(item)
        if len(pair) == n:
            yield pair
            pair = []
    if pair:
        yield pair


def doubled(upstream: Iterator[Any]) -> Iterator[Any]:
    for item in upstream:
        yield item
        yield item


class Slow:
    """A buffer with an end of its own: it gives all there is at the end only."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.ended = asyncio.Event()

    def put(self, item: Any) -> None:
        self.items.append(item)

    def end(self) -> None:
        self.ended.set()

    async def get(self) -> Any:
        await self.ended.wait()
        if not self.items:
            raise StopAsyncIteration
        return self.items.pop(0)


def adder(n: int) -> Callable[[int], int]:
    return lambda item: item + n


class Adder:
    def __init__(self, n: int) -> None:
        self.n = n

    def __call__(self, item: int) -> int:
        return item + self.n


ALL = list(range(10))
CASES = [
    ([add], [n + 1 for n in ALL]),
    ([Use(add, n=5)], [n + 5 for n in ALL]),
    ([add_async], [n + 1 for n in ALL]),
    ([Use(adder, n=2)], [n + 2 for n in ALL]),
    ([Use(Adder, n=2)], [n + 2 for n in ALL]),
    ([even, add], [1, 3, 5, 7, 9]),
    ([pairs], [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]),
    ([Use(pairs, n=4), len], [4, 4, 2]),
    ([Use(pairs_async, n=4), len], [4, 4, 2]),
    ([doubled, add_async, Use(pairs, n=20), len], [20]),
    ([add_async, pairs, Use(pairs_async, n=2), len], [2, 2, 1]),
    ([Use(asyncio.Queue, maxsize=2), add], [n + 1 for n in ALL]),
    ([Use(queue.Queue, maxsize=2), add_async], [n + 1 for n in ALL]),
    ([even, Slow, add], [1, 3, 5, 7, 9]),
]


@pytest.mark.parametrize("source", [numbers, numbers_async, ListsAsync])
@pytest.mark.parametrize(("steps", "given"), CASES)
def test_every_shape_of_step(source: Any, steps: list[Any], given: list[Any]) -> None:
    report = ran(chain(*steps, source=source))
    assert KEPT["out"] == given
    assert report.outcome == "finished"
    assert report.exit_code == 0
    assert accounts(report)["instrument→n"] == {"done": 10}
    assert sum(accounts(report)["n→s"].values()) == 10
    assert accounts(report)["s→out"] == {"done": len(given)}


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


def test_a_buffer_is_a_source() -> None:
    class Filled(queue.Queue[int]):
        def __init__(self, n: int) -> None:
            super().__init__()
            self.left = iter(range(n))

        def get(self, *_: Any) -> int:
            return next(self.left)

    assert ran(chain(add, source=Filled, n=3)).outcome == "finished"
    assert KEPT["out"] == [1, 2, 3]


# Branches and merges


def spoil(item: dict[str, Any]) -> dict[str, Any]:
    item["tags"].append("spoilt")
    return item


def fill(item: dict[str, Any]) -> dict[str, Any]:
    item["image"][:] = 7
    return item


async def add_async_to_each(items: list[int]) -> list[int]:
    return [await add_async(item) for item in items]


def images(n: int = 3) -> Iterator[dict[str, Any]]:
    for number in range(n):
        yield {"image": np.full(2, number), "tags": [number]}


def as_it_is(item: Any) -> Any:
    return item


def branched(*steps: Any, source: Any = images, **options: Any) -> Pipeline:
    return Pipeline(
        sources={"n": Source(source)},
        stages={"a": Steps(*steps, source="n", **options), "b": Steps(as_it_is, source="n")},
        sinks={"a_out": SinkEntry(Keep, source="a"), "b_out": SinkEntry(Keep, source="b")},
    )


def test_branches_do_not_see_what_others_change() -> None:
    report = ran(branched(spoil))
    assert report.outcome == "finished"
    assert [item["tags"] for item in KEPT["a_out"]] == [[n, "spoilt"] for n in range(3)]
    assert [item["tags"] for item in KEPT["b_out"]] == [[n] for n in range(3)]


def test_a_branch_may_have_a_buffer() -> None:
    report = ran(branched(add, Slow, add, source=numbers))
    assert report.outcome == "finished"
    assert KEPT["a_out"] == [n + 2 for n in ALL]
    assert KEPT["b_out"] == ALL


def test_branches_cannot_write_into_each_others_arrays() -> None:
    report = ran(branched(fill))
    assert report.outcome == "failed"
    assert "assignment destination is read-only" in report.reasons[0]
    assert [item["image"].tolist() for item in KEPT["b_out"]][:1] == [[0, 0]]


def test_a_sink_of_a_merge_is_written_by_one_thread() -> None:
    pipeline = Pipeline(
        sources={name: Source(numbers, n=2000) for name in "ab"},
        events={"both": Merge("a", "b")},
        sinks={"out": SinkEntry(KeepThreads, source="both")},
    )
    report = ran(pipeline)
    assert len({thread for _, thread in KEPT["out"]}) == 1
    assert sorted(item for item, _ in KEPT["out"]) == sorted([*range(2000)] * 2)
    assert accounts(report)["both→out"] == {"done": 4000}


@pytest.mark.parametrize("source", [numbers, numbers_async])
def test_a_merge_has_everything_of_everybody(source: Any) -> None:
    pipeline = Pipeline(
        sources={"a": Source(source, n=2000), "b": Source(source, n=3000)},
        events={"both": Merge("a", "b")},
        stages={"s": Steps(add, source="both"), "t": Steps(add, add, source="both")},
        sinks={"out": SinkEntry(Keep, source="s"), "other": SinkEntry(KeepSlowly, source="t")},
    )
    report = ran(pipeline)
    assert sorted(KEPT["out"]) == sorted([*range(1, 2001), *range(1, 3001)])
    assert sorted(KEPT["other"]) == sorted([*range(2, 2002), *range(2, 3002)])
    assert accounts(report) == {
        "instrument→a": {"done": 2000},
        "instrument→b": {"done": 3000},
        "both→s": {"done": 5000},
        "both→t": {"done": 5000},
        "s→out": {"done": 5000},
        "t→other": {"done": 5000},
        "a→both": {"done": 2000},
        "b→both": {"done": 3000},
    }


def test_order_is_kept_over_edges() -> None:
    pipeline = Pipeline(
        sources={"n": Source(numbers, n=20_000)},
        stages={
            "a": Steps(add, source="n"),
            "b": Steps(add_async, source="a", run_in="thread"),
            "c": Steps(add, source="b", run_in="thread"),
        },
        sinks={"out": SinkEntry(KeepSlowly, source="c")},
    )
    ran(pipeline)
    assert KEPT["out"] == list(range(3, 20_003))


@pytest.mark.parametrize("steps", [[pairs, add_async_to_each], [add_async, pairs], [asyncio.Queue, as_it_is]])
def test_a_stage_behind_an_edge_may_be_cut_too(steps: list[Any]) -> None:
    report = ran(chain(*steps, source=numbers, run_in="thread", n=3000))
    assert report.outcome == "finished"
    assert len(KEPT["out"]) == (3000 if as_it_is in steps else 1500)


# No room


class Gate:
    """Let the first item pass when everything else has come."""

    opened = threading.Event()
    reached = threading.Event()

    def __call__(self, item: int) -> int:
        self.reached.set()
        self.opened.wait(20)
        return item


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


# Errors


def odd_is_wrong(item: int) -> int:
    if item % 2:
        raise ValueError(f"{item} is odd")
    return item


async def odd_is_wrong_async(item: int) -> int:
    await asyncio.sleep(0)
    return odd_is_wrong(item)


def odd_breaks(upstream: Iterator[int]) -> Iterator[int]:
    for item in upstream:
        yield odd_is_wrong(item)


async def odd_breaks_async(upstream: AsyncIterator[int]) -> AsyncIterator[int]:
    async for item in upstream:
        yield odd_is_wrong(item)


WRONG = [odd_is_wrong, odd_is_wrong_async, odd_breaks, odd_breaks_async]


@pytest.mark.parametrize("step", WRONG)
@pytest.mark.parametrize("source", [numbers, numbers_async, ListsAsync])
@pytest.mark.parametrize(("on_error", "account"), [("skip", "failed"), ("dead_letter", "dead-lettered")])
def test_an_item_that_fails_is_given_up(source: Any, step: Any, on_error: str, account: str) -> None:
    report = ran(chain(add, step, add, source=source, on_error=on_error))
    assert KEPT["out"] == [3, 5, 7, 9, 11]
    assert accounts(report)["n→s"] == {"done": 5, account: 5}
    assert report.outcome == "finished"
    assert report.exit_code == (3 if account == "dead-lettered" else 0)
    assert "ValueError: 1 is odd" in str(report.failures[0]["cause"])


@pytest.mark.parametrize("step", WRONG)
@pytest.mark.parametrize("source", [numbers, numbers_async, ListsAsync])
def test_an_error_ends_the_run(source: Any, step: Any) -> None:
    report = ran(chain(step, source=source))
    assert report.outcome == "failed"
    assert report.exit_code == 1
    assert "stage s: " in report.reasons[0]
    assert "ValueError: 1 is odd" in report.reasons[0]
    assert KEPT["out"] == [0]
    assert accounts(report)["n→s"]["failed"] == 1


@pytest.mark.parametrize("is_async", [False, True])
def test_what_fails_now_may_work_later(is_async: bool) -> None:
    tries: dict[int, int] = {}

    def flaky(item: int) -> int:
        tries[item] = tries.get(item, 0) + 1
        if tries[item] < 3 and item == 2:
            raise OSError("busy")
        return item

    async def flaky_async(item: int) -> int:
        return flaky(item)

    report = ran(chain(add, flaky_async if is_async else flaky, add, n=4, on_error="retry"))
    assert KEPT["out"] == [2, 3, 4, 5]
    assert tries[2] == 3
    assert accounts(report)["n→s"] == {"done": 4}


@pytest.mark.parametrize("sink", [Refuse, type("SlowRefuse", (Refuse,), {"may_wait": True})])
def test_a_sink_that_cannot_write_fails_the_run(sink: Any) -> None:
    report = ran(chain(add, sink=sink))
    assert report.outcome == "failed"
    assert report.reasons[0] == "out: OSError: no space left on device"
    assert KEPT["out"] == [1, 2]
    assert accounts(report)["s→out"]["done"] == 2
    assert accounts(report)["s→out"]["failed"] == 1


@pytest.mark.parametrize("kind", ["plain", "async", "lists"])
def test_a_source_that_breaks_fails_the_run(kind: str) -> None:
    def broken(n: int) -> Iterator[int]:
        yield from range(n)
        raise OSError("the cable")

    async def broken_async(n: int) -> AsyncIterator[int]:
        for number in range(n):
            yield number
        raise OSError("the cable")

    class BrokenLists(ListsAsync):
        async def __aiter__(self) -> AsyncIterator[Any]:
            yield list(range(self._n))
            raise OSError("the cable")

    source = {"plain": broken, "async": broken_async, "lists": BrokenLists}[kind]
    for steps in ([add, pairs], [add]):
        report = ran(chain(*steps, source=source, n=3))
        assert report.outcome == "failed"
        assert report.reasons[0] == "source n: OSError: the cable"
        assert accounts(report)["instrument→n"] == {"done": 3}


# Ends


def endless(n: int = 0) -> Iterator[int]:
    yield from count()


async def endless_async(n: int = 0) -> AsyncIterator[int]:
    for number in count():
        yield number


class EndlessLists:
    """Give lists for ever."""

    in_chunks = True

    def __init__(self, n: int = 0) -> None:
        self._n = n

    async def __aiter__(self) -> AsyncIterator[list[int]]:
        for number in count():
            yield [number] * 100


async def silent(n: int = 0) -> AsyncIterator[int]:
    yield 1
    await asyncio.Event().wait()


def nothing(item: int) -> None: ...


def nothing_passes(upstream: Iterator[int]) -> Iterator[int]:
    for item in upstream:
        if item < 0:
            yield item


def begun(pipeline: Pipeline, **options: Any) -> ChainsRun:
    chains = ChainsRun(pipeline.plan(), **options)
    chains.open()
    while not any(edge.arrived for edge in chains.report().edges):
        chains.step(0.01)
    return chains


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


def test_parameters_change_while_it_runs() -> None:
    from penstock.elements.steps.threshold import Threshold

    chains = begun(chain(Use(Threshold, above=-1), source=endless))
    chains.set({"above": 1e12}, lambda _: None)
    before = len(KEPT["out"])
    while chains.report().steps[0].filtered == 0:
        chains.step(0.01)
    assert len(KEPT["out"]) >= before
    chains.drain()
    while chains.step():
        pass
    assert chains.finish().outcome == "aborted"


def test_what_is_no_chain_is_refused() -> None:
    pipeline = Pipeline(
        sources={"c": Source("contrast", connect="tcp://127.0.0.1:5557")}, stages={"s": Steps("count", source="c")}
    )
    with pytest.raises(NotBuiltYetError, match="c is an instrument; use --engine local"):
        run(pipeline.plan())


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


class Ticking:
    """Give back how often it was called between two items; the third tick lets the source go on."""

    go_on = threading.Event()
    tick_s = 0.01

    def __init__(self) -> None:
        self.ticks = 0

    def __call__(self, item: int) -> int:
        ticks, self.ticks = self.ticks, 0
        return ticks

    def tick(self, now: Any) -> None:
        self.ticks += 1
        if self.ticks >= 3:
            self.go_on.set()


class TickingAsync(Ticking):
    async def __call__(self, item: int) -> int:  # type: ignore[override]
        return super().__call__(item)


def waits(n: int) -> Iterator[int]:
    Ticking.go_on.clear()
    for number in range(n):
        yield number
        assert Ticking.go_on.wait(30)
        Ticking.go_on.clear()


@pytest.mark.parametrize("step", [Ticking, TickingAsync])
def test_steps_tick_while_nothing_comes(step: Any) -> None:
    ran(chain(step, source=waits, n=2, run_in="thread"))
    assert KEPT["out"][1] >= 3


def test_a_tick_that_raises_fails_the_run() -> None:
    class Broken(TickingAsync):
        def tick(self, now: Any) -> None:
            raise OSError("the clock")

    report = ran(chain(Broken, source=silent))
    assert report.outcome == "failed"
    assert "OSError: the clock" in report.reasons[0]


class KeepNumbered(Keep):
    """Take many at once; every third is there already, and 70 cannot be written."""

    takes_numbers = True

    def write_numbered(self, numbers: Any, items: Any) -> Written:
        if 70 in items:
            raise OSError("no space left on device")
        self.kept += zip(numbers.tolist(), items, strict=True)
        there = sum(number % 3 == 0 for number in numbers.tolist())
        return Written(done=len(numbers) - there, duplicates=there)


def test_a_sink_may_take_many_at_once() -> None:
    report = ran(chain(add, n=50, sink=KeepNumbered))
    assert KEPT["out"] == [(n, n) for n in range(1, 51)]
    assert accounts(report)["s→out"] == {"done": 34, "duplicate": 16}


def test_a_sink_that_takes_many_may_fail() -> None:
    report = ran(chain(add, n=100, sink=KeepNumbered))
    assert report.reasons[0] == "out: OSError: no space left on device"
    books = accounts(report)["s→out"]
    assert books["failed"] > 0
    assert sum(books.values()) == report.edge("s", "out").arrived


def an_instrument(n: int = 0) -> Any:
    from penstock.testing.engine_cases import Frames

    return Frames(n=3)


def test_a_function_that_makes_an_instrument_is_told_where_it_runs() -> None:
    report = run(chain(add, source=an_instrument).plan())
    assert report.outcome == "failed"
    assert report.reasons[0].startswith("source n: ")
    assert "makes Frames, which is an instrument; write --engine local" in report.reasons[0]
    assert not any(edge.remarks for edge in report.edges)


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


def raises_at_the_end(upstream: Iterator[int]) -> Iterator[int]:
    yield from upstream
    raise ValueError("what is left cannot be brought out")


async def raises_at_the_end_async(upstream: AsyncIterator[int]) -> AsyncIterator[int]:
    async for item in upstream:
        yield item
    raise ValueError("what is left cannot be brought out")


@pytest.mark.timeout(30)
@pytest.mark.parametrize("step", [raises_at_the_end, raises_at_the_end_async])
def test_a_generator_that_raises_without_taking_anything_is_not_made_anew_for_ever(step: Any) -> None:
    report = run(chain(step, on_error="skip").plan())
    assert report.outcome == "failed"
    assert report.reasons[0].endswith("what is left cannot be brought out; it had taken nothing since it was made")
    assert report.edge("n", "s").accounts == {"done": 9, "failed": 1}
