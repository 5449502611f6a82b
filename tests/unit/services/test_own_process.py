"""What a process asks of the kernel for itself, tried in one that may be spoiled."""

import subprocess
import sys

SCRIPT = """
import os, signal, sys
from pathlib import Path
from penstock.services import own_process
own_process.name_process(sys.argv[1])
print(Path("/proc/self/comm").read_text().strip())
print(Path("/proc/self/cmdline").read_bytes().rstrip(b"\\0").decode(errors="replace"))
print(sys.argv[1], sys.orig_argv[-1])
"""


def named(name: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", SCRIPT, name], capture_output=True, check=True, text=True)
    return done.stdout.splitlines()


def test_a_name_is_short_and_long() -> None:
    assert named("worker of Bragg peaks") == [
        "worker of Bragg",
        "worker of Bragg peaks",
        "worker of Bragg peaks worker of Bragg peaks",
    ]


def test_a_name_that_looks_like_the_kernels_brackets_is_harmless() -> None:
    assert named(") R 1 (x")[:2] == [") R 1 (x", ") R 1 (x"]
    assert named(") R 1 (x" * 1000)[0] == ") R 1 (x) R 1 ("


def test_a_child_of_somebody_who_is_dead_ends_at_once() -> None:
    # No process is its own parent, so it must take its parent for dead.
    for name in ("die_with", "wake_at_death_of"):
        script = f"import os; from penstock.services.own_process import {name}; {name}(os.getpid()); print('lives')"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")
