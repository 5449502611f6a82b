"""A chain of steps of any shape: what it gives for what it is fed, to whom that belongs, and what becomes of errors."""

import asyncio
import os
import queue
import select
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import pytest

from penstock.core import Account
from penstock.core.ledger import Entry
from penstock.core.parameter import Unit
from penstock.elements import clock
from penstock.elements.step import Step
from penstock.pipeline.plan import OnError
from penstock.services import generator_link
from penstock.services.fed import Fed
from penstock.services.numbered import given_rows
from penstock.services.pushed_chain import PushedChain, needs_pushing
from penstock.services.user_calls import UserCalls
from penstock.testing import ManualClock, shape_cases

LONGEST_S = 20.0


class Chain:
    """A chain, its books, and whatever it has given."""

    def __init__(self, *targets: Any, on_error: OnError = "fail", **arguments: Any) -> None:
        self.entry = Entry("scan", "st")
        self.calls = UserCalls("st", self.entry, on_error)
        self.steps = [Step(target, arguments if k == 0 else {}, stage="st") for k, target in enumerate(targets)]
        assert needs_pushing(self.steps)
        self.chain = PushedChain(self.steps, Fed((), self.calls), "st")
        self.next = 0

    def __enter__(self) -> "Chain":
        return self

    def __exit__(self, *_: object) -> None:
        self.chain.close()

    def feed(self, *items: Any) -> list[tuple[int, Any]]:
        """Return (number, value) of what came out."""
        self.entry.arrive(len(items))
        fed = Fed(range(self.next, self.next + len(items)), self.calls)
        self.next += len(items)
        rows = self.chain.feed([(fed, row, item) for row, item in enumerate(items)])
        fed.settle(given_rows(rows, fed), self.chain.mishaps.stop_of(fed))
        return _numbered(rows)

    def wait(self, n: int) -> list[Any]:
        """Return n values that come while nothing is fed."""
        found: list[Any] = []
        while len(found) < n:
            found += [value for _, value in self.late()]
        return found

    def late(self) -> list[tuple[int, Any]]:
        """Wait until something has happened; return what came of it."""
        assert self.chain.fd is not None
        assert select.select([self.chain.fd], [], [], LONGEST_S)[0]
        return _numbered(self.chain.late())

    def end(self) -> list[Any]:
        return [value for _, _, value in self.chain.end()]

    @property
    def accounts(self) -> dict[str, int]:
        return {account.label: self.entry[account] for account in Account if self.entry[account]}


def _numbered(rows: Any) -> list[tuple[int, Any]]:
    return [(fed.numbers[row] if len(fed.numbers) else -1, value) for fed, row, value in rows]


def test_functions_alone_need_no_pushing() -> None:
    assert not needs_pushing([Step(shape_cases.plus), Step(shape_cases.drop_threes)])


def test_coroutines_are_one_for_one() -> None:
    with Chain(shape_cases.drop_threes, shape_cases.awaited, shape_cases.plus) as chain:
        assert not chain.chain.renumbers
        assert chain.feed(1, 2, 3, 4) == [(0, 11), (1, 21), (3, 41)]
        assert chain.end() == []
        assert chain.accounts == {"done": 3, "filtered": 1}


def test_what_a_generator_gives_belongs_to_what_it_took_last() -> None:
    with Chain(shape_cases.pairs) as chain:
        assert chain.chain.renumbers
        assert chain.feed(1) == []
        assert chain.feed(2, 3) == [(1, (1, 2))]
        assert chain.feed() == []
        assert chain.feed(4, 5, 6, 7) == [(3, (3, 4)), (5, (5, 6))]
        assert _numbered(chain.chain.end()) == [(6, (7,))]
        assert chain.end() == []
        assert chain.accounts == {"done": 7}


def test_a_generator_runs_only_while_it_is_fed() -> None:
    seen: list[tuple[str, bool]] = []
    is_feeding = False

    def watched(upstream: Iterator[int]) -> Iterator[int]:
        seen.append(("begin", is_feeding))
        for item in upstream:
            seen.append(("item", is_feeding))
            yield item
        seen.append(("end", is_feeding))

    with Chain(watched) as chain:
        for item in range(50):
            is_feeding = True
            chain.feed(item)
            is_feeding = False
        is_feeding = True
        chain.end()
    assert all(fed for _, fed in seen)
    assert [what for what, _ in seen] == ["begin", *["item"] * 50, "end"]


