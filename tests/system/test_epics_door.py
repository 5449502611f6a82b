"""``penstock epics``: a running pipeline over PVAccess, written to by a real client, killed and begun anew."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.system.commands import LONGEST_S, Process, ended, started

pytest.importorskip("p4p", reason='no p4p on this machine; pip install "penstock[epics]"')
ROOT = Path(__file__).parents[2]
PIPELINE = """
name: analysis
sources: {n: {use: "tests.system.controlled:Paced", rate: 100, block: 1}}
events: {scan: {join: [n], by: key}}
stages:
  measure: {from: scan, map: "tests.system.epics_code:Measure"}
  image: {from: measure, reduce: "tests.system.epics_code:Views"}
"""
ENVIRON = {"PYTHONPATH": str(ROOT)}


class Client:
    """p4p's, of one prefix."""

    def __init__(self, address: str) -> None:
        from p4p.client.thread import Context

        conf = {"EPICS_PVA_ADDR_LIST": address, "EPICS_PVA_AUTO_ADDR_LIST": "NO"}
        self.context: Any = Context("pva", conf=conf, useenv=False)

    def get(self, name: str) -> Any:
        return self.context.get(f"T:{name}", timeout=LONGEST_S)

    def raw(self, name: str, field: str) -> Any:
        return self.get(name).raw[field]

    def put(self, name: str, value: Any) -> None:
        self.context.put(f"T:{name}", value, timeout=LONGEST_S)

    def refusal(self, name: str, value: Any) -> str:
        from p4p.client.thread import RemoteError

        with pytest.raises(RemoteError) as caught:
            self.put(name, value)
        return str(caught.value)

    def until(self, name: str, is_so: Callable[[Any], object]) -> Any:
        """Wait until a variable is so, and return it."""
        deadline = time.monotonic() + LONGEST_S
        while not is_so(found := self.get(name)):
            assert time.monotonic() < deadline, (name, found, found.raw)
            time.sleep(0.02)
        return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def running(folder: Path, port: int, run: str) -> Process:
    words = ("run", "p.yaml", "-q", "--stay", "--serve", str(port), "--run", run)
    return Process(*words, folder=folder, environ=ENVIRON)


@contextmanager
def served(folder: Path, pipeline: str, *words: str) -> Iterator[tuple[Process, Client]]:
    command = ("epics", pipeline, "--prefix", "T:", "--bind", "127.0.0.1:0", "--every-s", "0.1", *words)
    with started(*command, folder=folder) as process:
        address = process.line("PVAccess: ").partition("EPICS_PVA_ADDR_LIST=")[2].partition(",")[0]
        client = Client(address)
        try:
            yield process, client
        finally:
            client.context.close()


