"""The chains engine: every shape of code, branches, merges, and what is no chain."""

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from penstock.elements.sink import Written
from penstock.engines.chains import run
from penstock.errors import NotBuiltYetError
from penstock.pipeline import Merge, Pipeline, Source, Steps, Use
from penstock.pipeline import Sink as SinkEntry
from tests.unit.engines.chains_code import (
    ALL,
    KEPT,
    Keep,
    KeepSlowly,
    ListsAsync,
    Slow,
    accounts,
    add,
    add_async,
    as_it_is,
    begun,
    chain,
    endless,
    even,
    numbers,
    numbers_async,
    pairs,
    pairs_async,
    ran,
    silent,
)


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    KEPT.clear()


class KeepThreads(Keep):
    """Say in which thread each item was written."""

    def write(self, item: Any) -> None:
        super().write((item, threading.get_ident()))


def doubled(upstream: Iterator[Any]) -> Iterator[Any]:
    for item in upstream:
        yield item
        yield item


def adder(n: int) -> Callable[[int], int]:
    return lambda item: item + n


class Adder:
    def __init__(self, n: int) -> None:
        self.n = n

    def __call__(self, item: int) -> int:
        return item + self.n


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


def test_a_buffer_is_a_source() -> None:
    class Filled(queue.Queue[int]):
        def __init__(self, n: int) -> None:
            super().__init__()
            self.left = iter(range(n))

        def get(self, *_: Any) -> int:
            return next(self.left)

    assert ran(chain(add, source=Filled, n=3)).outcome == "finished"
    assert KEPT["out"] == [1, 2, 3]


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