def test_generators_that_give_without_taking_and_one_that_ends_early() -> None:
    def with_header(upstream: Iterator[int]) -> Iterator[Any]:
        yield "header"
        yield from upstream
        yield "footer"

    def first_two(upstream: Iterator[int]) -> Iterator[int]:
        for _, item in zip(range(2), upstream, strict=False):
            yield item

    with Chain(with_header) as chain:
        assert chain.feed(1) == [(0, "header"), (0, 1)]
        assert chain.end() == ["footer"]
    with Chain(with_header) as chain:
        assert chain.end() == ["header", "footer"]
    with Chain(first_two) as chain:
        assert chain.feed(1, 2, 3) == [(0, 1), (1, 2)]
        assert chain.feed(4) == []
        assert chain.end() == []
        assert chain.accounts == {"done": 2, "filtered": 2}


def test_a_generator_sees_what_is_before_it_ended_as_often_as_it_asks() -> None:
    def stubborn(upstream: Iterator[int]) -> Iterator[list[int]]:
        yield list(upstream)
        yield list(upstream)

    with Chain(stubborn) as chain:
        assert chain.feed(1, 2) == []
        assert chain.end() == [[1, 2], []]


@pytest.mark.parametrize("target", [shape_cases.pairs, shape_cases.Pairs, lambda: shape_cases.pairs])
def test_functions_objects_and_factories(target: Callable[..., Any]) -> None:
    with Chain(target) as chain:
        assert [value for _, value in chain.feed(1, 2)] == [(1, 2)]


def test_a_generator_with_other_parameters_is_made_anew_behind_its_rest() -> None:
    def summed(upstream: Iterator[int], *, times: Annotated[int, Unit("1")] = 1) -> Iterator[int]:
        total = 0
        for item in upstream:
            total += item
        yield times * total

    with Chain(summed) as chain:
        assert chain.feed(1, 2) == []
        chain.steps[0].apply(
            {"st.summed.times": 10} if chain.steps[0].parameters[0].address != "st.times" else {"st.times": 10}
        )
        assert chain.feed(3) == [(1, 3)]
        assert chain.end() == [30]


def test_a_generator_is_closed_where_it_waits() -> None:
    closed = threading.Event()

    def kept(upstream: Iterator[int]) -> Iterator[int]:
        try:
            yield from upstream
        finally:
            closed.set()

    async def kept_async(upstream: AsyncIterator[int]) -> AsyncIterator[int]:
        try:
            async for item in upstream:
                yield item
        finally:
            closed.set()

    for target in (kept, kept_async):
        with Chain(target) as chain:
            chain.feed(1)
        assert closed.is_set()
        closed.clear()


@pytest.mark.parametrize("is_async", [False, True])
def test_a_signal_is_heard_that_does_not_end_the_wait(is_async: bool) -> None:
    gate = threading.Event()

    def block() -> None:
        while sys._current_frames()[threading.main_thread().ident or 0].f_code is not threading.Condition.wait.__code__:
            os.sched_yield()
        # Another thread takes it here. One that comes as the wait begins is not heard of either.
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        gate.wait()

    def blocking(upstream: Iterator[int]) -> Iterator[int]:
        for item in upstream:
            block()
            yield item

    async def blocking_async(item: int) -> int:
        block()
        return item

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Chain(blocking_async if is_async else blocking) as chain:
            try:
                with pytest.raises(KeyboardInterrupt):
                    chain.feed(1)
            finally:
                gate.set()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_generator_that_blocks_does_not_keep_the_run_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator_link, "CLOSE_S", 0.05)
    gate, is_there = threading.Event(), threading.Event()

    def blocking(upstream: Iterator[int]) -> Iterator[int]:
        for item in upstream:
            is_there.set()
            gate.wait()
            yield item

    chain = Chain(blocking)
    feeding = threading.Thread(target=chain.feed, args=(1,))
    feeding.start()
    assert is_there.wait(LONGEST_S)
    chain.chain.close()
    gate.set()
    feeding.join()


