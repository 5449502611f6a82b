"""A running pipeline as a Tango device: real processes, a real client, no database."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.client import connect
from tests.system.commands import Process
from tests.system.watching import PATIENCE_S

tango: Any = pytest.importorskip("tango", reason='no PyTango on this machine; pip install "penstock[tango]"')

ROOT = Path(__file__).parents[2]
PIPELINE = """
name: analysis
sources:
  a: {use: "tests.system.controlled:Paced", rate: 100}
events:
  scan: {join: [a], by: trigger-map}
stages:
  fit: {from: scan, map: "tests.system.tango_code:fit", workers: 2, tags: [generic, quick]}
sinks:
  out: {use: json-lines, from: fit, path: "{run}.jsonl"}
"""
LONG = {"a": {"events": 100_000}}
"""A map of more events than any test waits for."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Rig:
    """A pipeline, and the device server beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        (folder / "uploads").mkdir()
        (folder / "p.yaml").write_text(PIPELINE)
        (folder / "map.json").write_text(json.dumps(LONG))
        self.pipeline = self.begin_pipeline("first")
        words = ("tango", self.address, "--port", "0", "--uploads", "uploads", "--every-s", "0.1")
        self.server = Process(*words, folder=folder)
        self.device = self.server.line("tango: ").split()[1]
        self.proxy = tango.DeviceProxy(self.device)
        self.events: list[tuple[str, Any]] = []
        self.news = threading.Condition()

    def begin_pipeline(self, run: str) -> Process:
        environ = {"PYTHONPATH": str(ROOT), "TMPDIR": str(self.folder)}
        given = ("--run", run, "--map", "map.json") if run else ()
        words = ("run", "p.yaml", "-q", "--stay", "--serve", str(self.port), *given)
        process = Process(*words, folder=self.folder, environ=environ)
        process.line("views: ")
        return process

    def subscribe(self, *names: str) -> None:
        for name in names:
            self.proxy.subscribe_event(name, tango.EventType.CHANGE_EVENT, self._happened)

    def heard(self, name: str, value: Any) -> None:
        """Wait for an event."""
        with self.news:
            assert self.news.wait_for(lambda: (name, value) in self.events, PATIENCE_S), self.events[-20:]

    def until(self, is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < end, (self.proxy.status(), self.server._lines)
            time.sleep(0.05)

    def is_in(self, *states: str) -> bool:
        return str(self.proxy.state()) in states

    def refusal(self, act: Callable[[], Any]) -> str:
        with pytest.raises(tango.DevFailed) as found:
            act()
        assert found.value.args[0].reason == "PENSTOCK_Refused"
        return str(found.value.args[0].desc)

    def close(self) -> None:
        for process in (self.server, self.pipeline):
            process.close()

    def _happened(self, event: Any) -> None:
        name = event.attr_name.partition("#")[0].rpartition("/")[2]
        value = None if event.err or event.attr_value.is_empty else event.attr_value.value
        plain = value.tolist() if isinstance(value, np.ndarray) else str(value) if name == "state" else value
        with self.news:
            self.events.append((name, plain))
            self.news.notify_all()


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    made = Rig(tmp_path_factory.mktemp("tango"))
    yield made
    made.close()


def test_it_says_how_the_pipeline_is(rig: Rig) -> None:
    proxy = rig.proxy
    rig.until(lambda: rig.is_in("RUNNING") and proxy.completed > 0)
    assert (proxy.pipeline, proxy.run, proxy.outcome) == ("analysis", "first", "running")
    assert proxy.status().startswith("analysis, run first: processing; ")
    assert list(proxy.streams) == ["a"]
    assert proxy.stream_arrived[0] > 0
    assert "scan -> fit" in proxy.edges
    assert (list(proxy.stages), proxy.stage_workers.tolist()) == (["fit"], [2])
    assert list(proxy.workers) == ["fit-0", "fit-1"]
    rig.until(lambda: np.isfinite(proxy.worker_load).all())
    assert list(proxy.worker_tags) == ["generic, quick"] * 2
    rig.until(lambda: min(proxy.worker_last_event) > 0)
    assert max(proxy.worker_last_event) <= max(proxy.edge_arrived)
    assert proxy.books_add_up is True
    assert proxy.total == 100_000
    assert proxy.progress == pytest.approx(proxy.completed / 1000, abs=1)
    assert "finish" in proxy.allowed


def test_parameters_are_typed_attributes(rig: Rig) -> None:
    proxy = rig.proxy
    said = proxy.get_attribute_config("fit_roi")
    assert (said.unit, said.min_value, said.max_value, said.label) == ("keV", "0", "10", "fit.roi")
    for name, value in (("roi", 3.5), ("above", 7), ("on", False), ("label", "Zürich"), ("window", "[1, 2]")):
        proxy.write_attribute(f"fit_{name}", value)
        assert proxy.read_attribute(f"fit_{name}").value == value
    proxy.fit_mode = "slow"
    assert proxy.fit_mode.name == "slow"
    proxy.write_attribute("fit_dark", [1.0, 2.0])
    with connect(rig.address) as run:
        assert (run.parameters.roi, run.parameters.mode, run.parameters.dark) == (3.5, "slow", [1.0, 2.0])
        assert run.parameters.label == "Zürich"
        rig.subscribe("fit_roi")
        run.parameters.roi = 4.5  # by another door
        rig.heard("fit_roi", 4.5)
    proxy.Set(json.dumps({"dark": [[1.0, 2.0], [3.0, 4.0]], "roi": 2.0}))
    rig.until(lambda: np.shape(proxy.read_attribute("fit_dark").value) == (2, 2))
    assert proxy.read_attribute("fit_roi").value == 2.0
    proxy.write_attribute("fit_geometry_content", ("p.geom", b"\0rotated"))
    path = Path(proxy.read_attribute("fit_geometry").value)
    assert (path.parent, path.read_bytes()) == (rig.folder / "uploads", b"\0rotated")


def test_what_is_wrong_is_refused_with_the_reason(rig: Rig) -> None:
    proxy = rig.proxy
    before = proxy.read_attribute("fit_above").value
    said = rig.refusal(lambda: proxy.write_attribute("fit_above", 0))
    assert "0 is refused (input should be greater than 0); expected int, > 0" in said
    assert proxy.read_attribute("fit_above").value == before
    assert "path does not point to a file" in rig.refusal(lambda: proxy.write_attribute("fit_geometry", "/nowhere"))
    assert 'no parameter "nix"' in rig.refusal(lambda: proxy.Set('{"nix": 1}'))
    assert "takes an object of JSON" in rig.refusal(lambda: proxy.Set("[1"))
    assert "unknown field" in rig.refusal(lambda: proxy.Command('{"nome": "stop"}'))
    assert "stop has no argument who" in rig.refusal(lambda: proxy.Command('{"name": "stop", "arguments": {"who": 1}}'))
    assert "closed" in rig.refusal(lambda: proxy.Extend(json.dumps({"join": "scan", "trigger_map": LONG})))
    assert "Scale takes a stage and a number" in rig.refusal(lambda: proxy.Scale(["fit"]))
    assert "nix" in rig.refusal(lambda: proxy.Scale(["nix", "2"]))
    assert "a run goes on" in rig.refusal(lambda: proxy.Begin(""))


def test_it_is_scaled_held_ended_and_begun_again(rig: Rig) -> None:
    proxy = rig.proxy

    def begin(**wish: Any) -> Any:
        return proxy.Begin(json.dumps(wish))

    rig.subscribe("stage_workers", "State", "run")
    proxy.Scale(["fit", "3"])
    rig.heard("stage_workers", [3])
    assert "held" in proxy.Stop()
    rig.heard("state", "ON")
    proxy.Start()
    rig.until(lambda: rig.is_in("RUNNING"))
    proxy.Finish()
    rig.heard("state", "STANDBY")
    assert proxy.outcome == "incomplete"  # as the map has more
    assert any("scan" in reason for reason in proxy.reasons)
    assert "has ended" in rig.refusal(lambda: proxy.write_attribute("fit_above", 1))
    assert "waits for a trigger map" in rig.refusal(lambda: proxy.Begin(""))
    assert "0 is refused" in rig.refusal(lambda: begin(values={"above": 0}, trigger_maps={"scan": LONG}))
    begin(run="second", values={"above": 5}, trigger_maps={"scan": {"a": {"events": 30}}})
    rig.heard("run", "second")
    rig.until(lambda: proxy.completed == proxy.total == 30)
    assert proxy.read_attribute("fit_above").value == 5
    reply = json.loads(proxy.Command('{"name": "status"}'))
    assert (reply["outcome"], reply["body"]["run"]) == ("done", "second")


def test_a_pipeline_that_goes_and_comes_back(rig: Rig) -> None:
    proxy = rig.proxy
    rig.pipeline.close()
    rig.until(lambda: rig.is_in("UNKNOWN"))
    assert "does not answer: nobody answers at" in proxy.status()
    assert proxy.read_attribute("completed").quality == tango.AttrQuality.ATTR_INVALID
    assert "nobody answers" in rig.refusal(proxy.Finish)
    rig.pipeline = rig.begin_pipeline("")  # it waits for the first map
    rig.until(lambda: rig.is_in("INIT", "STANDBY"))
    proxy.Begin(json.dumps({"run": "third", "trigger_maps": {"scan": LONG}}))
    rig.heard("run", "third")
    rig.until(lambda: rig.is_in("RUNNING"))
    assert proxy.total == 100_000
    rig.pipeline.close()


@pytest.mark.parametrize(
    ("host", "named"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("0.0.0.0", socket.gethostname())]
)
def test_an_address_is_one_that_clients_can_write(host: str, named: str) -> None:
    from penstock.elements.tango_device import address_of

    assert address_of("a/b/c", host, 7) == f"tango://{named}:7/a/b/c#dbase=no"
