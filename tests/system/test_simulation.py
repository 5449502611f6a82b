"""A simulation in a thread or a process: who it waits for, how it is stopped, and that it leaves nothing behind."""

import gc
import importlib
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import zmq

from penstock.core import Block, Kind
from penstock.elements.source import Source
from penstock.errors import CheckError, ProcessError, SourceError
from penstock.services.simulated import Simulated
from penstock.services.simulation import Setup, Simulation, SimulationReport
from penstock.simulators import SIMULATORS, simulator_named
from penstock.simulators.xrf_scan import XrfScan
from penstock.transport.zmq import ZmqReceiver
from tests.system.commands import LONGEST_S
from tests.system.simulated_scan import ONE_OF_EACH, opened, rows_of
from tests.system.sockets import DEADLINE_S, read_scan
from tests.system.watching import held

names = pytest.mark.parametrize("name", ONE_OF_EACH)


@pytest.fixture(scope="module", autouse=True)
def _receivers_share_a_context() -> None:
    """Open once what all ZeroMQ receivers of a process share and never close."""
    zmq.Context.instance().socket(zmq.PULL).close()


@pytest.fixture
def nothing_left_open() -> Iterator[None]:
    """Fail a test that leaves a descriptor open; ZeroMQ closes those of its sockets a little later."""
    gc.collect()
    before = set(held())
    yield
    gc.collect()
    wait_until(lambda: set(held()) <= before)


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < deadline, "that never comes"
        time.sleep(0.02)


def small(name: str = "stins", **more: object) -> Setup:
    return Setup(**{"instrument": name, "rows": 4, "columns": 5, "seed": 3, **more})  # type: ignore[arg-type]


@contextmanager
def in_a_thread(setup: Setup) -> Iterator[tuple[Simulation, list[SimulationReport]]]:
    """Run a simulation in a thread; its report is in the list at the end."""
    simulation = Simulation(setup)
    simulation.open()
    reports: list[SimulationReport] = []
    thread = threading.Thread(target=lambda: reports.append(simulation.run()))
    thread.start()
    try:
        yield simulation, reports
    finally:
        thread.join(DEADLINE_S)
        simulation.stop()
        assert not thread.is_alive(), "the simulation does not end"


OTHERWISE = {"ess", "sardana", "pandabox-unframed"}
"""Who are told more than an address, or close after each scan."""


@pytest.mark.parametrize("name", sorted({*SIMULATORS} - OTHERWISE))
def test_a_thread_sends_to_its_own_process(nothing_left_open: None, name: str) -> None:
    with in_a_thread(small(name, series=2)) as (simulation, reports):
        source = opened(name, simulation.address)
        blocks, lost = read_scan(source, scans=2)
        source.close()
    (report,) = reports
    assert (report.state, report.exit_code, report.text) == ("finished", 0, "")
    assert (report.points, report.triggered, report.frames, rows_of(blocks)) == (40, 40, 40, 40)
    first, *scan = simulator_named(name)(XrfScan(4, 5, 3)).packets()
    assert report.packets == len(first) + 2 * sum(map(len, scan))
    assert lost == []


def test_the_next_scan_has_the_next_seed() -> None:
    with in_a_thread(small("xspress3", series=2)) as (simulation, _):
        source = opened("xspress3", simulation.address)
        blocks, _ = read_scan(source, scans=2)
        source.close()
    spectra = [m.array.sum(axis=0) for block in blocks if block.kind is Kind.DATA for m in block.messages()]
    wanted = [XrfScan(4, 5, seed).spectrum(point) for seed in (3, 4) for point in range(20)]
    np.testing.assert_array_equal(spectra, wanted)


@names
def test_a_client_that_comes_back_gets_the_rest(name: str) -> None:
    with in_a_thread(small(name, faults="disconnect@8")) as (simulation, reports):
        source, got, scans = opened(name, simulation.address), 0, 0
        if name == "pandabox":
            got = _rows_until_it_closes(source)
            source.close()
            source = opened(name, simulation.address)
        blocks, lost = read_scan(source)
        source.close()
        got += rows_of(blocks)
        scans += sum(block.kind is Kind.START for block in blocks)
    assert (got, scans, lost) == (20, 1, [])
    assert (reports[0].state, reports[0].injected["disconnect"]) == ("finished", 1)


