"""Pages and the notebook that look into a run: their commands start one, and their code is typed while it goes on."""

import doctest
import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from penstock.client import Connection, connect
from tests.house.pages import Page
from tests.system.commands import COMMAND, Process

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TUTORIAL = Page(DOCS / "tutorials" / "read-results.md")
PAGES = [
    TUTORIAL,
    Page(DOCS / "reference" / "client.md"),
    Page(DOCS / "reference" / "http.md"),
    Page(DOCS / "how-to" / "open-as-hdf5.md"),
]
NOTEBOOK = ROOT / "examples" / "read-results.ipynb"
ADDRESS = "http://127.0.0.1:8400"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Reader:
    """Has done what the tutorial says first, and types code that is written for its address."""

    def __init__(self, process: Process, address: str) -> None:
        self.process = process
        self.address = address
        self._names: dict[str, Any] = {"__name__": "__main__"}

    def types(self, code: str, promised: str = "") -> None:
        with redirect_stdout(StringIO()) as out:
            exec(code.replace(ADDRESS, self.address), self._names)
        said = out.getvalue()
        assert not promised or doctest.OutputChecker().check_output(promised, said, FLAGS), f"{code}\n{said}"

    def leaves(self) -> None:
        """Close what the code has left open, as the end of a session does."""
        run = self._names.get("run")
        if isinstance(run, Connection):
            run.close()


def waits_for_views(address: str) -> None:
    """Wait until there are enough images for what is written."""
    deadline = time.monotonic() + 30
    with connect(address) as run:
        while "beam/counts" not in run or run["beam/counts"].shape[0] < 25:
            assert time.monotonic() < deadline, "no views came"
            time.sleep(0.05)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    *before, running = (command.line for command in TUTORIAL.commands())
    for line in before:
        words = [*COMMAND, *line.split()[1:]] if line.startswith("penstock ") else ["sh", "-c", line]
        subprocess.run(words, check=True, cwd=tmp_path, capture_output=True, timeout=30)
    assert running.endswith("--serve 8400")
    process = Process(*running.removesuffix("8400").split()[1:], "0", folder=tmp_path)
    try:
        address = process.line("views: ").removeprefix("views: ").strip()
        waits_for_views(address)
        reader = Reader(process, address)
        yield reader
        reader.leaves()
    finally:
        process.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.name)
def test_the_code_of_a_page_does_what_is_shown(page: Page, reader: Reader) -> None:
    session = page.session()
    assert session
    for code, promised in session:
        reader.types(code, promised)
    for block in page.blocks():
        if block.info == "sh":
            assert_is_answered(block.body.replace(ADDRESS, reader.address))
    if page is TUTORIAL:
        assert_was_stopped(reader)


def test_the_two_lines_of_the_readme_are_enough(reader: Reader) -> None:
    _, (code, _) = Page(ROOT / "README.md").session()
    assert len(code.split("\n\n")) == 2
    reader.types(f'{code}print(run["beam/counts"][-3:].shape)', "(3,)\n")


def cells() -> list[dict[str, Any]]:
    notebook = json.loads(NOTEBOOK.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    return list(notebook["cells"])


def test_the_notebook_is_one_and_has_no_outputs() -> None:
    names = [cell["id"] for cell in cells()]
    assert all(re.fullmatch(r"[\w-]{1,64}", name) for name in names)
    assert len(names) == len(set(names))
    for cell in cells():
        assert cell["metadata"] == {}
        assert all(isinstance(line, str) for line in cell["source"])
        assert all(line.endswith("\n") for line in cell["source"][:-1])
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
        else:
            assert cell["cell_type"] == "markdown"
            assert "outputs" not in cell


def test_the_notebook_starts_what_the_tutorial_starts() -> None:
    first = "".join(cells()[0]["source"])
    for command in TUTORIAL.commands():
        assert command.line in first


def test_the_code_of_the_notebook_runs(reader: Reader) -> None:
    for cell in cells():
        if cell["cell_type"] == "code":
            reader.types("".join(cell["source"]))
    assert_was_stopped(reader)


def assert_is_answered(line: str) -> None:
    done = subprocess.run(["sh", "-c", line], check=False, capture_output=True, text=True, timeout=30)
    if done.returncode == 127:
        pytest.skip("there is no curl")
    assert done.returncode == 0, done.stderr
    assert "detail" not in json.loads(done.stdout), done.stdout


def assert_was_stopped(reader: Reader) -> None:
    said = reader.process.end()
    assert said.code == 130, said.text
    assert "seen enough" in said.out
    assert "aborted" in said.out
