"""``penstock new``: what it writes, what it refuses, and that what it refuses or cannot write leaves nothing."""

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from penstock.cli.main import app
from penstock.cli.new import FILES


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def new(*words: str) -> Result:
    return CliRunner().invoke(app, ["new", *words])


def inside(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


@contextmanager
def no_file_above(nbytes: int) -> Iterator[None]:
    """Let writing fail in the midst of a file, as when the disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_every_file_of_the_template_is_written() -> None:
    template = files("penstock.cli") / "new_project"
    assert sorted(FILES) == sorted(each.name for each in template.iterdir() if each.is_file())
    assert new("beam-test").exit_code == 0
    assert inside("beam-test") == sorted(FILES)


@pytest.mark.parametrize("name", ["beam-test", "beam_test", "b", "2026-11-20", "null", "on", "1e3", "numpy", "stråle"])
def test_the_name_stands_where_the_project_is_named_and_nowhere_is_the_templates(name: str) -> None:
    assert new(name).exit_code == 0
    texts = {file: Path(name, file).read_text(encoding="utf-8") for file in FILES}
    assert yaml.safe_load(texts["pipeline.yaml"])["name"] == name
    assert texts["README.md"].startswith(f"# {name}\n")
    assert not [file for file, text in texts.items() if "new-project" in text]


def test_the_next_steps_are_said_in_three_lines() -> None:
    result = new("beam-test")
    assert result.output.splitlines()[1:] == [
        "  cd beam-test",
        "  penstock check pipeline.yaml && penstock run pipeline.yaml",
        "  python -m pytest",
    ]


def test_a_folder_that_a_shell_would_tear_apart_is_quoted() -> None:
    Path("my data").mkdir()
    assert "  cd 'my data/beam'" in new("my data/beam").output.splitlines()


def test_files_for_machines() -> None:
    written = json.loads(new("beam-test", "--json").stdout)
    assert written == [f"beam-test/{file}" for file in FILES]
    assert all(Path(path).is_file() for path in written)


def test_an_empty_folder_is_filled() -> None:
    Path("beam").mkdir()
    os.chdir("beam")
    assert new(".").exit_code == 0
    assert inside(".") == sorted(FILES)
    assert yaml.safe_load(Path("pipeline.yaml").read_text())["name"] == "beam"


@pytest.mark.parametrize("name", ["", "..", "a/..", "/", "beam test", "beam.test", ".beam", "_beam", 'be"am', "beam\n"])
def test_a_name_that_is_none_is_refused_with_an_example(here: Path, name: str) -> None:
    result = new(name)
    assert result.exit_code == 2
    assert "NAME" in result.stderr
    assert "such as beam-test" in result.stderr
    assert not list(here.iterdir())


def test_a_folder_with_something_in_it_stays_as_it_is() -> None:
    Path("beam").mkdir()
    Path("beam/notes.txt").write_text("mine")
    result = new("beam")
    assert result.exit_code == 2
    assert result.stderr == (
        "penstock: NAME: beam is there already and has notes.txt in it; give another name, or empty the folder\n"
    )
    assert {path.name: path.read_text() for path in Path("beam").iterdir()} == {"notes.txt": "mine"}


@pytest.mark.parametrize("is_link", [False, True], ids=["file", "link to nothing"])
def test_what_is_no_folder_stays_as_it_is(is_link: bool) -> None:
    path = Path("beam")
    if is_link:
        path.symlink_to("nothing")
    else:
        path.write_text("mine")
    result = new("beam")
    assert result.exit_code == 2
    assert "beam is there already and is no folder; give another name" in result.stderr
    assert path.is_symlink() if is_link else path.read_text() == "mine"


def test_a_place_that_is_not_there_is_not_made(here: Path) -> None:
    result = new("data/beam")
    assert result.exit_code == 2
    assert "there is no folder data to make it in; make data first" in result.stderr
    assert not list(here.iterdir())


def test_a_path_that_cannot_be_written_is_a_failure(here: Path) -> None:
    result = new("b" * 300)
    assert result.exit_code == 1
    assert "cannot be written: File name too long; name a folder where you may write" in result.stderr
    assert not list(here.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_a_failure(here: Path) -> None:
    here.chmod(0o500)
    try:
        result = new("beam")
    finally:
        here.chmod(0o700)
    assert result.exit_code == 1
    assert "beam cannot be written: Permission denied" in result.stderr
    assert not list(here.iterdir())


@pytest.mark.parametrize("is_there", [False, True], ids=["new", "empty before"])
def test_nothing_is_left_half_written(is_there: bool) -> None:
    new("whole")
    sizes = [Path("whole", file).stat().st_size for file in FILES]
    if is_there:
        Path("beam").mkdir()
    limit = max(sizes) - 1
    assert sizes[0] <= limit  # so that at least one file is whole when it fails
    with no_file_above(limit):
        result = new("beam")
    assert result.exit_code == 1
    assert "beam cannot be written: File too large" in result.stderr
    assert Path("beam").exists() == is_there
    assert not is_there or not inside("beam")
