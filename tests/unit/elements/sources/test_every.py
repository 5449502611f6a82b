"""Clocks and counters as sources."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from penstock.elements import clock
from penstock.elements.sources.every import Every
from penstock.elements.sources.numbers import numbers
from penstock.errors import CheckError
from penstock.testing import ManualClock
from tests.unit.elements.sources.reading import PATIENCE_S, read

pytestmark = pytest.mark.usefixtures("imports_end_here")


async def _items(source: Any, n: int | None = None) -> list[Any]:
    found: list[Any] = []
    async with asyncio.timeout(PATIENCE_S):
        async for item in source:
            found.append(item)
            if len(found) == n:
                break
    return found


def test_numbers_and_times() -> None:
    with clock.use(ManualClock(5)):
        assert asyncio.run(_items(Every(0.001, n=1))) == [{"number": 0, "timestamp_ns": 5}]
    assert len(asyncio.run(_items(Every(0.001), 3))) == 3


def test_who_is_slow_misses_some_and_they_are_counted() -> None:
    async def slow(source: Every) -> list[int]:
        found = []
        async for item in source:
            found.append(item["number"])
            if len(found) == 2:
                break
            await asyncio.sleep(0.02)
        return found

    source = Every(0.001)
    first, second = asyncio.run(slow(source))
    assert first == 0
    assert second >= 15
    assert source.missed == second - 1


def test_a_function_has_one_thread_that_is_not_ours() -> None:
    threads: list[int] = []

    def call() -> int | None:
        threads.append(threading.get_ident())
        if len(threads) == 4:
            raise StopIteration
        return None if len(threads) == 2 else len(threads)

    assert asyncio.run(_items(Every(0.001, call))) == [1, 3]
    assert len({*threads}) == 1
    assert threads[0] != threading.get_ident()


def test_a_function_sees_the_clock() -> None:
    with clock.use(ManualClock(7)):
        assert asyncio.run(_items(Every(0.001, clock.utc_ns, n=2))) == [7, 7]


def test_a_coroutine_function() -> None:
    answers = iter([1, None, 3])

    async def call() -> int | None:
        await asyncio.sleep(0)
        return next(answers)

    assert asyncio.run(_items(Every(0.001, call))) == [1, 3]


def test_code_beside_the_pipeline(tmp_path: Path) -> None:
    (tmp_path / "vacuum_gauges.py").write_text("def read(): return {'mbar': 1e-9}\n")
    source = Every(0.001, "vacuum_gauges:read", n=1)
    source.folder = str(tmp_path)
    assert asyncio.run(_items(source)) == [{"mbar": 1e-9}]
    source = Every(0.001, "vacuum_gauges:write", n=1)
    source.folder = str(tmp_path)
    with pytest.raises(CheckError, match='has no "write"'):
        asyncio.run(_items(source))


def test_what_a_function_raises_is_not_hidden() -> None:
    def call() -> None:
        raise OSError("no answer")

    with pytest.raises(OSError, match="no answer"):
        asyncio.run(_items(Every(0.001, call)))


HANGS = """
import asyncio, threading, time
from penstock.elements.sources.every import Every

called = threading.Event()

def call():
    called.set()
    time.sleep(3600)

async def read():
    async for _ in Every(1, call):
        pass

async def main():
    reading = asyncio.create_task(read())
    while not called.is_set():
        await asyncio.sleep(0.002)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
asyncio.run(main())
"""


def test_a_function_that_hangs_does_not_keep_the_process() -> None:
    subprocess.run([sys.executable, "-c", HANGS], check=True, timeout=PATIENCE_S)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"every_s": 0}, "write an interval"),
        ({"every_s": -1}, "every_s is -1"),
        ({"every_s": 1, "n": -1}, "n is -1"),
        ({"every_s": 1, "call": "read"}, "write module:function"),
    ],
)
def test_arguments_of_every(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Every(**arguments)


def test_numbers() -> None:
    assert [number for chunk in numbers(2500, start=-5) for number in chunk] == list(range(-5, 2495))  # type: ignore[union-attr]
    assert asyncio.run(read(numbers(3, every_s=0.001))) == [0, 1, 2]
    assert asyncio.run(read(numbers(every_s=0.001, start=7), 2)) == [7, 8]
    assert list(numbers(0)) == []  # type: ignore[arg-type]
    endless = iter(numbers())  # type: ignore[arg-type]
    assert [next(endless)[0] for _ in range(3)] == [0, 1024, 2048]
    with pytest.raises(ValueError, match="n is -1"):
        numbers(-1)
    with pytest.raises(ValueError, match="every_s is -1"):
        numbers(1, every_s=-1)
