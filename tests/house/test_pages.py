"""The pages tell the truth: their examples run, their commands do what is shown, their links lead somewhere."""

import doctest
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.house.pages import Block, Command, Page

ROOT = Path(__file__).parents[2]
PAGES = [Page(path) for path in sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def _name(page: Page) -> str:
    return str(page.path.relative_to(ROOT))


TYPED = [page for page in PAGES if [*page.commands()] and page.path.parent != ROOT and page.run_by() is None]


def _answers(examples: str, names: dict[str, Any], page: Page) -> None:
    """Run what is asked at Python's prompt, and keep the names for what is asked next."""
    test = doctest.DocTestParser().get_doctest(examples, names, _name(page), str(page.path), 0)
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append, clear_globs=False)
    names |= test.globs
    assert result.attempted
    assert not result.failed, "".join(said)


@pytest.mark.parametrize("page", [page for page in PAGES if page.doctests() and page not in TYPED], ids=_name)
def test_examples_run(page: Page) -> None:
    _answers(page.doctests(), {}, page)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Ports:
    """Gives each port that a page names another one that is free here."""

    def __init__(self) -> None:
        self._given: dict[str, int] = {}

    def __call__(self, text: str) -> str:
        return re.sub(r"(127\.0\.0\.1:)(\d+)", lambda m: f"{m[1]}{self._given.setdefault(m[2], _free_port())}", text)


class _Reader:
    """Types what is in a page, commands and Python, in a folder of its own."""

    def __init__(self, page: Page, folder: Path) -> None:
        self._page = page
        self._names: dict[str, Any] = {}
        self._folder = folder
        self._ports = _Ports()
        self._environ = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "COLUMNS": "200",
            "PYTHONUNBUFFERED": "1",  # as a terminal shows it: each line when it is said
            "PYTEST_DEBUG_TEMPROOT": str(folder),  # where a reader's own pytest keeps what its tests write
        }
        self._behind: list[tuple[subprocess.Popen[str], str, str]] = []
        needed = page.needs()
        if needed is not None:
            shutil.copytree(needed, folder, dirs_exist_ok=True)
        for name, text in page.files().items():
            (folder / name).write_text(self._ports(text))

    def types(self, step: Command | Block) -> None:
        if isinstance(step, Block):
            _answers(self._ports(step.body), self._names, self._page)
        else:
            self._commands(step)

    def _commands(self, command: Command) -> None:
        line, promised = self._ports(command.line), self._ports("\n".join(command.promised))
        started = subprocess.Popen(
            ["sh", "-c", f"exec {line.removesuffix('&')}" if line.endswith("&") else line],
            cwd=self._folder,
            env=self._environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._behind.append((started, line, promised))
        if not line.endswith("&"):
            self.sees_it_end(*self._behind.pop())

    def sees_it_end(self, started: "subprocess.Popen[str]", line: str, promised: str) -> None:
        try:
            out = started.communicate(timeout=50)[0]
        finally:
            _end(started)
        assert started.returncode == 0, f"$ {line}\n{out}"
        assert not promised or doctest.OutputChecker().check_output(promised + "\n", out, FLAGS), f"$ {line}\n{out}"

    def goes(self, *, in_peace: bool) -> None:
        try:
            while in_peace and self._behind:
                self.sees_it_end(*self._behind.pop(0))
        finally:
            for started, _, _ in self._behind:
                _end(started)
                started.communicate()


def _end(started: "subprocess.Popen[str]") -> None:
    """Kill a command, and what it has started in the background, if they are still there."""
    if started.returncode is None:  # else its number may be somebody else's by now
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
    started.wait()


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in a folder and import from it, as at a prompt that was opened there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name, module in [*sys.modules.items()]:
        if (getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", TYPED, ids=_name)
def test_what_is_typed_does_what_is_shown(page: Page, own_folder: Path) -> None:
    reader, in_peace = _Reader(page, own_folder), False
    try:
        for step in page.steps():
            reader.types(step)
        in_peace = True
    finally:
        reader.goes(in_peace=in_peace)


@pytest.mark.parametrize("page", [page for page in PAGES if page.run_by() is not None], ids=_name)
def test_a_page_that_another_test_runs_is_run_there(page: Page) -> None:
    test = page.run_by()
    assert test is not None
    assert page.path.name in test.read_text()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Page) -> None:
    for link in page.links():
        path, _, anchor = link.partition("#")
        target = page.path.parent / path if path else page.path
        assert target.exists(), f"{_name(page)} points at {link}, which is not there"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            anchors = [re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings]
            assert anchor in anchors, f"{_name(page)} points at {link}; {path} has {anchors}"


def test_the_pipeline_of_the_readme_is_right(tmp_path: Path) -> None:
    blocks = {block.info: block.body for block in reversed([*Page(ROOT / "README.md").blocks()])}  # the first of each
    (tmp_path / "pipeline.yaml").write_text(blocks["yaml"])
    (tmp_path / "fluorescence.py").write_text(blocks["python"])
    shutil.copy(ROOT / "examples" / "nanomax" / "map.json", tmp_path)
    command = [str(Path(sys.executable).parent / "penstock"), "check", "pipeline.yaml"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing is wrong" in done.stdout


@pytest.mark.timeout(180)
def test_the_pages_build_without_a_warning(tmp_path: Path) -> None:
    command = f"{sys.executable} -m sphinx -W --keep-going -q -b html -d {tmp_path}/trees {ROOT}/docs {tmp_path}/html"
    done = subprocess.run(command.split(), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "html" / "glossary.html").exists()