@pytest.mark.parametrize("on_error", ["skip", "retry", "dead_letter"])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_generator_that_raises_is_made_anew(on_error: OnError, is_async: bool) -> None:
    async def refuse(upstream: AsyncIterator[int], number: int) -> AsyncIterator[int]:
        taken = 0
        async for item in upstream:
            taken += 1
            if item == number:
                raise ValueError(f"no {number}")
            yield taken

    with Chain(refuse if is_async else shape_cases.refuse, on_error=on_error, number=3) as chain:
        assert chain.feed(1, 2, 3, 4, 5) == [(0, 1), (1, 2), (3, 1), (4, 2)]
        assert chain.feed(3, 1) == [(6, 1)]
        assert chain.chain.mishaps.error is None
        assert chain.end() == []
    ended = "failed" if on_error == "skip" else "dead-lettered"
    assert chain.accounts == {"done": 5, ended: 2}
    assert [failure.event for failure in chain.calls.failures] == [2, 5]


def test_what_stands_before_an_error_still_comes_out() -> None:
    with Chain(shape_cases.refuse, shape_cases.awaited, number=3) as chain:
        assert chain.feed(1, 2, 3, 4) == [(0, 10), (1, 20)]
        assert str(chain.chain.mishaps.error) == "stage st, event 2: ValueError: no 3"
        assert isinstance(chain.chain.mishaps.error.__cause__, ValueError)  # type: ignore[union-attr]
    assert chain.accounts == {"done": 2, "failed": 1}
    assert chain.entry.in_flight == 1


def test_one_that_raises_before_it_takes_anything_ends_the_run() -> None:
    def broken(upstream: Iterator[int]) -> Iterator[int]:
        yield from ()
        raise OSError("no file")

    with Chain(broken, on_error="skip") as chain:
        assert chain.feed(1) == []
        assert str(chain.chain.mishaps.error) == "stage st: OSError: no file"


def test_an_item_fails_once_however_much_of_it_fails() -> None:
    def never(item: int) -> int:
        raise ValueError(item)

    with Chain(shape_cases.repeated, never, on_error="skip", times=3) as chain:
        assert chain.feed(1, 2) == []
    assert chain.accounts == {"failed": 2}
    assert len(chain.calls.failures) == 6


def test_coroutines_are_tried_again() -> None:
    tried: list[int] = []

    async def second_time(item: int) -> int:
        tried.append(item)
        if tried.count(item) < 2 or item == 2:
            raise ValueError(item)
        return item

    with Chain(second_time, on_error="retry") as chain:
        assert chain.feed(1, 2) == [(0, 1)]
    assert tried == [1, 1, 2, 2, 2]
    assert chain.accounts == {"done": 1, "dead-lettered": 1}


def test_an_async_generator_gives_something_while_nothing_comes() -> None:
    async def with_silence(upstream: AsyncIterator[int]) -> AsyncIterator[Any]:
        while True:
            try:
                yield await asyncio.wait_for(anext(upstream), 0.02)
            except TimeoutError:
                yield "silence"
            except StopAsyncIteration:
                return

    with Chain(with_silence) as chain:
        found = [value for _, value in chain.feed(1)]
        assert chain.wait(2) == ["silence", "silence"]
        found += [value for _, value in chain.feed(2)] + [value for _, value in chain.feed(3)]
        found += chain.end()
        assert [value for value in found if value != "silence"] == [1, 2, 3]
        assert chain.accounts == {"done": 3}


def test_an_async_generator_that_raises_while_nothing_comes_is_found_out() -> None:
    async def impatient(upstream: AsyncIterator[int]) -> AsyncIterator[int]:
        await anext(upstream)
        await asyncio.sleep(0.01)
        coming = asyncio.ensure_future(anext(upstream))
        await asyncio.wait([coming], timeout=0.05)
        if coming.cancel():
            raise TimeoutError("nothing came")
        yield 1

    with Chain(impatient) as chain:
        chain.feed(1)
        while chain.chain.mishaps.error is None:
            chain.late()
        assert str(chain.chain.mishaps.error) == "stage st, event 0: TimeoutError: nothing came"
    assert chain.accounts == {"done": 1}, "it was done before anything raised"


@pytest.mark.parametrize("target", [queue.Queue, asyncio.Queue, shape_cases.Held])
def test_what_is_put_into_a_buffer_comes_out_by_itself(target: Callable[..., Any]) -> None:
    with Chain(shape_cases.plus, target) as chain:
        found = [value for _, value in chain.feed(1, 2, 3)]
        found += chain.wait(3 - len(found))
        assert found == [2, 3, 4]
        found = [value for _, value in chain.feed(4)]
        assert [*found, *chain.end()] == [5]
        assert chain.accounts == {"done": 4}


