"""Stopping a run from outside: once brings out what has arrived, twice stops at once; waiting costs nothing."""

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import pytest

from penstock.protocols import stins
from penstock.transport.zmq import ZmqSender
from tests.system.commands import LONGEST_S, Process, Said, assert_adds_up, assert_speaks_of_the_users_world, ledger_of
from tests.system.small_job import PIXELS, SmallJob

HEARD = "bringing out what has arrived; Ctrl-C again stops at once"
TELL = 'image = event["det"]\n    print("at", event.number, flush=True)'


@pytest.fixture
def job(tmp_path: Path) -> SmallJob:
    return SmallJob(tmp_path)


@contextmanager
def detector(job: SmallJob) -> Iterator[ZmqSender]:
    """A detector of which the job's is an observer, and which goes on until it is told otherwise."""
    sender = ZmqSender("push", "tcp://127.0.0.1:0")
    sender.open()
    job.sources["det"] = {"use": "stins", "connect": sender.address}
    job.join |= {"by": "order", "wait_s": 600}
    job.write()
    try:
        yield sender
    finally:
        sender.close(0)


def send(sender: ZmqSender, images: range) -> None:
    packets = [stins.encode_image(n, PIXELS * n) for n in images]
    for packet in [stins.encode_start("a.h5"), *packets] if images.start == 0 else packets:
        assert sender.send(packet, LONGEST_S)


def end(process: Process, job: SmallJob) -> Said:
    said = process.end(job.folder / "report.json")
    assert_speaks_of_the_users_world(said)
    assert_adds_up(said)
    return said


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_brings_out_what_has_arrived(job: SmallJob, by: signal.Signals) -> None:
    job.code = job.code.replace('image = event["det"]', TELL)
    with detector(job) as sender, job.start() as process:
        send(sender, range(5))
        process.line("at 4")
        process.process.send_signal(by)
        said = end(process, job)
    assert said.code == 130
    assert HEARD in said.err
    assert said.report["outcome"] == "aborted"
    assert said.report["reasons"][0] == "stopped on request"
    assert said.edge("det", "scan") == {"in": 6, "joined": 6}
    assert said.edge("con", "scan") == {"in": 12, "joined": 12}
    with h5py.File(job.folder / "out" / "r1.h5") as file:
        assert file.attrs["outcome"] == "aborted"
        assert file["numbers"][()].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("stuck", ["time.sleep(600)", "while True: pass"])
@pytest.mark.parametrize("where", ["item", "end", "close"])
def test_two_signals_stop_at_once(job: SmallJob, stuck: str, where: str) -> None:
    wait = (
        f'print("stuck", flush=True); {stuck}'
        if "while" not in stuck
        else f'print("stuck", flush=True)\n        {stuck}'
    )
    job.code = f"import time\n{job.code}"  # not in the hook: an interrupt that comes while modules load is swallowed
    hook = {"item": "def reduce(self, result: Result):", "end": "def end(self, event):", "close": "def close(self):"}
    if where == "item":
        job.code = job.code.replace(hook["item"], f"{hook['item']}\n        if result.number == 3:\n            "
                                    + wait.replace("\n        ", "\n            "))  # fmt: skip
    else:
        job.code += f"\n    {hook[where]}\n        {wait}\n"
    with detector(job) as sender, job.start() as process:
        send(sender, range(5))
        if where != "item":
            assert sender.send(stins.encode_end(), LONGEST_S)
        process.line("stuck")
        process.process.send_signal(signal.SIGINT)
        process.line(HEARD)
        assert process.process.poll() is None
        process.process.send_signal(signal.SIGINT)
        said = end(process, job)
    assert said.code == 130
    assert said.report["outcome"] == "aborted"
    assert "stopped at once on request" in said.report["reasons"]
    if where == "item":
        assert said.edge("count", "sums")["done"] == 3
        assert said.edge("count", "sums")["aborted"] > 0
    with h5py.File(job.folder / "out" / "r1.h5") as file:
        assert file.attrs["outcome"] == "aborted"
        assert file["numbers"][()].tolist() == list(range(3 if where == "item" else 10))[: 3 if where == "item" else 5]
    assert job.outputs == ["r1.h5"]


