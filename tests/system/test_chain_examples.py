"""The examples of chains as a newcomer runs them: in one process, and as services that come and go."""

import csv
import json
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.system.commands import LONGEST_S, Process, assert_adds_up, ended, started

ROOT = Path(__file__).parents[2]
PIPELINES = ROOT / "tests/pipelines"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copies of the examples, because outputs lie beside the pipeline unless they are told otherwise."""
    for example in ("supernova", "slow-control"):
        shutil.copytree(ROOT / "examples" / example, tmp_path / example, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_slow_control(folder: Path) -> None:
    report = folder / "report.json"
    words = ("run", "slow-control.yaml", "--run", "r1", "--report", str(report))
    with started(*words, folder=folder / "slow-control", environ={"EVERY_S": "0.02"}) as process:
        said = process.end(report)
    assert said.code == 0, said.text
    assert_adds_up(said)
    assert said.out.count("vacuum 5.2e-06 mbar at reading 20") == 1
    count = said.edge("instrument", "gauges")["in"]  # a machine that is busy misses some
    assert said.edge("gauges", "alarm") == {"in": count, "done": 1, "filtered": count - 1}
    with (folder / "slow-control/r1.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["reading"]) for row in rows] == list(range(count))
    means = [line["mean"] for line in lines(folder / "slow-control/r1-statistics.jsonl")]
    assert means[1] > 5e-6 > means[0]


def test_a_supernova_in_one_process(folder: Path) -> None:
    said = ended("run", "all-in-one.yaml", "-q", "--run", "r1", folder=folder / "supernova", environ={"SPEED": "200"})
    assert said.code == 0, said.text
    for way in ("Fisher", "Stouffer"):
        alerts = lines(folder / f"supernova/r1-{way.lower()}.jsonl")
        assert alerts[0]["what"] == "NEW"
        assert {alert["alert"] for alert in alerts} == {1}
        assert 5 <= alerts[-1]["from_s"] < 6
        assert alerts[-1]["z"] > 5


def test_branches_that_count_each_second() -> None:
    with started("run", "node-branching.yaml", folder=PIPELINES) as process:
        process.line("Positive values: ", 2)
        process.process.send_signal(signal.SIGINT)
        said = process.end()
    assert said.code == 130
    assert "node-branching" in said.out.splitlines()[-1]
    assert "generated +" in said.out


def free_ports(n: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(n)]
        return [each.getsockname()[1] for each in sockets]


@pytest.fixture
def environ(folder: Path) -> dict[str, str]:
    combiner, alert = free_ports(2)
    return {
        "COMBINER": f"tcp://127.0.0.1:{combiner}",
        "ALERT": f"tcp://127.0.0.1:{alert}",
        "PAGE": "0",
        "OUT": str(folder),
        "SPEED": "10",
        "SECONDS_OF_DATA": "1000000",
        "BURST_AT_S": "0",  # of each detector's own beginning
        "KEEP_S": "3000",  # 5 min as the clock of the wall goes: so much later may a process be ready than another
    }


class Services:
    """Clients, combiner and alert, as commands."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder, self.environ = folder / "supernova", environ
        self.running: dict[str, Process] = {}

    def start(self, name: str) -> None:
        file = "client" if name in ("left", "right") else name
        words = ("run", f"{file}.yaml", "-q", *(("--run", name) if name == "alert" else ()))
        self.running[name] = Process(*words, folder=self.folder, environ={**self.environ, "DETECTOR": name})

    def kill(self, name: str) -> None:
        self.running.pop(name).close()

    def stop(self, name: str) -> Any:
        process = self.running.pop(name)
        process.process.send_signal(signal.SIGINT)
        try:
            return process.end()
        finally:
            process.close()


@pytest.fixture
def services(folder: Path, environ: dict[str, str]) -> Iterator[Services]:
    found = Services(folder, environ)
    yield found
    for process in found.running.values():
        process.close()


def alerted(folder: Path, burst: int) -> bool:
    """Wait until both ways to combine have told of a burst, by its place among those there were."""
    path, until = folder / "alert-alerts.jsonl", time.monotonic() + 2 * LONGEST_S
    while time.monotonic() < until:
        whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
        told = [json.loads(line) for line in whole.splitlines()]
        if {"Fisher", "Stouffer"} <= {alert["by"] for alert in told if alert["alert"] >= burst}:
            return True
        time.sleep(0.05)
    return False


def test_four_services_come_and_go(services: Services, folder: Path) -> None:
    services.start("left")  # before there is anybody to combine, or to be alerted
    services.start("right")
    services.start("combine")
    services.start("alert")
    assert alerted(folder, 1)
    services.running["alert"].line("page: items on http://")
    for name in ("combine", "left", "right"):
        services.kill(name)
    services.environ["BEGIN_S"] = "100000"  # of the detectors' common clock, behind all that was seen before
    for name in ("right", "combine", "left"):
        services.start(name)
    assert alerted(folder, 2)
    for name in ("left", "right", "combine", "alert"):
        said = services.stop(name)
        assert said.code == 130, said.text
        assert "Traceback" not in said.text
