"""EPICS over Channel Access: a real IOC in a process of its own, also killed and begun anew."""

import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.core import Message
from penstock.elements.sources.pv import PvSource
from penstock.errors import SourceError
from tests.system.ca_server import DATABASE
from tests.system.source_reader import Begin, Reader

pytest.importorskip("aioca", reason='no aioca on this machine; pip install "penstock[epics]"')


def free_port() -> int:
    """Return a port that is free for TCP and for UDP, over which an IOC is looked for."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as free, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as too:
            port = int(free.getsockname()[1])
            try:
                too.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Ioc:
    """The IOC of ``ca_server``, which can be killed and begun anew under the same address."""

    def __init__(self, folder: Path) -> None:
        self._port = free_port()
        self.address = f"127.0.0.1:{self._port}"
        self._database = folder / "records.db"
        self._database.write_text(DATABASE)
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        words = [sys.executable, str(Path(__file__).with_name("ca_server.py")), str(self._port), str(self._database)]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._wait_for("ready\n")

    def say(self, *said: tuple[str, object]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write("".join(json.dumps(each) + "\n" for each in [*said, []]))
        self._process.stdin.flush()
        self._wait_for("said\n")

    @property
    def is_dead(self) -> bool:
        return self._process is None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def _wait_for(self, word: str) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while (line := self._process.stdout.readline()) != word:
            assert line, "it has ended"


@pytest.fixture(scope="module")
def ioc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ioc]:
    """One for all, since a process looks for all of Channel Access at one address."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("EPICS_CA_REPEATER_PORT", str(free_port()))
        made = Ioc(tmp_path_factory.mktemp("ioc"))
        made.start()
        yield made
        made.kill()


def last(it: Reader) -> dict[str, Message]:
    return {message.metadata["pv"]: message for message in it.messages}


def test_values_are_heard_with_time_unit_alarm_and_choice(ioc: Ioc, reader: Begin) -> None:
    names = ["current", "state", "text", "trace", "names", "never"]
    it = reader(PvSource(names, ioc.address, provider="ca"))
    it.until(lambda: len(it.messages) == len(names))
    first = last(it)
    assert first["text"].metadata == {"pv": "text", "value": "hello", "severity": 0}
    assert first["never"].metadata == {"pv": "never", "value": 0, "severity": 3, "alarm": "UDF"}
    assert abs(first["never"].timestamp_ns - time.time_ns()) < 60 * 10**9  # when it came, for it has no time
    it.messages.clear()
    before_ns = time.time_ns()
    ioc.say(("current", 9.5), ("state", 1), ("trace", "x"), ("text", "bye"))
    it.until(lambda: {"current", "state", "text"} <= last(it).keys())
    said = last(it)
    assert said["current"].metadata == {"pv": "current", "value": 9.5, "severity": 2, "alarm": "HIHI", "unit": "mA"}
    assert before_ns <= said["current"].timestamp_ns <= time.time_ns()
    assert (said["state"].metadata["value"], said["state"].metadata["index"]) == ("open", 1)
    assert said["text"].metadata["value"] == "bye"
    it.source.close()
    assert "channel access" not in [thread.name for thread in threading.enumerate()]


def test_arrays_are_heard_as_they_are(ioc: Ioc, reader: Begin) -> None:
    it = reader(PvSource(["trace", "names"], ioc.address, provider="ca"))
    it.until(lambda: len(it.messages) >= 2)
    ioc.say(("trace.NORD", 0), ("trace", 2.5))
    it.until(lambda: (array := last(it)["trace"].array) is not None and array.tolist() == [2.5])
    assert not last(it)["trace"].array.flags.writeable
    assert "value" not in last(it)["trace"].metadata
    assert last(it)["names"].metadata["value"] == []


def test_every_value_is_heard_in_order(ioc: Ioc, reader: Begin) -> None:
    it = reader(PvSource("current", ioc.address, provider="ca"))
    it.until(lambda: it.messages)
    it.messages.clear()
    values = [number / 4 for number in range(1, 21)]
    ioc.say(("current", 0.0))  # which is no news, and not told, where no test before has set another
    for value in values:
        ioc.say(("current", value))
    it.until(lambda: it.messages and it.messages[-1].metadata["value"] == values[-1])
    assert [message.metadata["value"] for message in it.messages][-len(values) :] == values


def test_what_is_not_there_is_an_error(ioc: Ioc, reader: Begin) -> None:
    it = reader(PvSource(["current", "no"], ioc.address, provider="ca", connect_s=0.5))
    says = r"^no: no Channel Access server at 127\.0\.0\.1:\d+ has answered within 0.5 s"
    with pytest.raises(SourceError, match=says):
        it.until(lambda: False)


def test_another_address_in_the_same_process_is_an_error(ioc: Ioc, reader: Begin) -> None:
    reader(PvSource("current", ioc.address, provider="ca"))
    with pytest.raises(SourceError, match=r"where this process looks at .* already; write the same for all"):
        PvSource("current", "127.0.0.2", provider="ca").open()


def test_another_provider_is_refused() -> None:
    with pytest.raises(ValueError, match='provider is "tango"; write pva or ca'):
        PvSource("x", provider="tango")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "comes_back",
    [False, pytest.param(True, marks=pytest.mark.long)],  # the library looks again only 10 s after a disconnect
)
def test_an_ioc_that_is_killed_is_missed_and_heard_again(
    ioc: Ioc, reader: Begin, caplog: pytest.LogCaptureFixture, comes_back: bool
) -> None:
    if ioc.is_dead:
        ioc.start()
    it = reader(PvSource("current", ioc.address, provider="ca"))
    it.until(lambda: it.messages)
    with caplog.at_level(logging.WARNING):
        ioc.kill()
        it.until(lambda: "it: current is heard no more: its server is gone; it is looked for" in caplog.messages)
        if not comes_back:
            return
        ioc.start()
        it.until(lambda: "it: current is heard again" in caplog.messages)
        ioc.say(("current", 3.25))
        it.until(lambda: it.messages[-1].metadata["value"] == 3.25)
    assert it.messages[-1].metadata["unit"] == "mA"
    ioc.kill()