def test_a_buffer_that_holds_everything_brings_it_out_at_the_end() -> None:
    with Chain(shape_cases.Queued, shape_cases.pairs) as chain:
        assert chain.feed(1, 2, 3) == []
        assert chain.end() == [(1, 2), (3,)]


def test_a_buffer_without_end_or_empty_is_read_until_it_is_quiet() -> None:
    class Plain:
        def __init__(self) -> None:
            self.items: list[int] = []

        def put(self, item: int) -> None:
            self.items.append(item)

        def get(self) -> int | None:
            return self.items.pop(0) if self.items else None

    with Chain(Plain) as chain:
        found = [value for _, value in chain.feed(*range(100))]
        assert found + chain.end() == list(range(100))


def test_a_bounded_buffer_that_blocks_goes_on() -> None:
    with Chain(lambda: queue.Queue(2)) as chain:
        found = [value for _, value in chain.feed(*range(3000))]
        assert found + chain.end() == list(range(3000))
    with Chain(lambda: asyncio.Queue(2)) as chain:
        found = [value for _, value in chain.feed(*range(3000))]
        assert found + chain.end() == list(range(3000))


@pytest.mark.parametrize("is_async", [False, True])
def test_a_buffer_that_always_has_something_is_not_asked_without_an_end(is_async: bool) -> None:
    given = 0

    class Latest:
        def put(self, item: int) -> None:
            self.item = item

        def get(self) -> int:
            nonlocal given
            given += 1
            return given

    class AsyncLatest(Latest):
        async def get(self) -> int:  # type: ignore[override]
            await asyncio.sleep(0)
            return super().get()

    with Chain(AsyncLatest if is_async else Latest) as chain:
        assert chain.wait(3000)[:3000] == list(range(1, 3001))
    assert given < 10_000


def test_a_buffer_that_raises() -> None:
    class Breaks:
        def put(self, item: int) -> None:
            if item == 2:
                raise ValueError("full")

        def get(self) -> None:
            return None

        def end(self) -> None:
            raise OSError("the end")

    with Chain(Breaks, on_error="skip") as chain:
        assert chain.feed(1, 2) == []
        assert chain.accounts == {"done": 1, "failed": 1}
        assert chain.end() == []
    assert [failure.cause for failure in chain.calls.failures] == ["ValueError: full", "OSError: the end"]


def test_hooks_are_called_where_coroutines_run() -> None:
    with Chain(shape_cases.awaited) as chain:
        assert chain.chain.call(threading.get_ident) != threading.get_ident()
        with pytest.raises(SystemExit):
            chain.chain.call(exec, "raise SystemExit(3)")
        assert chain.feed(1) == [(0, 10)]
    with Chain(shape_cases.pairs) as chain:
        assert chain.chain.call(threading.get_ident) == threading.get_ident()


def test_the_clock_of_whoever_makes_it_holds_inside() -> None:
    def timed(upstream: Iterator[int]) -> Iterator[float]:
        for item in upstream:
            clock.sleep(item)
            yield clock.monotonic_s()

    async def timed_async(item: int) -> float:
        clock.sleep(item)
        return clock.monotonic_s()

    for target in (timed, timed_async):
        with clock.use(ManualClock()), Chain(target) as chain:
            assert [value for _, value in chain.feed(3600, 60)] == [3600, 3660]


def test_an_async_generator_that_waits_for_what_is_cancelled_ends_the_run() -> None:
    async def cancelled(upstream: AsyncIterator[int]) -> AsyncIterator[int]:
        async for item in upstream:
            waiting = asyncio.ensure_future(asyncio.Event().wait())
            waiting.cancel()
            await waiting
            yield item

    with Chain(cancelled) as chain:
        assert chain.feed(1) == []
        assert str(chain.chain.mishaps.error).startswith("stage st, event 0: CancelledError")


def test_one_that_will_not_be_closed_is_left() -> None:
    def stubborn(upstream: Iterator[int]) -> Iterator[int]:
        while True:
            try:
                yield next(upstream)
            except GeneratorExit:
                yield -1

    with Chain(stubborn) as chain:
        assert chain.feed(1) == [(0, 1)]
        before = threading.active_count()
    assert threading.active_count() < before
