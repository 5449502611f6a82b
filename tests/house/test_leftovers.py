"""The ground the tests stand on: a test that leaves something behind fails, and says what."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
SHARED = Path("/dev/shm/left-by-a-test")


# It says that it is there, so that its command can be read, and ends when its parent does.
CHILD = """
import subprocess
child = subprocess.Popen(["sh", "-c", "echo there; read never"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
globals()["child"] = child
"""


def _report(folder: Path, body: str) -> str:
    (folder / "conftest.py").write_text(CONFTEST.read_text())
    (folder / "test_one.py").write_text("def test_one():\n" + indent(body, "    "))
    command = f"-m pytest -q --tb=long -p no:cacheprovider -p no:xdist --basetemp={folder}/base {folder}"
    environment = {**os.environ, "PENSTOCK_LEFTOVER": SHARED.name}
    done = subprocess.run(
        [sys.executable, *command.split()], check=False, capture_output=True, text=True, cwd=folder, env=environment
    )
    return done.stdout


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (CHILD, "read never"),
        ("import tempfile\ntempfile.mkdtemp(prefix='mine-')", "mine-"),
        (f"open('{SHARED}', 'w').close()", str(SHARED)),
    ],
    ids=["process", "folder", "shared memory"],
)
def test_a_leftover_fails_its_test_by_name(tmp_path: Path, body: str, said: str) -> None:
    try:
        report = _report(tmp_path, body)
    finally:
        SHARED.unlink(missing_ok=True)
    assert "the test left behind" in report
    assert said in report, report


def test_a_tidy_test_passes(tmp_path: Path) -> None:
    report = _report(
        tmp_path, "import subprocess, tempfile\nsubprocess.run(['true'])\ntempfile.TemporaryFile().close()"
    )
    assert "1 passed" in report
