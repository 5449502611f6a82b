"""Signals while chains start, are held and are drained: exit codes are true, the books are printed, nobody stays."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

LONGEST_S = 60


@contextmanager
def started(folder: Path, what: str) -> Iterator["subprocess.Popen[str]"]:
    code = f"import sys; from tests.system import held_run; sys.exit(held_run.main({str(folder)!r}, {what!r}))"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def read_until(process: "subprocess.Popen[str]", word: str) -> list[int]:
    """Read what it says until it is at this; return the processes it names there."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(word):
            return [int(pid) for pid in line.split()[1:]]
    raise AssertionError(f"it has ended and never said {word}")


def ended(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout is not None
    last = process.stdout.read().splitlines()[-1]
    report: dict[str, Any] = json.loads(last)
    assert process.wait(LONGEST_S) == report["exit_code"] == 130
    assert report["outcome"] == "aborted"
    for edge in report["edges"]:
        assert edge["arrived"] == sum(edge["accounts"].values()), edge
        assert edge["in_flight"] == 0
    assert all(each["state"] == "stopped" for each in report["states"]), report["states"]
    return report


def assert_nobody_stays(pids: list[int]) -> None:
    for pid in pids:
        assert not Path(f"/proc/{pid}").exists()


def test_a_held_run_ends_at_the_first_signal_and_brings_out_what_it_has(tmp_path: Path) -> None:
    with started(tmp_path, "held") as process:
        pids = read_until(process, "running")
        assert len(pids) == 2
        process.send_signal(signal.SIGTERM)
        report = ended(process)
    assert report["reasons"] == ["stopped on request"]
    assert_nobody_stays(pids)


def test_a_run_that_starts_ends_when_it_has_started(tmp_path: Path) -> None:
    with started(tmp_path, "starting") as process:
        read_until(process, "making")
        process.send_signal(signal.SIGINT)
        (tmp_path / "starting").touch()
        report = ended(process)
    assert report["reasons"] == ["stopped on request"]


@pytest.mark.parametrize(("what", "by"), [("starting", signal.SIGTERM), ("draining", signal.SIGINT)])
def test_a_second_signal_ends_it_at_once(tmp_path: Path, what: str, by: signal.Signals) -> None:
    """Also while user code never comes back."""
    with started(tmp_path, what) as process:
        pids: list[int] = []
        if what == "starting":
            read_until(process, "making")
            process.send_signal(by)
            read_until(process, "heard")
        else:
            pids = read_until(process, "running")
            process.send_signal(by)
            assert read_until(process, "draining") == pids
        process.send_signal(by)
        report = ended(process)
    assert report["reasons"][0] == "stopped at once on request" or what == "draining"
    assert "stopped at once on request" in report["reasons"]
    assert_nobody_stays(pids)
