"""A real RunEngine with its proxy, both in processes of their own; the proxy is also killed and begun anew."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.core import Kind
from penstock.elements.sources.bluesky import BlueskySource
from penstock.errors import SourceError
from tests.system.source_reader import Begin, Reader

pytest.importorskip("bluesky", reason="no bluesky on this machine; pip install bluesky ophyd")
pytest.importorskip("ophyd", reason="no ophyd on this machine; pip install bluesky ophyd")


class BlueskyProcess:
    """One of the processes of ``bluesky_run_engine``."""

    def __init__(self, *arguments: str, folder: Path | None = None) -> None:
        environ = os.environ if folder is None else {**os.environ, "TMPDIR": str(folder)}
        program = str(Path(__file__).with_name("bluesky_run_engine.py"))
        self._process = subprocess.Popen(
            [sys.executable, program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ, text=True
        )
        self._await("ready\n")

    def do(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        self._await("done\n")

    def _await(self, word: str) -> None:
        assert self._process.stdout is not None
        while (line := self._process.stdout.readline()) != word:
            assert line, "it has ended"

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def ports() -> tuple[str, str]:
    """Where RunEngines send to, and where it is published."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return str(one.getsockname()[1]), str(other.getsockname()[1])


@pytest.fixture
def proxies(ports: tuple[str, str]) -> Iterator[list[BlueskyProcess]]:
    made = [BlueskyProcess("proxy", *ports)]
    yield made
    for each in made:
        each.kill()


@pytest.fixture(scope="module")
def engine(ports: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlueskyProcess]:
    made = BlueskyProcess("run", ports[0], "pickle", folder=tmp_path_factory.mktemp("images"))
    yield made
    made.kill()


def greeted(it: Reader, engine: BlueskyProcess, word: str = "first") -> None:
    """Wait until what is published is heard, and forget the greetings."""

    def is_heard() -> bool:
        engine.do(f"hello {word}")
        return any(message.metadata["word"] == word for message in it.messages)

    it.until(is_heard)
    it.messages.clear()


def scanned(it: Reader, engine: BlueskyProcess, command: str) -> None:
    engine.do(command)
    it.until(lambda: it.messages and it.messages[-1].kind is Kind.END)
    it.messages[:] = [message for message in it.messages if message.metadata.get("uid") != "hello"]


@pytest.mark.usefixtures("proxies")
def test_a_scan_is_a_run_with_its_events(engine: BlueskyProcess, ports: tuple[str, str], reader: Begin) -> None:
    it = reader(BlueskySource(f"tcp://127.0.0.1:{ports[1]}"))
    greeted(it, engine)
    scanned(it, engine, "scan 5")
    start, *points, stop = it.messages
    assert (start.kind, start.metadata["sample"], start.metadata["beamline"]) == (Kind.START, "iron", "none")
    assert (stop.metadata["exit_status"], stop.metadata["num_events"]["primary"]) == ("success", 5)
    assert stop.metadata["run_start"] == start.metadata["uid"]
    assert [point.key for point in points] == [1, 2, 3, 4, 5]
    assert [point.metadata["data"]["motor"] for point in points] == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert points[2].metadata["data"]["det"] == 1.0
    assert {point.metadata["run"] for point in points} == {start.metadata["uid"]}
    assert points[0].metadata["descriptor"]["data_keys"]["motor"]["precision"] == 3
    assert start.timestamp_ns < points[0].timestamp_ns < points[-1].timestamp_ns < stop.timestamp_ns
    assert (it.filtered, it.unparsable) == (2, [])  # the baseline

    it.messages.clear()
    scanned(it, engine, "images 2")
    external = [message.metadata["external"]["img"] for message in it.messages[1:-1]]
    assert [each["datum_kwargs"] for each in external] == [{"index": 0}, {"index": 1}]
    assert {each["resource"]["spec"] for each in external} == {"NPY_SEQ"}
    assert it.unparsable == []


def test_a_proxy_that_is_killed_is_heard_again(
    engine: BlueskyProcess, ports: tuple[str, str], proxies: list[BlueskyProcess], reader: Begin
) -> None:
    it = reader(BlueskySource(f"tcp://127.0.0.1:{ports[1]}"))
    greeted(it, engine)
    proxies.pop().kill()
    proxies.append(BlueskyProcess("proxy", *ports))
    greeted(it, engine, "again")
    scanned(it, engine, "scan 2")
    assert [message.kind for message in it.messages] == [Kind.START, Kind.DATA, Kind.DATA, Kind.END]


@pytest.mark.usefixtures("proxies")
def test_documents_in_message_pack_are_read(ports: tuple[str, str], reader: Begin, tmp_path: Path) -> None:
    it = reader(BlueskySource(f"tcp://127.0.0.1:{ports[1]}", events=""))
    engine = BlueskyProcess("run", ports[0], "msgpack", folder=tmp_path)
    try:
        greeted(it, engine)
        scanned(it, engine, "scan 3")
    finally:
        engine.kill()
    streams = [message.metadata["stream"] for message in it.messages[1:-1]]
    assert streams == ["baseline", "primary", "primary", "primary", "baseline"]
    assert [message.metadata["data"]["motor"] for message in it.messages[2:5]] == [-1.0, 0.0, 1.0]
    assert it.unparsable == []


def test_a_proxy_that_is_not_there_is_an_error(ports: tuple[str, str], reader: Begin) -> None:
    it = reader(BlueskySource(f"tcp://127.0.0.1:{ports[1]}", connect_s=0.2))
    with pytest.raises(SourceError, match=r"was not reached within 0\.2 s"):
        it.until(lambda: False)
