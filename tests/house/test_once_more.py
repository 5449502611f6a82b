"""Tests that failed are run once more, alone: what may pass so, and what may not."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import once_more

STEADY = "def test_steady():\n    pass\n"
UNSTEADY = """
from pathlib import Path

def test_unsteady_{number}():
    seen = Path(__file__).with_suffix(".{number}")
    was_there = seen.exists()
    seen.touch()
    assert was_there
"""
WRONG = "def test_wrong():\n    assert 0\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pytest begin without what others have added to it."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def failed_in(folder: Path, *texts: str) -> Path:
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text("\n".join((STEADY, *texts)))
    subprocess.run([sys.executable, "-m", "pytest", "-q"], cwd=folder, stdout=subprocess.DEVNULL, check=False)
    return folder


def test_what_passes_alone_is_named_and_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert once_more.main(failed_in(tmp_path, UNSTEADY.format(number=1))) == 0
    assert "UNSTEADY test_it.py::test_unsteady_1" in capsys.readouterr().out.splitlines()


def test_what_fails_again_is_a_failure(tmp_path: Path) -> None:
    assert once_more.main(failed_in(tmp_path, UNSTEADY.format(number=1), WRONG)) == 1


def test_many_that_fail_are_not_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unsteady = [UNSTEADY.format(number=number) for number in range(once_more.MOST + 1)]
    assert once_more.main(failed_in(tmp_path, *unsteady)) == 1
    assert capsys.readouterr().out == ""


def test_what_failed_without_a_word_stays_a_failure(tmp_path: Path) -> None:
    assert once_more.main(tmp_path) == 1
