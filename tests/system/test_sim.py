"""The command ``penstock sim``: what it says, how it is stopped, and what it refuses."""

import json
import signal
import socket
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
import zmq

from penstock.simulators import SERVED, SIMULATORS
from tests.system.commands import ended, started
from tests.system.simulated_scan import ONE_OF_EACH, ended_with, opened, rows_of, simulating
from tests.system.sockets import read_scan

THERE = sorted(SIMULATORS | SERVED)
names = pytest.mark.parametrize("name", ONE_OF_EACH)


def test_it_says_what_it_sent_for_people(tmp_path: Path) -> None:
    words = ("sim", "stins", "--points", "4x5", "--faults", "lost=0.2,silence=0.1@3")
    with started(*words, folder=tmp_path) as process:
        line = process.line("stins → tcp://127.0.0.1:")
        source = opened("stins", line.split()[2])
        blocks, _ = read_scan(source)
        source.close()
        said = process.end()
    sent = rows_of(blocks)
    assert (said.code, said.err) == (0, "")
    assert line.split(maxsplit=3)[3] == "(push), waiting for a receiver\n"
    assert f"stins: 20 of 20 points, {sent} frames in {sent + 2} packets, " in said.out
    assert f"injected: lost {20 - sent}, silence 1\n" in said.out


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
@names
def test_it_is_stopped_while_it_waits(tmp_path: Path, name: str, by: signal.Signals) -> None:
    with simulating(tmp_path, name) as (process, _):
        process.process.send_signal(by)
        report = ended_with(process)
    assert (report["code"], report["state"], report["text"]) == (130, "aborted", "stopped before the end")


@pytest.mark.parametrize(
    ("points", "text"),
    [("30x30", "stopped before everything was taken"), ("41x510", "stopped before the end")],
    ids=["all of it in its queue", "much still to come"],
)
@pytest.mark.parametrize("is_hasty", [False, True])
def test_a_stop_does_not_wait_for_whoever_takes_nothing(tmp_path: Path, points: str, text: str, is_hasty: bool) -> None:
    words = ("--points", points, "--wait-s", "600")
    with (
        simulating(tmp_path, "stins", *words) as (process, address),
        zmq.Context() as context,
        context.socket(zmq.PULL) as lazy,
    ):
        lazy.setsockopt(zmq.RCVHWM, 1)
        lazy.setsockopt(zmq.RCVBUF, 4096)
        lazy.setsockopt(zmq.LINGER, 0)
        lazy.connect(address)
        lazy.recv_multipart()
        before = -1.0
        while before != process.cpu_s():
            before = process.cpu_s()
            with pytest.raises(subprocess.TimeoutExpired):
                process.process.wait(0.3)
        process.process.send_signal(signal.SIGINT)
        process.line("ending the scan")
        if is_hasty:
            process.process.send_signal(signal.SIGINT)
        report = ended_with(process)
    assert report["state"] == "aborted"
    assert report["code"] == 130 or (is_hasty and report["code"] == -signal.SIGINT)  # it came when all had been said
    assert report["text"] == text or (is_hasty and report["text"] == "stopped at once")


@names
def test_waiting_costs_nothing(tmp_path: Path, name: str) -> None:
    with simulating(tmp_path, name) as (process, _):
        before = after = process.cpu_s()
        for _ in range(10):
            with pytest.raises(subprocess.TimeoutExpired):
                process.process.wait(1)
            before, after = after, process.cpu_s()
            if after - before < 0.1:
                break
        assert after - before < 0.1


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        for name in ONE_OF_EACH:
            said = ended("sim", name, "--bind", address, folder=tmp_path)
            assert (said.code, said.out) == (1, "")
            assert said.err.startswith(f"penstock sim: {address} is in use by another program")
        said = ended("sim", "stins", "--bind", address, "--json", folder=tmp_path)
        assert (said.code, json.loads(said.out)["state"]) == (1, "failed")


def test_nobody_who_receives_ends_the_command(tmp_path: Path) -> None:
    said = ended("sim", "xspress3", "--wait-s", "0.1", folder=tmp_path)
    assert said.code == 1
    assert "nobody came to receive xspress3 within 0.1 s" in said.err


def test_a_simulator_of_ones_own_that_breaks_is_named(tmp_path: Path) -> None:
    code = """
from penstock.protocols.stins import StinsDecoder, encode_start
from penstock.simulators import Simulator


class Camera(Simulator):
    decoder = StinsDecoder

    def start(self):
        return [encode_start("a")]

    def point(self, number):
        if number == 3:
            return self.scan.pointe
        return [[b"{}"]]

    end = start
"""
    (tmp_path / "camera.py").write_text(code)
    with simulating(tmp_path, "camera:Camera") as (process, address), closing(opened("stins", address)):
        report = ended_with(process)
    assert (report["code"], report["state"], report["triggered"]) == (1, "failed", 3)
    assert report["text"].startswith("Camera.point raised AttributeError: 'XrfScan' object has no attribute 'pointe'")
    assert report["text"].endswith("(camera.py, line 14)")


def test_by_default_only_this_machine_is_served(tmp_path: Path) -> None:
    for name in ONE_OF_EACH:
        with simulating(tmp_path, name) as (_, address):
            assert address.startswith("tcp://127.0.0.1:")
            assert not address.endswith(":0")


def test_what_there_is_is_listed(tmp_path: Path) -> None:
    said = ended("sim", "--list", folder=tmp_path)
    assert said.code == 0
    for word in (*THERE, "lost=P", "silence=S@N", "disconnect@N"):
        assert f"  {word} " in said.out
    listed = json.loads(ended("sim", "--list", "--json", folder=tmp_path).out)
    assert [each["name"] for each in listed["simulators"]] == THERE
    assert all(each["line"] for each in listed["simulators"] + listed["faults"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], f"NAME: no simulator is called ''; there are {', '.join(THERE)}"),
        (["camera"], "NAME: no simulator is called 'camera'"),
        (["stins", "--points", "0x5"], '--points: "0x5" is no mesh; write ROWSxCOLUMNS'),
        (["stins", "--bind", "localhost:5"], '--bind: "localhost:5" does not say how it is reached; write "tcp://'),
        (["stins", "--rate=-1"], "--rate: -1 cannot be; write a number from 0"),
        (["stins", "--wait-s=-1"], "--wait-s: -1 cannot be"),
        (["stins", "--series", "0"], "--series: 0 is too small; write 1 or more"),
        (["stins", "--seed=-5"], "--seed: -5 is too small; write 0 or more"),
        (["stins", "--faults", "lots=1"], '--faults: "lots=1" is no fault; there are lost, doubled'),
        (["stins", "--faults", "disconnect@9999"], "--faults.disconnect: there is no point 9999; points go from 0 to"),
    ],
)
def test_what_is_wrong_as_written_is_refused(tmp_path: Path, words: list[str], says: str) -> None:
    said = ended("sim", *words, folder=tmp_path)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"penstock: {says}")
