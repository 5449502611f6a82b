"""Text that comes in its own time: files that grow, rotate or are cut, pipes and standard input."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from penstock.elements import ready_bytes
from penstock.elements.sources.csv import csv
from penstock.elements.sources.lines import lines
from tests.unit.elements.sources.reading import PATIENCE_S, read


class Following:
    """A source that is read while it is written to."""

    def __init__(self, source: Any) -> None:
        self._chunks: AsyncIterator[list[Any]] = aiter(source)
        self._ready: list[Any] = []

    async def items(self, n: int) -> list[Any]:
        async with asyncio.timeout(PATIENCE_S):
            while len(self._ready) < n:
                self._ready += await anext(self._chunks)
        found, self._ready = self._ready[:n], self._ready[n:]
        return found

    async def quiet(self) -> None:
        """Wait until it waits."""
        try:
            async with asyncio.timeout(0.05):
                self._ready += await anext(self._chunks)
        except TimeoutError:
            pass

    async def end(self) -> None:
        await self._chunks.aclose()  # type: ignore[attr-defined]


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


@pytest.fixture(params=["inotify", "without"])
def sight(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready_bytes, "_LOOK_S", 0.02 if request.param == "without" else PATIENCE_S)
    if request.param == "without":

        def refused(**_: Any) -> None:
            raise OSError(24, "Too many open files")

        monkeypatch.setattr(ready_bytes, "INotify", refused)


@pytest.mark.usefixtures("sight")
def test_a_file_that_grows(tmp_path: Path) -> None:
    path = tmp_path / "log"

    async def follow() -> None:
        path.write_text("one\ntwo\nthr")
        following = Following(lines(str(path), follow=True))
        assert await following.items(2) == ["one", "two"]
        asyncio.get_running_loop().call_later(0.02, _append, path, "ee\nfo")
        assert await following.items(1) == ["three"]
        _append(path, "ur\n")
        assert await following.items(1) == ["four"]
        await following.end()

    asyncio.run(follow())


def test_only_what_is_new(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("old\n")

    async def follow() -> None:
        following = Following(lines(str(path), follow=True, only_new=True))
        asyncio.get_running_loop().call_later(0.02, _append, path, "new\n")
        assert await following.items(1) == ["new"]
        await following.end()

    asyncio.run(follow())


@pytest.mark.usefixtures("sight")
def test_a_file_that_is_rotated(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("one\n")

    async def follow() -> None:
        loop = asyncio.get_running_loop()
        following = Following(lines(str(path), follow=True))
        assert await following.items(1) == ["one"]
        path.rename(tmp_path / "log.1")
        path.touch()
        # Whoever writes has not noticed yet.
        loop.call_later(0.02, _append, tmp_path / "log.1", "two\n")
        assert await following.items(1) == ["two"]
        _append(tmp_path / "log.1", "last, without an end")
        loop.call_later(0.02, _append, path, "three\n")
        assert await following.items(2) == ["last, without an end", "three"]
        path.unlink()
        loop.call_later(0.02, path.write_text, "four\n")
        assert await following.items(1) == ["four"]
        await following.end()

    asyncio.run(follow())


@pytest.mark.usefixtures("sight")
def test_a_file_that_is_cut(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "log"
    path.write_text("first\nand\n")

    async def follow() -> None:
        following = Following(lines(str(path), follow=True))
        assert await following.items(2) == ["first", "and"]
        asyncio.get_running_loop().call_later(0.02, path.write_text, "new\n")
        assert await following.items(1) == ["new"]
        await following.end()

    asyncio.run(follow())
    assert f"{path}: was cut" in caplog.text


def test_another_table_has_another_header(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_text('a\n1\n"2')

    async def follow() -> Any:
        source = csv(str(path), follow=True)
        following = Following(source)
        assert await following.items(1) == [{"a": 1}]
        path.rename(tmp_path / "old")
        path.write_text("b\n2\n")
        assert await following.items(1) == [{"b": 2}]
        await following.end()
        return source

    source = asyncio.run(follow())
    assert list(source.troubles) == [f"{path}, line 3: a quote is opened and not closed within 1 lines"]


def test_what_is_followed_does_not_hold_others_up(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("x" * 79 + "\n")

    async def follow() -> None:
        following = Following(lines(str(path), follow=True))
        await following.items(1)
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        counting = asyncio.create_task(count())
        waiting = asyncio.create_task(following.items(1))
        while turns < 1000:
            await asyncio.sleep(0)
        waiting.cancel()
        counting.cancel()
        await asyncio.gather(waiting, counting, return_exceptions=True)
        await following.end()

    asyncio.run(follow())


def test_a_waiting_loop_is_not_busy(tmp_path: Path) -> None:
    """What lies ready in a pipe and is not read must not wake the loop again and again."""
    path = tmp_path / "pipe"
    os.mkfifo(path)

    async def follow() -> int:
        with path.open("r+b", buffering=0) as pipe:
            following = Following(lines(str(path), follow=True))
            pipe.write(b"one\n")
            assert await following.items(1) == ["one"]
            pipe.write(b"two\n")
            loop: Any = asyncio.get_running_loop()
            selects, select = 0, loop._selector.select

            def counted(timeout: float | None) -> Any:
                nonlocal selects
                selects += 1
                return select(timeout)

            loop._selector.select = counted
            await asyncio.sleep(0.05)
            loop._selector.select = select
            assert await following.items(1) == ["two"]
            await following.end()
            return selects

    assert asyncio.run(follow()) < 10


def test_a_pipe_with_a_name_outlives_its_writers(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    async def follow() -> None:
        following = Following(lines(str(path), follow=True))
        await following.quiet()  # it opens only when it is asked

        async def write(text: str) -> None:
            await asyncio.to_thread(path.write_text, text)

        following = Following(lines(str(path), follow=True))
        reading = asyncio.create_task(following.items(1))
        await write("one\n")
        assert await reading == ["one"]
        await write("two\n")
        assert await following.items(1) == ["two"]
        await following.end()

    asyncio.run(follow())


CODE = """
import asyncio
from penstock.elements.sources.lines import lines
async def main():
    async for chunk in lines("-"):
        for line in chunk:
            print(f"<{line}>", flush=True)
asyncio.run(main())
"""


def test_standard_input_comes_as_it_is_typed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for word in ("one", "two"):
            process.stdin.write(f"{word}\n")
            assert process.stdout.readline() == f"<{word}>\n"
        process.stdin.write("three")
        process.stdin.close()
        assert process.stdout.read() == "<three>\n"
    assert process.returncode == 0


@pytest.mark.parametrize("kind", ["file", "nothing", "closed"])
def test_standard_input_that_is_no_pipe(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "in"
    path.write_text("one\ntwo")
    command = [sys.executable, "-c", CODE]
    if kind == "closed":
        command = ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *command]
    with Path("/dev/null" if kind == "nothing" else path).open() as stdin:
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, check=False)
    assert done.stdout == {"file": "<one>\n<two>\n"}.get(kind, "")
    if kind == "closed":
        assert "SourceError: there is no standard input" in done.stderr
    else:
        assert done.returncode == 0


def test_reading_ends_where_nobody_wants_more(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("one\n")
    before = set(Path("/proc/self/fd").iterdir())
    assert asyncio.run(read(lines(str(path), follow=True), 1)) == ["one"]
    assert set(Path("/proc/self/fd").iterdir()) == before
