"""EPICS over PVAccess: a real server in a process of its own, also killed and begun anew."""

import json
import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from penstock.core import Kind
from penstock.elements.source import Source
from penstock.elements.sources.pv import PvSource
from penstock.elements.sources.pva import PvaImageSource
from penstock.errors import SourceError
from tests.system.source_reader import Begin

pytest.importorskip("p4p", reason='no p4p on this machine; pip install "penstock[epics]"')

TIME_S = 1_700_000_000


class ServerProcess:
    """The server of ``pva_server``, which can be killed and begun anew under the same address."""

    def __init__(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("pva_server.py")), str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._heard() == "ready\n"

    def say(self, *said: tuple[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write("".join(json.dumps(each) + "\n" for each in [*said, []]))
        self._process.stdin.flush()
        assert self._heard() == "said\n"

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def _heard(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """One for many tests; it may have images of any of them."""
    yield from running()


@pytest.fixture
def own_server() -> Iterator[ServerProcess]:
    """One to kill."""
    yield from running()


def running() -> Iterator[ServerProcess]:
    made = ServerProcess()
    made.start()
    yield made
    made.kill()


def images(*numbers: int, codec: str = "") -> list[tuple[str, Any]]:
    return [("image", [number, TIME_S + number + 0.5, codec]) for number in numbers]


def test_images_are_numbered_and_dated_and_have_their_attributes(server: ServerProcess, reader: Begin) -> None:
    it = reader(PvaImageSource("image", server.address))
    it.until(lambda: it.filtered)  # what there is before the first image
    server.say(*images(7, 8), *images(9, codec="blosc"), *images(11))
    it.until(lambda: len(it.messages) == 4)
    assert [message.key for message in it.messages] == [7, 8, 9, 11]
    assert it.missing == 1
    first, _, packed, _ = it.messages
    assert (first.kind, first.timestamp_ns) == (Kind.DATA, (TIME_S + 7) * 10**9 + 500_000_000)
    assert (first.array.dtype, first.array.tolist()) == ("u2", [[7, 7, 7], [7, 7, 7]])
    assert not first.array.flags.writeable
    assert {"exposure": 0.5, "motor": "sx"}.items() <= first.metadata.items()
    assert packed.buffers[0].tobytes() == b"packed"


def test_an_image_of_before_is_left_out_unless_it_is_wanted(server: ServerProcess, reader: Begin) -> None:
    server.say(*images(3))
    wanting, other = (reader(PvaImageSource("image", server.address, with_last=wants)) for wants in (True, False))
    wanting.until(lambda: wanting.messages)
    other.until(lambda: other.filtered)
    server.say(*images(4))
    other.until(lambda: other.messages)
    assert [[message.key for message in each.messages] for each in (wanting, other)] == [[3], [4]]


def test_what_comes_while_nobody_reads_is_bounded_and_counted(server: ServerProcess, reader: Begin) -> None:
    it = reader(PvaImageSource("image", server.address, ahead_MB=0.002, queue=1000))
    it.until(lambda: it.filtered)
    server.say(*images(*range(40)))
    server.say(*images(40))
    it.until(lambda: it.messages and len(it.messages) + len(it.unparsable) == 41)
    kept = [message.key for message in it.messages]
    assert kept[:3] == [0, 1, 2]
    assert len(kept) < 20
    assert it.unparsable[0] == "came while 0.002 MB lay unread (ahead_MB)"


def test_what_the_library_runs_over_is_seen_by_the_numbers(server: ServerProcess, reader: Begin) -> None:
    source = PvaImageSource("image", server.address, queue=4)
    it = reader(source)
    it.until(lambda: it.filtered)
    server.say(*images(100))
    it.until(lambda: it.messages)
    with source.monitors["image"].lock:  # so that nobody empties it
        server.say(*[("image", [number, TIME_S, "", 200_000]) for number in range(101, 161)])
    it.until(lambda: it.messages[-1].key == 160)
    assert it.missing == 61 - len(it.messages) > 20
    assert it.unparsable == []


def test_a_server_that_is_killed_is_heard_again(
    own_server: ServerProcess, reader: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    server = own_server
    it = reader(PvaImageSource("image", server.address))
    it.until(lambda: it.filtered)
    server.say(*images(1))
    it.until(lambda: it.messages)
    with caplog.at_level(logging.WARNING):
        server.kill()
        it.until(lambda: "it: image is heard no more: its server is gone; it is looked for" in caplog.messages)
        server.start()
        it.until(lambda: it.filtered == 2)
        server.say(*images(2))
        it.until(lambda: len(it.messages) == 2)
    assert [message.key for message in it.messages] == [1, 2]
    assert "it: image is heard again" in caplog.messages


def test_plain_values_are_heard_with_time_alarm_and_choice(server: ServerProcess, reader: Begin) -> None:
    it = reader(PvSource(["current", "state", "trace"], server.address))
    it.until(lambda: len(it.messages) == 3)
    it.messages.clear()
    server.say(("current", 2.5), ("state", 1), ("trace", [1.0, 2.0]))
    it.until(lambda: len(it.messages) == 3)
    said = {message.metadata["pv"]: message for message in it.messages}
    assert said["current"].metadata == {"pv": "current", "value": 2.5, "severity": 0}
    assert said["current"].timestamp_ns == TIME_S * 10**9 + 5
    assert (said["state"].metadata["value"], said["state"].metadata["index"]) == ("open", 1)
    assert said["trace"].array.tolist() == [1.0, 2.0]
    assert "value" not in said["trace"].metadata


@pytest.fixture
def simulated_detector(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The server that pvapy has for such tests, of other code than this client; it is found by broadcast only."""
    # Looked for, not imported: where aioca was imported before, the two spoil this process's memory at its end.
    if find_spec("pvapy") is None:
        pytest.skip("no pvapy on this machine; pip install pvapy")
    if len(socket.if_nameindex()) < 2:
        pytest.skip("there is no network to broadcast on")
    monkeypatch.setenv("EPICS_PVA_BROADCAST_PORT", str(ServerProcess().port))
    monkeypatch.setenv("EPICS_PVA_SERVER_PORT", "0")
    code = "from pvapy.cli.adSimServer import main; main()"
    wanted = ["-fps", "200", "-nx", "64", "-ny", "32", "-dt", "uint16", "-cs", "50", "-std", "0.1", "-dc", "-rp", "0"]
    with subprocess.Popen([sys.executable, "-c", code, *wanted], stdout=subprocess.DEVNULL) as process:
        yield
        process.kill()


@pytest.mark.usefixtures("simulated_detector")
def test_each_image_of_a_simulated_detector_comes_once(reader: Begin) -> None:
    it = reader(PvaImageSource("pvapy:image"))
    it.until(lambda: len(it.messages) > 150)
    numbers = [message.key or 0 for message in it.messages]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert {(message.array.shape, message.array.dtype.str) for message in it.messages} == {((32, 64), "<u2")}
    assert len({message.timestamp_ns for message in it.messages}) == len(numbers)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (lambda at: PvaImageSource("image", at, connect_s=0.2), r"image: no PVAccess server at 127\.0\.0\.1:\d+ has"),
        (lambda at: PvSource(["current", "no"], at, connect_s=0.2), "^current, no: no PVAccess server .* 0.2 s"),
    ],
)
def test_a_server_that_is_not_there_is_an_error(source: Callable[[str], Source], says: str, reader: Begin) -> None:
    it = reader(source(ServerProcess().address))
    with pytest.raises(SourceError, match=says):
        it.until(lambda: False)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            lambda at: PvaImageSource("current", at),
            "type epics:nt/NTScalar:1.0, no NTNDArray; .* use: pv",
        ),
        (lambda at: PvSource("image", at), "image is of type epics:nt/NTNDArray:1.0, an image; read it by use: pva"),
        (lambda at: PvSource(["current", "no"], at, connect_s=1), "^no: no PVAccess server"),
    ],
)
def test_what_is_no_such_thing_is_an_error(
    source: Callable[[str], Source], says: str, server: ServerProcess, reader: Begin
) -> None:
    it = reader(source(server.address))
    with pytest.raises(SourceError, match=says):
        it.until(lambda: False)


def test_an_address_that_cannot_be_one_is_an_error() -> None:
    with pytest.raises(SourceError, match="no such host!"):
        PvSource("x", "no such host!").open()
