"""The example of a telescope as its users run it: two processors under ``penstock up``, and the camera."""

import json
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

import penstock
from penstock.client import Connection
from tests.system.commands import LONGEST_S, Process, ended, started
from tests.system.test_chain_examples import free_ports, lines

EXAMPLE = Path(__file__).parents[2] / "examples/telescope"
N, FLAGGED, ALERTS, WINDOWS = 1000, 22, 2, 9
"""Packets; those of the high lane; windows of 100 of the other 978."""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    shutil.copytree(EXAMPLE, tmp_path / "telescope", ignore=shutil.ignore_patterns("__pycache__"))
    names = ("HIGH", "LOW", "RESULTS_HIGH", "RESULTS_LOW", "SUMMARY")
    addresses = {name: f"tcp://127.0.0.1:{port}" for name, port in zip(names, free_ports(len(names)), strict=True)}
    camera = {"N": str(N), "FAST_FROM": "500", "DEAD_FROM": "700", "SPEED": "1e9"}
    rest = {"QUALITY_HTTP": "0", "SUMMARY_HTTP": "0", "OUT": str(tmp_path / "out"), "EVERY": "1", "SILENT_S": "0.3"}
    return {**addresses, **camera, **rest}


@pytest.fixture
def published(environ: dict[str, str]) -> Iterator["zmq.Socket[bytes]"]:
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.RCVTIMEO, int(LONGEST_S * 1000))
        socket.subscribe(b"")
        socket.connect(environ["SUMMARY"])
        yield socket


def until(is_so: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + LONGEST_S
    while not is_so():
        assert time.monotonic() < end_s, what
        time.sleep(0.02)


def served(up: Process) -> dict[str, Connection]:
    """Wait until both processors work; return connections to them."""
    found: dict[str, Connection] = {}
    count = 0
    while len(found) < 2:
        count += 1
        news = json.loads(up.line("{", count))
        if news["state"] == "processing":
            found[news["pipeline"]] = penstock.connect(news["address"])
    return found


def edges(run: Connection) -> dict[tuple[str, str], dict[str, Any]]:
    return {(edge["producer"], edge["consumer"]): edge for edge in run.status["edges"]}


def books(run: Connection) -> dict[tuple[str, str], dict[str, int]]:
    """Return where everything ended, by edge."""
    return {edge: {"in": each["arrived"], **each["accounts"]} for edge, each in edges(run).items()}


def test_a_night(tmp_path: Path, environ: dict[str, str], published: "zmq.Socket[bytes]") -> None:
    out = tmp_path / "out"
    with started("up", "telescope", "--json", folder=tmp_path, environ=environ) as up:
        runs = served(up)
        quality, summary = runs["quality"], runs["summary"]

        # All packets, and one that is none, wait before the first processor.
        assert quality.command("stop-processing").is_done
        with zmq.Context() as context, context.socket(zmq.PUSH) as stranger:
            stranger.connect(environ["LOW"])
            stranger.send(b"")
            camera = ended("run", "telescope/camera.yaml", "-q", folder=tmp_path, environ=environ)
        assert camera.code == 0, camera.text
        lanes = {"flagged": FLAGGED, "bulk": N - FLAGGED + 1}
        until(lambda: {name: edges(quality)[name, "pixels"]["in_flight"] for name in lanes} == lanes, "packets")
        assert quality.command("start-processing").is_done
        until(lambda: books(summary)["summary", "kept"].get("done") == N + WINDOWS, "results are missing")

        # What is kept is published, too; there an urgent line may overtake others.
        (file,) = out.glob("*-summary.jsonl")
        until(lambda: len(lines(file)) == N + WINDOWS, "lines are missing")
        told = lines(file)
        heard = [json.loads(published.recv()) for _ in told]
        assert sorted(map(json.dumps, heard)) == sorted(map(json.dumps, told))

        # Every packet is in it once, and the urgent ones went first, though the last of them was sent last.
        last = told[-1]
        assert {name: last[name] for name in ("packets", "pedestal", "alert", "shower", "windows")} == {
            "packets": N, "pedestal": FLAGGED - ALERTS, "alert": ALERTS, "shower": N - FLAGGED, "windows": WINDOWS
        }  # fmt: skip
        assert next(one["packets"] for one in told if one["pedestal"] + one["alert"] == FLAGGED) < N / 2
        assert [one["because"] for one in told if one["because"].startswith("alert")] == [
            "alert of packet 499",
            "alert of packet 999",
        ]
        assert 4.5 < last["noise"] < 5.5
        assert last["dead"] == [17]
        assert last["fastest_Hz"] > 1500

        # Both analyses had every packet; what was no packet is known by name.
        found = books(quality)
        for analysis in ("pixels", "rate"):
            assert found["flagged", analysis]["in"] == FLAGGED
            assert found["bulk", analysis]["in"] == N - FLAGGED + 1
            assert found["bulk", analysis]["dead-lettered"] == 1
        assert found["pixels", "high"] == {"in": FLAGGED, "done": FLAGGED}
        assert found["pixels", "low"] == {"in": N - FLAGGED, "done": N - FLAGGED}
        assert found["rate", "rates"] == {"in": WINDOWS, "done": WINDOWS}
        assert quality.ledger.adds_up
        assert summary.ledger.adds_up
        assert "dead pixels" in {notice["text"] for notice in quality.notices("alarm")}

        # The camera was too fast, and is silent now.
        (file,) = out.glob("*-alarms.jsonl")
        raised = {"too_fast", "silent"}
        until(lambda: {one["alarm"] for one in lines(file) if one["what"] == "raised"} == raised, "alarms")

        up.process.send_signal(signal.SIGTERM)
        said = up.end()
    assert said.code == 0, said.text
