"""Chains whose code raises: what becomes of the item, and of the run."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from penstock.engines.chains import run
from tests.unit.engines.chains_code import (
    KEPT,
    Keep,
    ListsAsync,
    accounts,
    add,
    chain,
    numbers,
    numbers_async,
    pairs,
    ran,
)


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    KEPT.clear()


class Refuse(Keep):
    """A full disk."""

    def write(self, item: Any) -> None:
        if item == 3:
            raise OSError("no space left on device")
        super().write(item)


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
