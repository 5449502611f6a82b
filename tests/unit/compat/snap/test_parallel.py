"""A function that several workers call, as a buffer."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from penstock.compat.snap.parallel import PER_WORKER, Parallel


def slow_adder(by: int) -> Callable[[int], int]:
    def add(number: int) -> int:  # a closure, which no pickle can hold
        time.sleep(0.01)
        return number + by

    return add


def failing(number: int) -> int:
    raise ValueError(f"no {number}")


def through(buffer: Parallel, items: list[Any]) -> list[Any]:
    async def put() -> None:
        for item in items:
            await buffer.put(item)
        await buffer.end()

    async def go() -> list[Any]:
        putting = asyncio.ensure_future(put())
        found = []
        try:
            while True:
                found.append(await buffer.get())
        except StopAsyncIteration:
            await putting
            return found
        finally:
            putting.cancel()
            buffer.close()

    return asyncio.run(go())


def test_all_that_is_put_comes_out_once() -> None:
    buffer = Parallel(f"{__name__}:slow_adder", max_workers=2, arguments={"by": 10})
    assert sorted(through(buffer, list(range(20)))) == list(range(10, 30))


def test_a_function_itself_is_called() -> None:
    assert sorted(through(Parallel(slow_adder(1), max_workers=4), [1, 2, 3])) == [2, 3, 4]


def test_nothing_put_is_nothing_got() -> None:
    assert through(Parallel(abs), []) == []


def test_one_slow_item_does_not_hold_up_others() -> None:
    others = threading.Event()

    def call(number: int) -> int:
        if number == 0:
            assert others.wait(60)
        if number == 3:
            others.set()
        return number

    assert through(Parallel(call, max_workers=2), [0, 1, 2, 3])[-1] == 0


def test_no_more_than_a_few_items_are_in_hand() -> None:
    go_on = threading.Event()
    buffer = Parallel(lambda number: go_on.wait(60) and number, max_workers=2)

    async def put_many() -> int:
        count = 0
        try:
            async with asyncio.timeout(0.2):
                for n in range(100):
                    await buffer.put(n)
                    count += 1
        except TimeoutError:
            pass
        go_on.set()
        return count

    try:
        assert asyncio.run(put_many()) == 2 * PER_WORKER
    finally:
        buffer.close()


def test_what_the_function_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="no 1"):
        through(Parallel(failing), [1])


@pytest.mark.parametrize(
    ("options", "said"), [({"executor": "fork"}, "no executor"), ({"max_workers": 0}, "do nothing")]
)
def test_wrong_arguments_are_refused(options: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Parallel(abs, **options)
