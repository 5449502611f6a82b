"""Who else sends and receives STINS: the sender all share, a bare receiver, and dranspose if it is installed.

The peers lie outside of the repository, in ``../shared/peers`` or where PENSTOCK_PEERS says. Without the common sender
a small one of ours sends the same.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import zmq

from bench.effort import Effort
from bench.local_run import ROOT, WARM_UP

__all__ = ["Peer", "Sender", "bare_per_s", "dranspose"]

FOLDER = Path(os.environ.get("PENSTOCK_PEERS", ROOT.parent / "shared/peers")) / "dranspose"
OWN = Path(__file__).parent / "stins_sender.py"

Peer = tuple[float, str]
"""Events/s, and whose they are."""


class Sender:
    """The sender, as a process; a context manager."""

    def __init__(self) -> None:
        path = FOLDER / "stins_sender.py"
        if not path.exists():
            print(f"peer absent: {path}; {OWN.name} of ours sends instead", file=sys.stderr)
            path = OWN
        self.address = f"tcp://127.0.0.1:{_free_port()}"
        command = [sys.executable, str(path), "--bind", self.address]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != b"ready":
            self._process.kill()
            raise RuntimeError(f"the STINS sender cannot bind to {self.address}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def send(self, n: int, shape: tuple[int, int]) -> None:
        """Send a series of ``n`` images of two bytes a pixel, as fast as they are taken; this does not wait."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"n": n, "shape": shape}).encode() + b"\n")
        self._process.stdin.flush()


def bare_per_s(n: int, shape: tuple[int, int]) -> float:
    """Return images/s that this process receives without a copy, and does nothing with."""
    with Sender() as sender, zmq.Context() as context, context.socket(zmq.PULL) as receiver:
        receiver.connect(sender.address)
        receiver.set(zmq.RCVTIMEO, 30_000)
        sender.send(n, shape)
        receiver.recv()  # the start
        warm = int(WARM_UP * n)
        for k in range(n):
            if k == warm:
                begin = time.perf_counter()
            receiver.recv(copy=False)
            receiver.recv(copy=False)
        return (n - warm) / (time.perf_counter() - begin)


def dranspose(effort: Effort, worker: str, n: int, shape: tuple[int, int], recorded: float) -> Peer:
    """Return the events/s of dranspose with two workers, measured now if it is there, else as recorded.

    Parameters
    ----------
    effort
        How often.
    worker
        Name of the user code of its harness.
    n
        Images a run.
    shape
        Of the images.
    recorded
        Events/s of version 0.2.0 on the machine the targets come from.
    """
    folder = os.environ.get("DR_BIN")
    missing = "" if folder else "DR_BIN names no bin folder that has it"
    if folder and not (FOLDER / "bench.py").exists():
        missing = f"there is no {FOLDER / 'bench.py'}"
    if folder and not missing:
        try:
            found = _measured(folder, effort.runs, worker, n, shape)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            missing = f"its harness failed: {error}"
        else:
            return found, "dranspose"
    print(f"peer absent: dranspose ({missing}); recorded figures stand for it", file=sys.stderr)
    return recorded, "recorded: dranspose 0.2.0"


def _measured(folder: str, runs: int, worker: str, n: int, shape: tuple[int, int]) -> float:
    command = [
        *(str(Path(folder) / "python"), str(FOLDER / "bench.py")),
        *("--workers", "2", "--worker-class", worker, "--shape", f"{shape[0]}x{shape[1]}"),
        *("--n", str(n), "--runs", str(runs)),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=240)
    said: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    rates = [float(row["ev_s"]) for row in said if "ev_s" in row]
    if not rates:
        raise ValueError(f"no figure in {done.stdout[-200:]!r}")
    return statistics.median(rates)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
