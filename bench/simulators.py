"""How fast each simulated instrument sends flat out, beside a bare socket that sends the same messages, made before.

Both are processes of their own; what is timed is how long this one takes to receive all of a scan.
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial

import zmq

from bench.effort import Effort
from bench.local_run import ROOT, RunError
from bench.row import Row, in_turns
from penstock.services.simulated import Simulated
from penstock.services.simulation import Setup
from penstock.simulators import SIMULATORS, simulator_named
from penstock.simulators.simulator import Simulator
from penstock.simulators.xrf_scan import XrfScan
from penstock.transport.address import host_and_port

__all__ = ["rows"]

HOPED_PER_S = 2000.0
COLUMNS = 50
WAIT_MS = 30_000


def rows(effort: Effort) -> Iterator[Row]:
    """Measure all that are shipped."""
    scan = XrfScan(max(1, effort.count(HOPED_PER_S, COLUMNS) // COLUMNS), COLUMNS)
    for name in SIMULATORS:
        simulator = simulator_named(name)(scan)
        messages = [parts for packets in simulator.packets() for parts in packets]
        size = sum(len(part) for parts in messages for part in parts)
        take = partial(_taken_s, simulator, len(messages), size)
        bare, ours = in_turns(effort.runs, partial(_bare_s, name, scan, take), partial(_ours_s, name, scan, take))
        yield Row(
            name=f"simulators: {name} over {simulator.socket}, frames of {size // scan.points:,} bytes",
            value=scan.points / ours, unit="points/s", reference=scan.points / bare,
            of="bare socket, the same messages",
        )  # fmt: skip


def _ours_s(name: str, scan: XrfScan, take: "partial[float]") -> float:
    with Simulated(Setup(instrument=name, rows=scan.rows, columns=scan.columns)) as simulated:
        took = take(simulated.address)
        report = simulated.wait(WAIT_MS / 1000)
        if report is None or report.frames != scan.points:
            raise RunError(f"the simulated {name} sent {report and report.frames} frames of {scan.points}")
    return took


def _bare_s(name: str, scan: XrfScan, take: "partial[float]") -> float:
    words = [sys.executable, "-m", "bench.bare_sender", name, str(scan.rows), str(scan.columns)]
    sender = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert sender.stdout is not None
        took = take(json.loads(sender.stdout.readline())["address"])
        if sender.wait(WAIT_MS / 1000):
            raise RunError(f"the bare sender of {name} ended with {sender.returncode}")
    finally:
        sender.kill()
        sender.communicate()
    return took


def _taken_s(simulator: Simulator, messages: int, size: int, address: str) -> float:
    """Receive everything, and return the seconds from the first message to the last."""
    if simulator.socket == "tcp":
        return _stream_s(simulator.greeting, size, address)
    kind = zmq.PULL if simulator.socket == "push" else zmq.SUB
    with zmq.Context() as context, context.socket(kind) as receiver:
        receiver.set(zmq.RCVTIMEO, WAIT_MS)
        if kind == zmq.SUB:
            receiver.subscribe(b"")
        receiver.connect(address)
        receiver.recv_multipart(copy=False)
        begin = time.perf_counter()
        for _ in range(messages - 1):
            receiver.recv_multipart(copy=False)
        return time.perf_counter() - begin


def _stream_s(greeting: bytes, size: int, address: str) -> float:
    room = bytearray(1 << 20)
    with socket.create_connection(host_and_port(address), WAIT_MS / 1000) as link:
        link.sendall(greeting)
        left = size - link.recv_into(room)
        begin = time.perf_counter()
        while left:
            got = link.recv_into(room)
            if not got:
                raise RunError(f"{address} ended {left:,} bytes before its end")
            left -= got
        return time.perf_counter() - begin
