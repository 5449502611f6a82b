"""The elements that SNAP brings, called by hand."""

import asyncio
import io
import logging
import sys
from collections.abc import AsyncIterator, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.compat.snap.elements.misc import run_shell
from penstock.compat.snap.elements.output import dump, dump_to_file, log
from penstock.compat.snap.elements.source import read_array_from_txt, read_lines
from penstock.compat.snap.elements.timing import every
from penstock.compat.snap.elements.tqdm import counter, meter
from penstock.compat.snap.timing import now, now_rel, wait_until


async def some(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


def first(source: AsyncIterator[Any], count: int = 1000) -> list[Any]:
    async def gather() -> list[Any]:
        found: list[Any] = []
        async for item in source:
            found.append(item)
            if len(found) == count:
                break
        await source.aclose()  # type: ignore[attr-defined]  # all of them are generators
        return found

    return asyncio.run(gather())


def test_every_keeps_to_its_schedule() -> None:
    async def times() -> list[float]:
        loop = asyncio.get_running_loop()
        return [loop.time() async for _ in every(0.01)(some(range(4)))]

    found = asyncio.run(times())
    assert all(later - found[0] >= 0.01 * n for n, later in enumerate(found))


def test_every_as_a_source_gives_the_time() -> None:
    found = first(every(0.001)(), 3)
    assert len(found) == 3
    assert all(earlier <= later for earlier, later in pairwise(found))
    assert abs(found[0] - now()) < 3600


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_every_refuses_what_is_no_time(seconds: float) -> None:
    with pytest.raises(ValueError, match="no time between items"):
        every(seconds)


def test_waiting_until_a_time() -> None:
    before = now_rel()
    asyncio.run(wait_until(now() + 0.01))
    asyncio.run(wait_until(0, dtmin=0.01))
    assert now_rel() - before >= 0.02


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "lines.txt"
    path.write_text("# t n\n1 10\n2 20\n\n3 30", encoding="utf-8")
    return path


def test_lines_of_a_file(lines: Path) -> None:
    assert first(read_lines(str(lines), follow=False)) == ["# t n", "1 10", "2 20", "", "3 30"]


def test_lines_are_given_when_they_are_whole_and_the_file_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "growing.txt"
    path.write_text("one\ntw", encoding="utf-8")

    async def read() -> list[str]:
        source = read_lines(str(path))
        found = [await anext(source)]
        late = asyncio.ensure_future(anext(source))
        with path.open("a", encoding="utf-8") as file:
            file.write("o\n")
        found.append(await late)
        await source.aclose()  # type: ignore[attr-defined]  # it is a generator
        return found

    assert asyncio.run(read()) == ["one", "two"]


def test_lines_of_the_standard_input_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a\nb"))
    assert first(read_lines("stdin")) == ["a", "b"]


def test_arrays_of_a_file(lines: Path) -> None:
    found = first(read_array_from_txt(str(lines), size=2, columns={"n": 1, "t": 0}, follow=False))
    assert [list(item) for item in found] == [["n", "t"], ["n", "t"]]
    assert [item["n"].tolist() for item in found] == [[10.0, 20.0], [30.0]]
    assert [item["t"].tolist() for item in found] == [[1.0, 2.0], [3.0]]
    assert all(item["t"].dtype == np.float64 for item in found)


def test_arrays_of_a_file_that_is_followed_never_come_empty(lines: Path) -> None:
    lines.write_text(lines.read_text() + "\n", encoding="utf-8")
    found = first(read_array_from_txt(str(lines), size=2, columns={"t": 0}), 2)
    assert [item["t"].tolist() for item in found] == [[1.0, 2.0], [3.0]]


def test_dump(capsys: pytest.CaptureFixture[str]) -> None:
    assert [dump()(1), dump("n =", rewrite=True)(2)] == [1, 2]
    assert capsys.readouterr().out == "DUMP 1\nn = 2\r"


def test_dump_to_file_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    for n in (1, 2):
        step = dump_to_file(str(path))
        assert step(n) == n
        assert path.read_text() == f"#------\n{n}\n"  # at once, for those who follow it
        step.close()


def test_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "detector"):
        assert log("detector", fmt="got {}")({"n": 1}) == {"n": 1}
    assert caplog.record_tuples == [("detector", logging.INFO, "got {'n': 1}")]


def test_a_counter_counts_and_a_meter_shows() -> None:
    screen = io.StringIO()
    count, show = counter(desc="seen", file=screen, mininterval=0), meter(desc="z", total=10, file=screen)
    for n in (3, 5):
        assert show(count(n)) == n
    count.close()
    show.close()
    assert "seen: 2it" in screen.getvalue()
    assert "z[ 5.0000]" in screen.getvalue()
    assert "5/10" in screen.getvalue()


def test_a_command_gets_an_item_as_one_word(tmp_path: Path) -> None:
    out = tmp_path / "out"
    item = {"name": "$(touch evil); 'x", "n": 7}
    assert asyncio.run(_awaited(run_shell(f"printf '%s|' {{name}} {{n:03d}} > {out}"), item)) is item
    assert out.read_text() == "$(touch evil); 'x|007|"
    asyncio.run(_awaited(run_shell(f"printf '%s|' {{}} > {out}"), "a b"))
    assert out.read_text() == "a b|"


async def _awaited(step: Any, item: Any) -> Any:
    return await step(item)


def test_a_command_that_fails_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"'exit 3' failed with code 3"):
        asyncio.run(_awaited(run_shell("exit {code}"), {"code": 3}))


def test_a_command_with_wrong_braces_is_refused() -> None:
    with pytest.raises(ValueError, match=r"brace|format"):
        run_shell("echo {")
