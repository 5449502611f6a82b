"""How long a newcomer waits for the first point of the demo's map: from the command on, and from a fresh clone on."""

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.effort import Effort
from bench.row import Row
from penstock.client import connect
from penstock.errors import PenstockError

__all__ = ["rows"]

ROOT = Path(__file__).parent.parent
MAP = "image/map/Fe"
LOOK_S = 0.02
OURS_S, WHOLE_S = 5.0, 60.0
GIVE_UP_S = 600.0


def rows(effort: Effort) -> Iterator[Row]:
    """Measure the demo at its own pace; with much effort a fresh clone too, with environment and installation."""
    command = [str(Path(sys.executable).parent / "penstock"), "demo"]
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        took = [_first_point_s(command, Path(folder)) for _ in range(effort.runs)]
    yield Row(
        name="demo: first point of the map over HTTP, from penstock demo on", value=statistics.median(took), unit="s",
        reference=0, of="", target=OURS_S, asks="at most",
    )  # fmt: skip
    if effort.with_clone:
        yield Row(
            name="demo: the same, from a fresh clone and ./dev demo on", value=_from_clone_s(), unit="s",
            reference=0, of="", target=WHOLE_S, asks="at most",
        )  # fmt: skip


def _from_clone_s() -> float:
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as name:
        folder, begin = Path(name), time.perf_counter()
        subprocess.run(["git", "clone", "-q", str(ROOT), str(folder / "penstock")], check=True)
        cloned = time.perf_counter() - begin
        return cloned + _first_point_s([str(folder / "penstock/dev"), "demo"], folder)


def _first_point_s(command: list[str], folder: Path) -> float:
    """Start a demo, and return the seconds until a point of its map is there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [*command, "--exit", "--points", "10x10", "--serve", str(port), "--out", str(folder / "out")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    begin = time.perf_counter()
    with (folder / "printed").open("w+") as printed:
        process = subprocess.Popen(
            words, cwd=folder, env=environment, stdout=printed, stderr=printed, start_new_session=True
        )
        try:
            while not _has_point(port):
                if process.poll() is not None or time.perf_counter() - begin > GIVE_UP_S:
                    raise TimeoutError(f"{command[0]}: no point; {(folder / 'printed').read_text()[-500:]}")
                time.sleep(LOOK_S)
            took = time.perf_counter() - begin
            if process.wait(GIVE_UP_S):
                raise RuntimeError(f"{command[0]} ended with {process.returncode}")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return took


def _has_point(port: int) -> bool:
    try:
        with connect(f"127.0.0.1:{port}") as seen:
            return MAP in seen and bool(np.isfinite(seen[MAP][...]).any())
    except PenstockError:  # nobody serves yet
        return False
