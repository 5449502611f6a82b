"""What every test stands on: fixed seeds, the real recordings, and proof that a test leaves nothing behind."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

SUITES = ("decoder", "engine", "store", "store_index", "store_log", "store_streams")
pytest.register_assert_rewrite(*(f"penstock.testing.{suite}_tests" for suite in SUITES), "penstock.testing.store_model")

ROOT = Path(__file__).parent.parent

# too_slow is a statement about the machine, which may be shared; a deadline likewise.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
settings.register_profile("quick", _PATIENT, max_examples=50, derandomize=True, database=None)
settings.register_profile("long", _PATIENT, max_examples=2000, print_blob=True)
settings.load_profile("quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the longer searches too, with new seeds")


def pytest_configure(config: pytest.Config) -> None:
    # With it a line is written in pieces, and those of several processes on one pipe come mixed.
    os.environ.pop("PYTHONUNBUFFERED", None)
    if config.getoption("--long"):
        settings.load_profile("long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        for item in items:
            item.add_marker(pytest.mark.timeout(900))
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="a longer search; run with --long"))


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of real instruments' recordings, which are too large to be committed."""
    folder = Path(os.environ.get("PENSTOCK_RECORDINGS", ROOT.parent / "shared" / "recordings"))
    if not folder.is_dir():
        pytest.skip(f"no recordings in {folder}; set PENSTOCK_RECORDINGS to the folder that has them")
    return folder


@pytest.fixture(scope="session", autouse=True)
def temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give this process and its children a place of their own for temporary files, so that leftovers have an owner."""
    tmp_path_factory.getbasetemp()  # pytest's own folders, kept on purpose, stay where they were
    folder = Path(tempfile.mkdtemp(prefix="penstock-"))
    before = tempfile.tempdir, os.environ.get("TMPDIR")
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    yield folder
    tempfile.tempdir = before[0]
    if before[1] is None:
        del os.environ["TMPDIR"]
    else:
        os.environ["TMPDIR"] = before[1]
    shutil.rmtree(folder)


def _children() -> set[int]:
    found: set[int] = set()
    for text in Path("/proc/self/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found.update(map(int, text.read_text().split()))
    return found


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "ended"
    return b" ".join(words).decode(errors="replace").strip() or "ended, never waited for"


def _shared_memory() -> set[str]:
    # Only names that Python or we give: other programs on this machine come and go as they like. A test of this very
    # fixture leaves something on purpose, under a name of its own that only its inner run looks for.
    ours = ("penstock", "psm_", "sem.mp-", *filter(None, [os.environ.get("PENSTOCK_LEFTOVER")]))
    return {path.name for path in Path("/dev/shm").glob("*") if path.name.startswith(ours)}


def _still(found: Callable[[], set[str]], within_s: float = 1.0) -> set[str]:
    """Look again for a while, because a neighbour's test in another process may be in the midst of its work."""
    end = time.monotonic() + within_s
    while (left := found()) and time.monotonic() < end:
        time.sleep(0.02)
    return left


@pytest.fixture(autouse=True)
def nothing_left_behind(temporary_folder: Path) -> Iterator[None]:
    """Fail a test that leaves a child process, shared memory or a temporary file behind."""
    children, memory, files = _children(), _shared_memory(), set(temporary_folder.iterdir())
    yield
    left = [f"process {pid}: {_command(pid)}" for pid in sorted(_children() - children)]
    left += [f"/dev/shm/{name}" for name in sorted(_still(lambda: _shared_memory() - memory))]
    left += [str(path) for path in sorted(set(temporary_folder.iterdir()) - files)]
    assert not left, "the test left behind: " + "; ".join(left)
