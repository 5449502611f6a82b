"""Values and views of a pipeline as Tango devices: real processes and clients, also with a database."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.elements.sink import RunFacts
from penstock.elements.sinks.tango import TangoSink
from penstock.elements.sources.tango import TangoSource
from penstock.errors import SinkError
from tests.system.commands import Process, started
from tests.system.source_reader import Begin
from tests.system.watching import PATIENCE_S

tango: Any = pytest.importorskip("tango", reason='no PyTango on this machine; pip install "penstock[tango]"')

ROOT = Path(__file__).parents[2]
PIPELINE = """
name: analysis
sources:
  a: {use: "tests.system.controlled:Paced", rate: 100}
events:
  scan: {join: [a], by: key}
stages:
  fit: {from: scan, map: "tests.system.tango_code:measure"}
  image: {from: fit, reduce: "tests.system.tango_code:Shown"}
sinks:
  beam: {use: tango, from: fit, device: analysis/fit/1, PLACE}
  maps: {use: tango, from: image, device: analysis/image/1, port: 0, when: {every_s: 0.1}}
"""
RUN = RunFacts(pipeline="p", run="r", sink="beam")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def read(device: Any, name: str) -> Any:
    """Return a value, ``None`` while there is none."""
    try:
        return device.read_attribute(name).value
    except (tango.DevFailed, TypeError):  # the latter from PyTango, of an attribute that is not there
        return None


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Process]:
    (tmp_path / "p.yaml").write_text(PIPELINE.replace("PLACE", f"port: {free_port()}"))
    environ = {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    with started("run", "p.yaml", "-q", "--run", "r1", folder=tmp_path, environ=environ) as process:
        yield process


def device_of(process: Process, sink: str) -> Any:
    return tango.DeviceProxy(process.line(f"{sink}: tango://").split()[1])


def test_values_and_views_are_attributes(pipeline: Process) -> None:
    beam, maps = device_of(pipeline, "beam"), device_of(pipeline, "maps")
    heard: list[Any] = []
    until(lambda: read(beam, "number") is not None)
    beam.subscribe_event("number", tango.EventType.CHANGE_EVENT, heard.append)
    assert (beam.pipeline, beam.run, beam.label, beam.centre_is_good) == ("analysis", "r1", "Zürich", True)
    assert isinstance(read(beam, "centre_x"), float)
    assert read(beam, "line").tolist() in ([], [0], [0, 1])
    until(lambda: len(heard) > 3)
    numbers = [event.attr_value.value for event in heard if not event.err]
    assert numbers == sorted(numbers)
    assert "all_no" not in beam.get_attribute_list()
    assert str(beam.state()) == "RUNNING"

    until(lambda: (read(maps, "n") or 0) > 10)
    said = maps.get_attribute_config("map_Fe")
    assert (said.unit, said.label, said.data_format) == ("counts", "iron", tango.AttrDataFormat.IMAGE)
    image = read(maps, "map_Fe")
    assert image.shape == (2, 3)
    assert abs(image[0, 0] - image[1, 0]) == 1
    assert list(read(maps, "names")) == ["a", "b"]

    pipeline.process.send_signal(signal.SIGINT)
    assert pipeline.end().code == 130


def test_a_program_that_is_killed_is_begun_anew_with_the_newest_values() -> None:
    sink = TangoSink("a/b/c", port=free_port())
    sink.open(RUN)
    try:
        device = tango.DeviceProxy(f"tango://127.0.0.1:{sink._port}/a/b/c#dbase=no")
        sink.write({"n": 1})
        until(lambda: read(device, "n") == 1)
        assert sink._child is not None
        assert sink._child._process is not None
        sink._child._process.kill()
        until(lambda: read(device, "n") == 1 and device.run == "r")
        sink.write({"n": 2.5, "image": np.ones((2, 2), np.uint16)})  # another type
        until(lambda: read(device, "n") == 2.5)
        assert device.image.tolist() == [[1, 1], [1, 1]]
        sink.write(7)
        until(lambda: read(device, "value") == 7)
        assert set(device.get_attribute_list()) == {"pipeline", "run", "items", "value", "State", "Status"}
        assert device.items == 3
    finally:
        sink.close(ended_well=True)


def test_the_source_hears_the_sink(reader: Begin) -> None:
    sink = TangoSink("sys/motor/1", port=free_port(), max_hz=100)
    sink.open(RUN)
    try:
        sink.write({"position": 0.5})
        device = f"tango://127.0.0.1:{sink._port}/sys/motor/1#dbase=no"
        until(lambda: read(tango.DeviceProxy(device), "position") == 0.5)
        it = reader(TangoSource(device, "position"))
        it.until(lambda: len(it.messages) == 1)
        sink.write({"position": 1.5})
        it.until(lambda: len(it.messages) == 2)
        assert [message.metadata["value"] for message in it.messages] == [0.5, 1.5]
    finally:
        sink.close(ended_well=True)


def test_a_device_that_cannot_be_served_again_is_an_error() -> None:
    sink = TangoSink("a/b/c", port=free_port())
    sink.open(RUN)
    assert sink._child is not None
    assert sink._child._process is not None
    sink._child._process.kill()
    sink._child._process.wait()
    with socket.create_server(("127.0.0.1", int(sink._port or 0))):
        until(lambda: bool(sink._child and sink._child.problem))
        with pytest.raises(SinkError, match=r"a/b/c is not served: .* cannot be listened at"):
            sink.write(1)
        with pytest.raises(SinkError, match="a/b/c is not served"):
            sink.close(ended_well=True)


def test_chosen_values_and_what_cannot_be_shown_is_counted() -> None:
    sink = TangoSink("a/b/c", {"x": "centre.x", "y": "centre.y", "odd": "odd"}, port=0)
    sink.open(RUN)
    try:
        sink.write({"centre": {"x": 1}, "odd": [{}], "more": 3})
        assert sink.losses.total == 2
        reasons = " ".join(why for why, _ in sink.losses.news())
        assert 'no field "y"' in reasons
        assert '"odd" is nothing that Tango can show' in reasons
    finally:
        sink.close(ended_well=True)


def test_a_port_that_is_taken_is_said_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SinkError, match=f"a/b/c is not served: 127.0.0.1:{port} cannot be listened at: Address al"):
            TangoSink("a/b/c", port=port).open(RUN)


def test_devices_of_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("TANGO_HOST", f"127.0.0.1:{port}")
    words = ("--host", "127.0.0.1", "--port", str(port), "2")
    database = (sys.executable, "-u", "-m", "tango.databaseds.database")
    with started(*words, folder=tmp_path, command=database) as process:
        process.line("Ready")
        nowhere = ("tango", "http://127.0.0.1:9", "--device", "a/pipeline/1")
        with started(*nowhere, folder=tmp_path) as unknown:
            said = unknown.end()
            assert (said.code, said.out) == (1, "")
            assert "the database knows no device a/pipeline/1 of the server penstock/1; register it" in said.err
        with started(*nowhere, "--register", folder=tmp_path) as server:
            server.line("tango: a/pipeline/1")
            device = tango.DeviceProxy("a/pipeline/1")
            assert str(device.state()) == "UNKNOWN"
            assert "nobody answers at http://127.0.0.1:9" in device.status()
            sink = TangoSink("a/sink/1")
            sink.open(RUN)
            try:
                sink.write({"n": 1})
                until(lambda: read(tango.DeviceProxy("a/sink/1"), "n") == 1)
            finally:
                sink.close(ended_well=True)
            known = tango.Database()
            assert not known.get_device_info("a/sink/1").exported
            os.kill(server.process.pid, signal.SIGTERM)
            assert server.end().code == 0
            assert not known.get_device_info("a/pipeline/1").exported


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: TangoSink("motor"), 'device is "motor"; write domain/family/member'),
        (lambda: TangoSink("tango://host:1/a/b/c"), "write domain/family/member alone"),
        (lambda: TangoSink("a/b/c", port=70000), "port is 70000"),
        (lambda: TangoSink("a/b/c", max_hz=0), "max_hz is 0"),
        (lambda: TangoSink("a/b/c", {"a.b": "x"}), '"a.b" cannot be the name of an attribute; a_b could'),
        (lambda: TangoSink("a/b/c", {"run": "x"}), '"run" cannot be the name of an attribute; run_2 could'),
    ],
)
def test_what_cannot_be_is_said_at_once(make: Callable[[], TangoSink], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
