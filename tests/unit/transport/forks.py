"""Real processes for these tests: made by fork, killed by SIGKILL, always waited for."""

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def forked(work: Callable[[], object]) -> Iterator[int]:
    """Give the pid of a child that does ``work`` and ends; kill it, if it still runs, and wait for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn where there are threads
        pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a child must not return into the test
            traceback.print_exc()
            sys.stderr.flush()
        finally:  # never back into the test
            os._exit(1)
    try:
        yield pid
    finally:
        kill(pid)


def kill(pid: int) -> None:
    """Kill a child and wait until everything it had is given back; nothing if that was done before."""
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def holders(label: str) -> set[int]:
    """Return the processes that have a mapping or a descriptor of a memory of this name; without any it is freed."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = [process / "maps", *process.joinpath("fd").iterdir()]
        except OSError:  # it ended, or is not ours
            continue
        if any(label in _text(link) for link in links):
            found.add(int(process.name))
    return found


def _text(link: Path) -> str:
    try:
        return link.read_text() if link.name == "maps" else str(link.readlink())
    except OSError:  # closed meanwhile, such as the one that lists this process's own
        return ""