def test_a_pipeline_is_seen_set_and_commanded_and_outlived(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(PIPELINE)
    port = free_port()
    with served(tmp_path, f"127.0.0.1:{port}") as (door, client):
        assert (client.get("STATE"), client.get("STATE").severity) == ("unreachable", 3)
        assert "the pipeline does not answer" in client.refusal("CMD:FINISH", "x")
        process = running(tmp_path, port, "first")
        try:
            door.line("penstock epics: analysis at")
            sees(client)
            sets(client)
            commands(client)
        finally:
            process.close()
        client.until("STATE", lambda state: state == "unreachable" and state.severity == 3)
        client.until("VIEW:image:gain", lambda gain: gain.severity == 3)
        assert client.raw("VIEW:image:gain", "alarm.message") == "the pipeline does not answer"
        (tmp_path / "p.yaml").write_text(PIPELINE.replace("by: key", "by: {trigger-map: {}}"))
        process = running(tmp_path, port, "unused")
        try:
            client.until("STATE", lambda state: state == "initialised" and not state.severity)
            assert client.get("RUN") == "", "no run has begun, and the door is there"
            wish = {"run": "third", "trigger_maps": {"scan": {"n": {"events": 100_000}}}}
            client.put("CMD:BEGIN", {"value": json.dumps(wish)})
            client.until("RUN", lambda run: run == "third" and not run.severity)
            client.until("VIEW:image:gain", lambda gain: gain == 1.5 and not gain.severity)
        finally:
            process.close()


def sees(client: Client) -> None:
    client.until("STATE", lambda state: state == "processing" and not state.severity)
    assert client.get("RUN") == "first"
    before = client.until("EDGE:scan:measure:DONE", lambda done: done > 0)
    client.until("EDGE:scan:measure:DONE", lambda done: done > before)
    assert bool(client.get("LEDGER:ADDS_UP"))
    assert client.until("VIEW:image:gain", lambda gain: gain == 1.5).raw["display.units"] == "mm"
    assert client.raw("VIEW:image:gain", "display.description") == "the last one"
    spectrum = client.until("VIEW:image:spectrum", lambda counts: min(counts) > 0)
    assert (spectrum.shape, spectrum.dtype, spectrum.raw["display.units"]) == ((4,), np.int64, "counts")
    image = client.get("VIEW:image:map:Fe")
    assert (image.shape, image.dtype, image.raw.getID()) == ((2, 3), np.uint16, "epics:nt/NTNDArray:1.0")
    assert 0 <= client.get("STAGE:measure:LOAD") <= 100


def sets(client: Client) -> None:
    assert (client.get("PAR:measure.gain"), client.raw("PAR:measure.gain", "control.limitHigh")) == (1.5, 10)
    client.put("PAR:measure.gain", 2.5)
    assert client.get("PAR:measure.gain") == 2.5
    client.until("VIEW:image:gain", lambda gain: gain == 2.5)
    assert "-1.0 is refused (input should be greater than or equal to 0)" in client.refusal("PAR:measure.gain", -1.0)
    assert client.get("PAR:measure.gain") == 2.5
    client.put("PAR:measure.mode", "slow")
    assert str(client.get("PAR:measure.mode")).endswith("slow")
    client.put("PAR:measure.times", 7)
    client.put("PAR:measure.label", "iron")
    client.put("PAR:measure.dark", [0.5, 1.5])
    client.until("PAR:measure.times", lambda times: times == 7)
    client.until("PAR:measure.label", lambda label: label == "iron")
    client.until("PAR:measure.dark", lambda dark: list(dark) == [0.5, 1.5])
    assert client.refusal("EDGE:scan:measure:DONE", 3) == "this can only be read"


def commands(client: Client) -> None:
    client.put("STAGE:measure:WORKERS", 2)
    client.until("STAGE:measure:WORKERS", lambda workers: workers == 2)
    assert "no map stage is called" in client.refusal("STAGE:image:WORKERS", 2)
    assert "arm is refused: a run goes on" in client.refusal("CMD:BEGIN", "second")
    client.put("CMD:FINISH", "that is enough")
    assert client.get("CMD:FINISH").startswith("reads nothing more")
    client.until("OUTCOME", lambda outcome: outcome == "finished")
    client.until("PAR:measure.gain", lambda gain: gain.severity == 3)
    assert "this is no JSON" in client.refusal("CMD:BEGIN", {"value": '{"run": '})
    client.put("CMD:BEGIN", {"value": '{"run": "second", "values": {"gain": 4}}'})
    client.until("RUN", lambda run: run == "second")
    client.until("VIEW:image:gain", lambda gain: gain == 4)
    client.until("PAR:measure.gain", lambda gain: gain == 4 and not gain.severity)


def test_who_may_only_look_changes_nothing(tmp_path: Path) -> None:
    with served(tmp_path, "127.0.0.1:9", "--read-only") as (door, client):
        assert client.refusal("CMD:ABORT", "x") == "this can only be read"
        door.line("penstock epics: nobody answers at http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("bind", "code", "says"),
    [
        ("0.0.0.0:0", 2, "--bind: 0.0.0.0:0 can be reached from other machines, and PVAccess asks for no password"),
        ("here:x", 2, '--bind: "here:x" is no address'),
        ("192.0.2.1:0", 1, "PVAccess cannot be served at 192.0.2.1:0"),
    ],
)
def test_where_it_cannot_be_served_is_said(tmp_path: Path, bind: str, code: int, says: str) -> None:
    words = ("epics", "127.0.0.1:9", "--bind", bind, *(["--open-to-network"] if code == 1 else []))
    said = ended(*words, folder=tmp_path)
    assert (said.code, said.out) == (code, "")
    assert says in said.err