def _rows_until_it_closes(source: Source) -> int:
    rows = 0
    while True:
        reading = source.read(time.time_ns())
        rows += rows_of(list(reading.blocks))
        if reading.ended:
            return rows
        select.select([source.pollable], [], [], 0.1)


def test_nobody_who_comes_back_is_named(nothing_left_open: None) -> None:
    simulation = Simulation(small("pandabox", faults="disconnect@8", wait_s=0.3))
    simulation.open()
    source = opened("pandabox", simulation.address)
    thread = threading.Thread(target=_rows_until_it_closes, args=[source])
    thread.start()
    report = simulation.run()
    thread.join(DEADLINE_S)
    source.close()
    assert (report.state, report.exit_code, report.frames) == ("failed", 1, 8)
    assert "nobody came back after the disconnect to receive pandabox within 0.3 s" in report.text


@names
def test_nobody_who_receives_is_named(nothing_left_open: None, name: str) -> None:
    simulation = Simulation(small(name, wait_s=0.1))
    simulation.open()
    report = simulation.run()
    assert (report.state, report.exit_code, report.packets, report.seconds) == ("failed", 1, 0, 0.0)
    assert f"nobody came to receive {name} within 0.1 s; start the other side, or wait longer" in report.text


def test_somebody_who_receives_nothing_is_named() -> None:
    with in_a_thread(small(rows=41, columns=51, series=10, wait_s=0.5)) as (simulation, reports):
        receiver = ZmqReceiver("pull", simulation.address)
        receiver.open()
        wait_until(lambda: bool(reports))
        receiver.close()
    (report,) = reports
    assert (report.state, report.exit_code) == ("failed", 1)
    assert "whoever receives stins has taken nothing for 0.5 s; see whether it still reads" in report.text
    assert 0 < report.frames < report.points


def test_a_subscriber_that_leaves_is_named() -> None:
    with in_a_thread(small("xspress3", rows=41, columns=51, rate_hz=100.0)) as (simulation, reports):
        receiver = ZmqReceiver("sub", simulation.address)
        receiver.open()
        while receiver.receive() is None:
            receiver.wait(1)
        receiver.close()
    assert (reports[0].state, reports[0].exit_code) == ("failed", 1)
    assert "the last subscriber has gone" in reports[0].text


@names
def test_a_thread_is_stopped_while_it_waits_and_while_it_sends(name: str) -> None:
    with in_a_thread(small(name)) as (simulation, reports):
        simulation.stop()
    assert (reports[0].state, reports[0].packets) == ("aborted", 0)
    with in_a_thread(small(name, rate_hz=0.1)) as (simulation, reports):
        source = opened(name, simulation.address)
        blocks: list[Block] = []
        while not rows_of(blocks):
            blocks += source.read(time.time_ns()).blocks
        simulation.stop()
        blocks += read_scan(source)[0]
        source.close()
    assert (reports[0].state, reports[0].triggered, rows_of(blocks)) == ("aborted", 1, 1)


def test_frames_held_back_at_a_stop_are_sent() -> None:
    with in_a_thread(small(rate_hz=10.0, faults="late=1")) as (simulation, reports):
        source = opened("stins", simulation.address)
        wait_until(lambda: simulation.report.triggered >= 3)
        simulation.stop()
        blocks, _ = read_scan(source)
        source.close()
    assert reports[0].triggered == reports[0].frames == rows_of(blocks)


def test_every_mistake_of_a_setup_is_named_at_once() -> None:
    wrong = Setup(
        instrument="stins", rows=0, columns=-1, seed=-1, series=0, rate_hz=float("nan"), wait_s=-1.0, peers=0,
        faults="lots=1", address="tcp://panda",
    )  # fmt: skip
    for make in (Simulation, Simulated):
        with pytest.raises(CheckError) as caught:
            make(wrong)
        where = [problem.where for problem in caught.value.problems]
        assert where == ["rows", "columns", "seed", "series", "peers", "rate_hz", "wait_s", "faults", "address"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"instrument": "camera"}, "instrument: no simulator is called 'camera'"),
        ({"instrument": "pandabox", "address": "ipc://box"}, "address: .* is not reached over TCP"),
        ({"compression": "zip"}, "compression: stins cannot compress by 'zip'; write one of bslz4, bszstd, lz4"),
        ({"instrument": "pandabox", "compression": "lz4"}, "pandabox cannot compress by 'lz4'; leave it out"),
        ({"instrument": "pandabox", "peers": 2}, "peers: pandabox serves one client; write 1"),
        ({"faults": "silence=1@20"}, "faults.silence: there is no point 20; points go from 0 to 19"),
    ],
)
def test_a_setup_that_cannot_be_is_refused(more: dict[str, object], says: str) -> None:
    with pytest.raises(CheckError, match=says):
        Simulation(small(**more))  # type: ignore[arg-type]


