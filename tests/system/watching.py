"""Watching real processes: waiting for deaths, reading to the end, and a supervisor that may be killed."""

import os
import random
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from penstock.services.processes import Death, Processes

ROOT = Path(__file__).parents[2]
PATIENCE_S = 40.0
"""How long anything may take on a loaded machine, in s; below the time limit of a test."""


def told(processes: Processes, number: int = 1) -> list[Death]:
    """Wait for exactly so many deaths."""
    deaths: list[Death] = []
    end = time.monotonic() + PATIENCE_S
    while len(deaths) < number:
        assert time.monotonic() < end, f"only {len(deaths)} of {number} deaths were told"
        deaths += processes.poll(1.0)
    assert len(deaths) == number
    return deaths


def read(fd: int, size: int = 65_536) -> bytes:
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    assert poller.poll(PATIENCE_S * 1000), "nothing came, and no end either"
    return os.read(fd, size)


def read_all(fd: int) -> bytes:
    """Read until nobody has the other end."""
    return b"".join(iter(lambda: read(fd), b""))


def descendants(pid: int) -> list[int]:
    """Return the children of a process, theirs, and so on."""
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # it has gone meanwhile
            for child in map(int, tasks.read_text().split()):
                found += [child, *descendants(child)]
    return found


class Pipe:
    """A pipe whose writing end is given away."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()

    def give(self) -> int:
        """Close the writing end here; what was given it has it still. Return the reading end."""
        os.close(self.write)
        self.write = -1
        return self.read

    def close(self) -> None:
        for fd in (self.read, self.write):
            if fd >= 0:
                os.close(fd)


def held() -> dict[str, str]:
    """Return what this process has open, by descriptor."""
    found = {}
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that the list is read with
            found[path.name] = str(path.readlink())
    return found


def left_open(before: Mapping[str, str], within_s: float = 5.0) -> dict[str, str]:
    """Return what this process has open and had not before, and still has a while later.

    Threads of libraries, such as that of Channel Access, which looks for a server that an earlier test has killed, open
    sockets and close them again at any time.
    """
    end = time.monotonic() + within_s
    left = held().items() - before.items()
    while left and time.monotonic() < end:
        time.sleep(0.02)
        left &= held().items()
    return dict(left)


def rounds(request: pytest.FixtureRequest, few: int, many: int = 500) -> Iterator[random.Random]:
    """Yield dice: few and always the same, or many and new ones."""
    is_long = request.config.getoption("--long")
    for number in range(many if is_long else few):
        seed = time.time_ns() if is_long else number
        sys.stdout.write(f"seed {seed}\n")  # shown if the test fails
        yield random.Random(seed)


class Supervisor:
    """A supervisor in a process of its own; the end of ``fd`` is the end of everybody it has started."""

    def __init__(self, case: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.system.supervised", case],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.fd = self.process.stdout.fileno()

    def read_until(self, end: bytes) -> bytes:
        seen = b""
        while end not in seen:
            data = read(self.fd)
            assert data, f"it ended after {seen!r}"
            seen += data
        return seen

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