def test_a_signal_while_nothing_has_come(job: SmallJob) -> None:
    with detector(job) as sender, job.start() as process:
        assert sender.wait_for_peers(1, LONGEST_S)
        process.process.send_signal(signal.SIGINT)
        said = end(process, job)
    assert said.code == 130
    assert said.edge("instrument", "det") == {"in": 0}
    assert job.outputs == []


@pytest.mark.parametrize("is_there", [True, False])
def test_waiting_costs_nothing(job: SmallJob, is_there: bool) -> None:
    with detector(job) as sender:
        if not is_there:
            job.sources["gone"] = {"use": "pandabox", "connect": "tcp://127.0.0.1:1", "connect_s": 0}
            job.sources["away"] = {"use": "contrast", "connect": "tcp://127.0.0.1:1", "connect_s": 0}
            job.stages["watch"] = {"from": "gone", "steps": ["count"]}
            job.stages["watch_too"] = {"from": "away", "steps": ["count"]}
            job.write()
        with job.start() as process:
            assert sender.wait_for_peers(1, LONGEST_S)
            # Whoever has been reached has been opened; what remains of starting is over when time passes at no cost.
            before = after = process.cpu_s()
            for _ in range(10):
                with pytest.raises(subprocess.TimeoutExpired):
                    process.process.wait(2)
                before, after = after, process.cpu_s()
                if after - before < 0.25:
                    break
            assert after - before < 0.25
            process.process.send_signal(signal.SIGINT)
            assert end(process, job).code == 130


# A disk that has no room


LARGE = """
class Large:
    def __init__(self):
        self.views = {}

    def reduce(self, value):
        self.views = {"large": np.ones((1000, 1000))}
"""


def assert_says_that_nothing_was_written(job: SmallJob, said: Said, why: str) -> None:
    assert_speaks_of_the_users_world(said)
    assert_adds_up(said)
    assert said.code == 1
    assert f"out/r1.h5: not written: {why}" in said.out
    assert said.report["outputs"] == {}
    assert job.outputs == []


def test_a_full_disk(job: SmallJob) -> None:
    out = job.folder / "out"
    out.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(out)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this needs the right to mount a tmpfs; the same with a limit for files follows")
    try:
        job.code += LARGE
        job.stages["sums"]["reduce"] = "code:Large"
        job.write()
        with job.start() as process:
            said = process.end(job.folder / "report.json")
        assert_says_that_nothing_was_written(job, said, "the disk is full")
    finally:
        subprocess.run(["umount", out], check=True)


def test_a_limit_for_the_size_of_files(job: SmallJob) -> None:
    job.code += LARGE
    job.stages["sums"]["reduce"] = "code:Large"
    job.write()
    with job.start("--engine", "inline") as process:  # the limit holds for shared memory too
        resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, (1 << 18, 1 << 18))
        said = process.end(job.folder / "report.json")
    assert_says_that_nothing_was_written(job, said, "File too large")


def test_a_report_that_finds_no_room(job: SmallJob) -> None:
    job.sinks = {"print": {"use": "print", "from": "count"}}
    job.write()
    with job.start("--engine", "inline") as process:
        resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, (1 << 10, 1 << 10))
        said = process.end()
    assert_speaks_of_the_users_world(said)
    assert said.code == 1
    assert "--report: report.json was not written: File too large" in said.err
    assert ledger_of(said.out)["count", "print"]["done"] == 10
    assert not job.folder.joinpath("report.json").exists()


AS_IT_ENDS = """\
import os, signal
from penstock.cli import run
from penstock.cli.main import main

def write(*arguments, then=run.write_report):
    os.kill(os.getpid(), signal.SIGINT)
    return then(*arguments)

run.write_report = write
main()
"""


def test_a_signal_just_as_a_run_has_ended_by_itself_loses_no_report(job: SmallJob) -> None:
    job.write()
    words = [sys.executable, "-c", AS_IT_ENDS, "run", "pipeline.yaml", "--report", "report.json", "--engine", "inline"]
    said = subprocess.run(words, cwd=job.folder, capture_output=True, text=True, check=False, timeout=LONGEST_S)
    assert (said.returncode, "Traceback" in said.stderr) == (0, False)
    assert "finished" in said.stdout
    assert json.loads((job.folder / "report.json").read_bytes())["outcome"] == "finished"
