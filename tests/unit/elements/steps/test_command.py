"""The step that asks a program about each item."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from penstock.elements.shape import StepShape
from penstock.elements.steps.command import Command
from penstock.elements.user_code import Step, problems_of
from penstock.errors import ProcessError

PATIENCE_S = 60.0


def said(step: Command, item: Any) -> Any:
    return asyncio.run(step(item))


def test_what_a_program_says() -> None:
    assert said(Command(["printf", r"a\n\n"]), None) == "a\n"
    assert said(Command(["printf", r"a\377"], output="bytes"), None) == b"a\xff"
    assert said(Command(["cat"], stdin="json", output="json"), {"a": [1]}) == {"a": [1]}


def test_it_may_stand_beside_what_is_there() -> None:
    item = {"x": 2}
    assert said(Command(["echo", "{x}"], output="json", into="y"), item) == {"x": 2, "y": 2}
    assert item == {"x": 2}
    with pytest.raises(TypeError, match="int has no fields"):
        said(Command(["echo"], into="y"), 5)


@pytest.mark.parametrize("output", ["text", "json"])
def test_what_is_not_what_it_should_be(output: Any) -> None:
    with pytest.raises(ValueError, match=f"printf: its output is no {output}"):
        said(Command(["printf", r"\377"], output=output), None)


def test_where_it_runs(tmp_path: Path) -> None:
    step = Command(["pwd"])
    step.folder = str(tmp_path)
    assert said(step, None) == str(tmp_path)


def test_what_fails_is_told() -> None:
    with pytest.raises(ProcessError, match="false ended with code 1"):
        said(Command(["false"]), None)
    with pytest.raises(ProcessError, match="there is no program no-such-program"):
        said(Command(["no-such-program"]), None)


def test_a_stop_ends_the_program(tmp_path: Path) -> None:
    step = Command(["sh", "-c", "echo $$ > pid; exec sleep 3600"])
    step.folder = str(tmp_path)

    async def stop() -> None:
        running = asyncio.create_task(step(None))
        end_s = time.monotonic() + PATIENCE_S
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < end_s
            await asyncio.sleep(0.002)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(stop())  # which waits for the thread, and so for the program
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_it_is_a_step_that_is_awaited() -> None:
    step = Step(Command, {"argv": ["echo", "{}"], "timeout_s": 5}, stage="s")
    assert step.shape is StepShape.COROUTINE
    assert problems_of("step", Command, {"argv": ["echo", 5]}) == []
    assert problems_of("step", Command, {"argv": ["echo"], "output": "xml"})
    with pytest.raises(ValueError, match="output is 'xml'"):
        Command(["echo"], output="xml")  # type: ignore[arg-type]
