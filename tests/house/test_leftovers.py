"""The ground the tests stand on: a test that leaves something behind fails, and says what."""

import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
SHARED = Path("/dev/shm/penstock-left-by-a-test")


def _report(folder: Path, body: str) -> str:
    (folder / "conftest.py").write_text(CONFTEST.read_text())
    (folder / "test_one.py").write_text("def test_one():\n" + "".join(f"    {line}\n" for line in body.splitlines()))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(folder)]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder).stdout


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import subprocess\nchild = subprocess.Popen(['sleep', '3'])\nglobals()['child'] = child", "sleep 3"),
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
    assert said in report


def test_a_tidy_test_passes(tmp_path: Path) -> None:
    report = _report(
        tmp_path, "import subprocess, tempfile\nsubprocess.run(['true'])\ntempfile.TemporaryFile().close()"
    )
    assert "1 passed" in report
