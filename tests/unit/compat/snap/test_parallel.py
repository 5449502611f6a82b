"""A function that several workers call, as a buffer."""

import asyncio
import importlib
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.compat.snap.parallel import PER_WORKER, Parallel
from penstock.errors import PenstockError, ServiceError, UserCodeError
from penstock.pipeline import Pipeline, Sink, Source, Steps, Use
from penstock.services.strands.nursery import Nursery
from tests.unit.compat.snap import called_code as code
from tests.unit.engines.conftest import Borrowed

CODE = code.__name__
NURSERY = "penstock.compat.snap.process_calls.Nursery"


@pytest.fixture(scope="module")
def warm() -> Iterator[Nursery]:
    nursery = Nursery()
    nursery.open()
    yield nursery
    nursery.close()


@pytest.fixture(autouse=True)
def _quick(warm: Nursery, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lend all the one warmed process, whose imports take most of the time; nobody else stays."""
    monkeypatch.setattr(NURSERY, lambda: Borrowed(warm))
    before = children()
    yield
    assert children() <= before


def children() -> set[int]:
    """Return the processes that this one has started."""
    lists = [task / "children" for task in Path("/proc/self/task").iterdir()]
    return {int(word) for each in lists if each.exists() for word in each.read_text().split()}


def through(buffer: Parallel, items: list[Any]) -> list[Any]:
    """Return what comes out, errors included."""

    async def put() -> None:
        for item in items:
            await buffer.put(item)
        await buffer.end()

    async def go() -> list[Any]:
        putting = asyncio.ensure_future(put())
        found: list[Any] = []
        try:
            while True:
                try:
                    found.append(await buffer.get())
                except UserCodeError as error:
                    found.append(error)
        except StopAsyncIteration:
            await putting
            return found
        finally:
            putting.cancel()
            buffer.close()

    return asyncio.run(go())


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_all_that_is_put_comes_out_once(executor: Any) -> None:
    buffer = Parallel(f"{CODE}:slow_adder", executor, max_workers=2, arguments={"by": 10})
    assert sorted(through(buffer, list(range(20)))) == list(range(10, 30))


def test_a_function_itself_is_called() -> None:
    assert sorted(through(Parallel(code.slow_adder(1), max_workers=4), [1, 2, 3])) == [2, 3, 4]


def test_several_processes_call_a_function_itself() -> None:
    found = through(Parallel(code.process, "process", max_workers=2), list(range(50)))
    assert sorted(number for number, _, _ in found) == list(range(50))
    assert len({pid for _, pid, _ in found}) == 2
    assert os.getpid() not in {pid for _, pid, _ in found}


def test_as_many_workers_as_processors_by_default() -> None:
    buffer = Parallel(code.process, "process")
    found = through(buffer, list(range(20)))
    assert len({pid for _, pid, _ in found}) <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_nothing_put_is_nothing_got(executor: Any) -> None:
    assert through(Parallel(abs, executor), []) == []


def test_data_classes_and_arrays_go_and_come_back() -> None:
    hits = [code.Hit(n, np.full(100_000, n)) for n in range(4)]
    found = through(Parallel(code.doubled, "process", max_workers=2), hits)
    assert sorted(hit.n for hit in found) == [0, 1, 2, 3]
    assert all((hit.image == 2 * hit.n).all() for hit in found)
    assert all((hit.image == hit.n).all() for hit in hits), "each process has its own"


def test_what_items_are_made_of_may_be_in_another_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "item_kinds.py").write_text(
        "from dataclasses import dataclass\n\n@dataclass\nclass Shot:\n    n: int\n"
    )
    (tmp_path / "item_steps.py").write_text("def same(shot):\n    return shot\n")
    monkeypatch.syspath_prepend(tmp_path)
    kinds = importlib.import_module("item_kinds")
    shots = [kinds.Shot(1), kinds.Shot(2)]
    assert sorted(through(Parallel("item_steps:same", "process", 1), shots), key=lambda shot: shot.n) == shots


def test_one_slow_item_does_not_hold_up_others() -> None:
    others = threading.Event()

    def call(number: int) -> int:
        if number == 0:
            assert others.wait(60)
        if number == 3:
            others.set()
        return number

    assert through(Parallel(call, max_workers=2), [0, 1, 2, 3])[-1] == 0


def test_no_more_than_a_few_items_are_in_hand(tmp_path: Path) -> None:
    go_on = threading.Event()

    async def put_many(buffer: Parallel) -> int:
        count = 0
        try:
            async with asyncio.timeout(0.2):
                for n in range(100):
                    await buffer.put(n)
                    count += 1
        except TimeoutError:
            pass
        go_on.set()
        buffer.close()
        return count

    waiting = Parallel(lambda number: go_on.wait(60) and number, max_workers=2)
    hanging = Parallel(f"{CODE}:hangs", "process", max_workers=2, arguments={"folder": str(tmp_path)})
    assert [asyncio.run(put_many(buffer)) for buffer in (waiting, hanging)] == [2 * PER_WORKER] * 2


def test_what_the_function_raises_is_raised() -> None:
    with pytest.raises(ValueError, match="no 1"):
        through(Parallel(code.picky), [1])


def test_an_error_in_a_process_says_where_and_at_what_and_others_go_on() -> None:
    *others, error = sorted(through(Parallel(code.picky, "process", 2), list(range(5))), key=str)
    assert others == [0, 3, 4], "nothing is given for 2"
    assert str(error) == "picky: ValueError: no 1; the item was 1"
    assert 'raise ValueError("no 1")' in error.__notes__[0]


def test_nothing_is_given_by_threads_either() -> None:
    assert sorted(through(Parallel(code.picky), [0, 2, 3])) == [0, 3]


# Processes that die


def test_the_items_of_a_process_that_dies_are_given_to_others(tmp_path: Path) -> None:
    buffer = Parallel(f"{CODE}:dies", "process", 2, arguments={"folder": str(tmp_path), "times": 1})
    assert sorted(through(buffer, list(range(20)))) == list(range(20))
    assert len(list(tmp_path.iterdir())) == 1


def test_an_item_that_three_have_died_on_is_an_error(tmp_path: Path) -> None:
    buffer = Parallel(f"{CODE}:dies", "process", 2, arguments={"folder": str(tmp_path), "times": 9})
    *others, error = sorted(through(buffer, list(range(6))), key=lambda found: str(found).zfill(9))
    assert others == [0, 1, 2, 4, 5]
    assert str(error).startswith("3 workers died on it; the last: Parallel-")
    assert "was killed by SIGKILL; the item was 3" in str(error)


def test_processes_that_hang_are_ended_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NURSERY, Nursery)  # one of its own, which ends, too
    buffer = Parallel(f"{CODE}:hangs", "process", 2, arguments={"folder": str(tmp_path)})

    async def go() -> None:
        await buffer.put(1)
        while not list(tmp_path.iterdir()):
            await asyncio.sleep(0.01)
        getting = asyncio.ensure_future(buffer.get())
        buffer.close()
        with pytest.raises(StopAsyncIteration):
            await getting

    asyncio.run(go())
    (pid,) = (int(path.name) for path in tmp_path.iterdir())
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("no_maker", {}, "no_maker could not be made: OSError: no table of constants"),
        ("pairs", None, "pairs is a generator"),
    ],
)
def test_a_function_that_no_process_has_ends_it(name: str, arguments: Any, said: str) -> None:
    buffer = Parallel(f"{CODE}:{name}", "process", 2, arguments)

    async def put_for_ever() -> None:
        while True:
            await buffer.put(1)

    async def go() -> None:
        putting = asyncio.ensure_future(put_for_ever())
        for _ in range(2):
            with pytest.raises(PenstockError, match=said):
                await buffer.get()
        with pytest.raises(ServiceError, match="its workers have ended"):
            await putting

    asyncio.run(go())


# What travels


def test_what_cannot_travel_is_named_and_threads_suggested() -> None:
    (there,) = through(Parallel(code.as_it_is, "process", 1), [open])
    (back,) = through(Parallel(code.no_traveller, "process", 1), [1])
    for what, error in {"an item is": there, "what came of an item is": back}.items():
        assert str(error).startswith(f"{what} a builtin_function_or_method, which cannot travel between processes")
        assert str(error).endswith("or write executor: thread; the item was <built-in function open>")


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda number: number, "it is a lambda"),
        (code.slow_adder(1), "it is defined inside a function"),
        (partial(code.dies, times=1), "it is a partial"),
        (Path().exists, "it leads nowhere, or to something else"),
    ],
)
def test_a_function_that_has_no_name_is_refused_by_processes(function: Callable[..., Any], why: str) -> None:
    with pytest.raises(ValueError, match=why) as raised:
        Parallel(function, "process")
    assert str(raised.value).endswith("or write executor: thread")


def test_a_name_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match=f"{CODE}:nothing cannot be imported"):
        Parallel(f"{CODE}:nothing", "process")


@pytest.mark.parametrize(
    ("options", "said"), [({"executor": "fork"}, "no executor"), ({"max_workers": 0}, "do nothing")]
)
def test_wrong_arguments_are_refused(options: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Parallel(abs, **options)


# In a pipeline file

MADE = "penstock.compat.snap:made"
NESTED = {"how": {"object": f"{CODE}:hangs", "arguments": {"folder": "."}}}


@pytest.mark.parametrize(
    ("asked", "step"),
    [
        ({"function": f"{CODE}:as_it_is"}, f"{CODE}:as_it_is"),
        ({"function": f"{CODE}:slow_adder", "arguments": {"by": 1}}, {f"{CODE}:slow_adder": {"by": 1}}),
        ({"function": f"{CODE}:Hit"}, {MADE: {"object": f"{CODE}:Hit"}}),
        ({"function": f"{CODE}:dies", "arguments": NESTED}, {MADE: {"object": f"{CODE}:dies", "arguments": NESTED}}),
        ({"function": f"{CODE}:nothing"}, {f"{CODE}:nothing": {}}),
    ],
)
def test_a_pipeline_has_a_stage_for_it(asked: Any, step: Any) -> None:
    found = Parallel.entry({"executor": "process", "max_workers": 3, **asked})
    assert found == {"steps": [step], "workers": 3, "run_in": "process", "order": "free", "deadline_s": 86_400}


@pytest.mark.parametrize(
    "asked",
    [{"executor": "thread"}, {"function": None}, {"max_workers": "two"}, {"arguments": [1]}, {"workers": 2}],
)
def test_a_pipeline_has_a_buffer_otherwise(asked: Any) -> None:
    assert Parallel.entry({"executor": "process", "function": f"{CODE}:as_it_is", **asked}) is None


def test_a_plan_has_its_workers(tmp_path: Path) -> None:
    use = Use(Parallel, function=f"{CODE}:slow_adder", arguments={"by": 1}, executor="process", max_workers=2)
    sink = Sink("lines", source="s", path=str(tmp_path / "found"))
    pipeline = Pipeline(sources={"n": Source("numbers", n=9)}, stages={"s": Steps(use, source="n")}, sinks={"l": sink})
    stage = pipeline.plan().stages["s"]
    assert (stage.workers, stage.run_in, stage.order) == (2, "process", "free")
    report = pipeline.run("chains")
    assert report.outcome == "finished"
    assert [process.name for process in report.processes] == ["s-0", "s-1"]
    assert sorted(map(int, (tmp_path / "found").read_text().split())) == list(range(1, 10))