# In a process of its own


def test_three_processes_start_together_and_leave_nothing(nothing_left_open: None) -> None:
    setups = [small(name) for name in ONE_OF_EACH]
    with Simulated(setups[0]) as a, Simulated(setups[1]) as b, Simulated(setups[2]) as c:
        for each in (a, b, c):
            source = opened(each.setup.instrument, each.address)
            blocks, lost = read_scan(source)
            source.close()
            assert (rows_of(blocks), lost) == (20, [])
            report = each.wait(LONGEST_S)
            assert report is not None
            assert (report.state, report.frames) == ("finished", 20)


def test_a_process_that_is_left_early_ends_in_order(nothing_left_open: None) -> None:
    with Simulated(small(rate_hz=5.0)) as camera:
        source = opened("stins", camera.address)
        blocks: list[Block] = []
        while not rows_of(blocks):
            blocks += source.read(time.time_ns()).blocks
        assert camera.wait(0) is None
    blocks += read_scan(source)[0]
    source.close()
    assert camera.report is not None
    assert camera.report.state == "aborted"
    assert camera.report.frames == rows_of(blocks)


def test_a_process_that_is_never_asked_is_ended_too(nothing_left_open: None) -> None:
    with Simulated(small()) as camera:
        pass
    assert camera.report is None or camera.report.state == "aborted"


def test_a_process_that_cannot_bind_says_so(nothing_left_open: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with Simulated(small(address=address)) as camera:
            with pytest.raises(SourceError, match=f"{address} is in use by another program"):
                _ = camera.address
            with pytest.raises(SourceError, match="is in use"):
                camera.wait(1)


def test_a_process_that_was_killed_is_named(nothing_left_open: None) -> None:
    with Simulated(small()) as camera:
        assert camera._process is not None
        camera._process.kill()
        camera._process.wait()
        with pytest.raises(ProcessError, match="the simulated stins ended before it began"):
            _ = camera.address
    assert camera.report is None


PARENT = """
import os, sys, threading
from penstock.services.simulated import Simulated
from penstock.services.simulation import Setup

def enter():
    with_it = Simulated(Setup(instrument="stins", rows=4, columns=5, wait_s=600.0)).__enter__()
    print(with_it.address, with_it._process.pid, flush=True)

thread = threading.Thread(target=enter)  # which ends long before the process does
thread.start()
thread.join()
sys.stdin.read()
os.kill(os.getpid(), 9)
"""


def test_a_process_dies_with_its_parent_and_not_with_its_parents_thread() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        _, pid = parent.stdout.readline().split()
        pidfd = os.pidfd_open(int(pid))
        assert not select.select([pidfd], [], [], 0.3)[0], "it died with a thread"
        parent.stdin.close()
        parent.wait(LONGEST_S)
        assert select.select([pidfd], [], [], LONGEST_S)[0], "it outlives its parent"
        os.close(pidfd)


def test_a_simulator_of_ones_own_is_kept_in_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("counter.py", "made_up_counter.py"):
        shutil.copy(Path(__file__).parents[2] / "examples" / "counter" / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    setup = Setup(instrument="made_up_counter:MadeUpCounter", rows=2, columns=3, faults="lost=0.3")
    source_of = importlib.import_module("counter").CounterSource
    with Simulated(setup) as counter:
        source = source_of(counter.address)
        source.stream = "counter"
        source.open()
        blocks, lost = read_scan(source)
        source.close()
        report = counter.wait(LONGEST_S)
    for name in ("counter", "made_up_counter"):
        sys.modules.pop(name)
    assert report is not None
    assert (report.state, lost, rows_of(blocks)) == ("finished", [], 6 - report.injected["lost"])
