"""Tango: a device server without a database in a process of its own, also killed and begun anew."""

import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.elements.sources.tango import TangoSource
from penstock.errors import SourceError
from tests.system.source_reader import Begin, Reader

tango: Any = pytest.importorskip("tango", reason='no PyTango on this machine; pip install "penstock[tango]"')


class DeviceProcess:
    """The server of ``tango_server``, which can be killed and begun anew under the same address."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.device = f"tango://127.0.0.1:{self._port}/test/device/1#dbase=no"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        program = str(Path(__file__).with_name("tango_server.py"))
        words = [sys.executable, "-u", program, str(self._port)]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        while "Ready" not in (line := self._process.stdout.readline()):
            assert line, "it has ended"

    def do(self, command: str, argument: Any = None) -> None:
        tango.DeviceProxy(self.device).command_inout(command, argument)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = None


def running() -> Iterator[DeviceProcess]:
    made = DeviceProcess()
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def server() -> Iterator[DeviceProcess]:
    """One for many tests."""
    yield from running()


@pytest.fixture
def own_server() -> Iterator[DeviceProcess]:
    """One to kill."""
    yield from running()


def positions(it: Reader) -> list[Any]:
    return [each.metadata["value"] for each in it.messages if each.metadata["attribute"] == "position"]


def test_events_are_heard_in_order_with_time_and_unit(server: DeviceProcess, reader: Begin) -> None:
    it = reader(TangoSource(server.device, ["position", "image"]))
    it.until(lambda: len(it.messages) == 2)  # what there is
    it.messages.clear()
    server.do("move", [1.0, 2.0, 3.0])
    server.do("expose")
    it.until(lambda: len(it.messages) == 4)
    assert positions(it) == [1.0, 2.0, 3.0]
    *moves, image = it.messages
    assert (image.array.dtype, image.array.tolist()) == ("u2", [[7, 7, 7], [7, 7, 7]])
    assert "value" not in image.metadata
    said = {"device": server.device, "attribute": "position", "quality": "VALID", "unit": "mm", "value": 1.0}
    assert moves[0].metadata == said
    times = [message.timestamp_ns for message in moves]
    assert times == sorted(set(times))
    assert it.unparsable == []


def test_what_is_polled_comes_again_and_again(server: DeviceProcess, reader: Begin) -> None:
    it = reader(TangoSource(server.device, ["Position", "label", "State", "broken"], every_s=0.01))
    it.until(lambda: len(it.messages) >= 9 and len(it.unparsable) >= 3)
    first = {message.metadata["attribute"]: message.metadata for message in it.messages[:3]}
    assert (first["label"]["value"], first["State"]["value"]) == ("iron", "UNKNOWN")
    assert first["Position"]["unit"] == "mm"
    assert "the gauge is off" in it.unparsable[0]


@pytest.mark.parametrize("every_s", [0.0, 0.02])
def test_a_server_that_is_killed_is_heard_again(
    own_server: DeviceProcess, reader: Begin, every_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    it = reader(TangoSource(own_server.device, "position", every_s))
    it.until(lambda: positions(it))
    with caplog.at_level(logging.WARNING):
        own_server.kill()
        it.until(lambda: any("position is heard no more" in each for each in caplog.messages))
        own_server.start()
        it.until(lambda: "it: position is heard again" in caplog.messages)
    own_server.do("move", [5.0])
    it.until(lambda: positions(it)[-1] == 5.0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            {"attributes": ["position", "hole"]},
            "hole: .* no such attribute; it has State, Status, broken, image, label",
        ),
        ({"attributes": "label"}, "label: .* sends no change events of it .*; poll it with every_s"),
    ],
)
def test_what_a_device_has_not_is_an_error(
    arguments: dict[str, Any], says: str, server: DeviceProcess, reader: Begin
) -> None:
    it = reader(TangoSource(server.device, **arguments))
    with pytest.raises(SourceError, match=says):
        it.until(lambda: False)


def test_a_server_that_is_not_there_is_an_error(reader: Begin) -> None:
    it = reader(TangoSource(DeviceProcess().device, "position", connect_s=0.5))
    with pytest.raises(SourceError, match=r"nothing was heard of position within 0\.5 s \(.*onnect.*\); see whether"):
        it.until(lambda: False)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: TangoSource("motor", "position"), 'device is "motor"; write domain/family/member'),
        (lambda: TangoSource("tango://host:1/a/b", "position"), "write domain/family/member"),
        (lambda: TangoSource("a/b/c", []), r"\[\] is no name"),
        (lambda: TangoSource("a/b/c", "x", -1), "every_s is -1"),
    ],
)
def test_what_cannot_be_is_said_at_once(make: Callable[[], TangoSource], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
